"""Prompt switch: a run from noise in which the refined prompt replaces the prompt of the source after step k.

Source: DetailScribe, third step of the method; k of the released code.
"""

from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refiners import Source
from detailscribe.study.refinements import Refinement, RefinerEntry

ALGORITHM = 1
SETTINGS = {"after_step": [0, 1, 2, 4]}
READS_IMAGE = False


def graph(entry: RefinerEntry) -> list[Refinement]:
    """One image set per k."""
    return [entry.refinement({f"{entry.name}-k{k}": {"k": k} for k in entry.settings["after_step"]})]


def request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest:
    """A prompt switch after step `values["k"]`, with the noise of the source's own image."""
    return recipes.prompt_switch_request(
        source.id, image_set, source.base_prompt, source.text, values["k"], seed=source.seed
    )
