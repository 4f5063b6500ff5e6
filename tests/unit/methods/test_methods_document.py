"""docs/methods.md: its table names every shipped refiner with its settings, and its example draws with a real model."""

import importlib
import importlib.util
import json
import pkgutil
import re

import numpy as np
import pytest

from detailscribe.engines.load import load_engine
from detailscribe.images.image_set import ImageRequest
from detailscribe.methods import refiners
from detailscribe.study.refinements import REQUIRED_NAMES
from tests.paths import REPOSITORY
from tests.small_sd3 import GENERATION, P0, P1, entry, share_pipelines

TEXT = (REPOSITORY / "docs" / "methods.md").read_text(encoding="utf-8")
MODULES = {
    name: importlib.import_module(f"{refiners.__name__}.{name}")
    for _, name, _ in pkgutil.iter_modules(refiners.__path__)
}
SHIPPED = {name: module for name, module in MODULES.items() if all(hasattr(module, each) for each in REQUIRED_NAMES)}


@pytest.mark.parametrize("name", SHIPPED)
def test_every_shipped_refiner_stands_in_the_table_with_its_settings(name):
    [row] = re.findall(rf"^\| `{name}` \|(.*)$", TEXT, re.M)
    for key, default in SHIPPED[name].SETTINGS.items():
        shown = f"`{key}`" if default in ("", None) else f"`{key}: {json.dumps(default)}`"
        assert shown in row, f"{name}: {shown}"
    assert row.split("|")[1].count("`") == 2 * len(SHIPPED[name].SETTINGS), f"{name} has no more settings than these"


def test_the_example_draws_as_many_steps_as_it_says(miniature, tmp_path, monkeypatch):
    share_pipelines(monkeypatch)
    path = tmp_path / "two_passes.py"
    path.write_text(re.search(r"```python\n(.*?)```", TEXT, re.S)[1])
    spec = importlib.util.spec_from_file_location("two_passes", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    engine = load_engine(entry(miniature / "sd3"), GENERATION)
    first = engine.generate(P0, 7)
    first.save(tmp_path / "first.png")
    calls = []
    redraw = engine.redraw
    monkeypatch.setattr(
        engine,
        "redraw",
        lambda image, prompt, seed, strengths: calls.append(seed) or redraw(image, prompt, seed, strengths),
    )
    strengths = module.SETTINGS["strengths"]
    recipe = {"prompt": P1, "seed": 7, "strengths": strengths}
    image = module.draw(engine, ImageRequest("a", "two_passes", recipe=recipe, source=tmp_path / "first.png"))
    assert image.size == first.size and np.asarray(image).std() > 0 and calls == [7, 8]
    assert image.tobytes() != first.tobytes()
    assert module.steps({"strengths": strengths}, 28) == 20 + 12
