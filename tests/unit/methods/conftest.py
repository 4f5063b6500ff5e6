"""Images for the LLM steps, and recipes of images that load no model."""

import pytest

from detailscribe.images.recipes import ImageRecipes
from detailscribe.miniature.stand_in_content import placeholder_png
from tests.unit.methods.llm_steps import RECORDS


@pytest.fixture
def images(tmp_path) -> dict[str, dict]:
    """An intact image per record, by id."""
    rows = {}
    for record in RECORDS:
        path = tmp_path / f"{record['id']}.png"
        path.write_bytes(placeholder_png(record["prompt"]))
        rows[record["id"]] = {"status": "ok", "reason": "", "path": path}
    return rows


@pytest.fixture
def recipes(tmp_path) -> ImageRecipes:
    """Recipes of a model in an empty folder."""
    (tmp_path / "model").mkdir()
    model = {"path": str(tmp_path / "model"), "revision": "", "precision": "fp32", "compile": "none"}
    parameters = {"algorithm": 1, "model": model, "generation": {"steps": 28, "swap_pooled": False}, "seed": 7}
    return ImageRecipes(parameters)
