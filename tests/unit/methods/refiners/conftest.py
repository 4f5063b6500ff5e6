"""Sources of refinements, recipes that load no model, and pictures."""

import numpy as np
import PIL.Image
import pytest

from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refiners import Source


@pytest.fixture
def recipes(tmp_path) -> ImageRecipes:
    """Recipes of a model in an empty folder, at seed 7."""
    (tmp_path / "model").mkdir()
    model = {"path": str(tmp_path / "model"), "revision": "", "precision": "fp32", "compile": "none"}
    generation = {"steps": 28, "swap_pooled": False}
    parameters = {"algorithm": 1, "model": model, "generation": generation, "seed": 7}
    return ImageRecipes(parameters | {"refiner": {"name": "any", "algorithm": 1}})


@pytest.fixture
def source(tmp_path) -> Source:
    """An image with another text than its own to draw."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    PIL.Image.fromarray(pixels).save(tmp_path / "image.png")
    image = {"path": str(tmp_path / "image.png"), "sha256": "0" * 64, "key": "1" * 64}
    return Source("a", "A fox.", "A red fox.", "A red fox with {one} bushy tail.", 11, image)
