"""SDEdit, image-to-image: the image is noised up to a strength, and denoised again with the refined prompt.

Setting: `strengths`, shares of the steps that are taken again, in hundredths, with an image set for each.

Source: Meng et al. 2022, arXiv 2108.01073. Ours starts from the study's own image instead of a sketch, and its text is
the refined prompt of a critic.
"""

from PIL import Image

from detailscribe.engines.engine import Engine
from detailscribe.engines.redraw_steps import redraw_steps
from detailscribe.errors import InputError, SetupError
from detailscribe.images.image_reader import read_image
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refiners import Source
from detailscribe.methods.refiners.settings import needs_sd3, values_of
from detailscribe.study.refinements import Refinement, RefinerEntry

ALGORITHM = 1
SETTINGS = {"strengths": [0.3, 0.6, 0.8]}


def graph(entry: RefinerEntry) -> list[Refinement]:
    """One image set per strength, named by its hundredths."""
    needs_sd3(entry, "starts from an image")
    strengths = values_of(entry, "strengths", "numbers")
    for strength in strengths:
        if type(strength) not in (int, float) or not 0.01 <= strength <= 1 or round(strength, 2) != strength:
            raise InputError(f"strengths: a strength is a number of hundredths from 0.01 to 1, got {strength!r}")
    return [entry.refinement({f"{entry.name}-s{round(100 * each)}": {"strength": float(each)} for each in strengths})]


def request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest:
    """The source's image, drawn again at `values["strength"]` with fresh noise of the source's seed."""
    own = {"strength": values["strength"]}
    return recipes.refined_request(source.id, image_set, source.text, own, source.image, source.seed)


def steps(values: dict, full: int) -> int:
    """Steps that are left at the strength."""
    return redraw_steps(values["strength"], full)


def draw(engine: Engine, request: ImageRequest) -> Image.Image:
    """The source's image, drawn again.

    Raises:
        SetupError: the engine cannot start from an image.
    """
    if not hasattr(engine, "redraw"):
        raise SetupError("sdedit: this image model cannot start from an image here; choose a Stable Diffusion 3 model")
    assert request.source
    strength = request.recipe["strength"]
    image = read_image(request.source).image
    return engine.redraw(image, request.recipe["prompt"], request.recipe["seed"], [strength])[strength]
