"""From scratch: a full run from noise with the refined prompt alone, with the noise of the source's own image.

Source: DetailScribe, baseline GPT Refine.
"""

from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refiners import Source
from detailscribe.study.refinements import Refinement, RefinerEntry

ALGORITHM = 1
SETTINGS: dict = {}
READS_IMAGE = False


def graph(entry: RefinerEntry) -> list[Refinement]:
    """One image set."""
    return [entry.refinement({entry.name: {}})]


def request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest:
    """A full run with the text."""
    return recipes.from_noise_request(source.id, image_set, source.text, seed=source.seed)
