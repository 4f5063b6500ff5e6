"""From scratch: a full run from noise with the refined prompt alone, with the noise of the source's own image.

Source: DetailScribe, baseline GPT Refine.
"""

from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes, moved_request, shifts_of
from detailscribe.methods.refiners import Source
from detailscribe.methods.refiners.settings import needs_text
from detailscribe.study.refinements import Refinement, RefinerEntry

ALGORITHM = 1
SETTINGS: dict = {}
READS_IMAGE = False


def graph(entry: RefinerEntry) -> list[Refinement]:
    """One image set."""
    needs_text(entry)
    return [entry.refinement({entry.name: {}})]


def request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest:
    """A full run with the text."""
    request = recipes.from_noise_request(source.id, image_set, source.text, seed=source.seed)
    return moved_request(request, shifts_of(source.state))
