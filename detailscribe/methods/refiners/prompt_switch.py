"""Prompt switch: a run from noise in which the refined prompt replaces the prompt of the source after step k.

Setting: `after_step`, the steps k, with an image set for each; 0 is a full run with the refined prompt.

Source: DetailScribe, third step of the method; k of the released code.
"""

from detailscribe.errors import InputError
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes, moved_request, shifts_of
from detailscribe.methods.refiners import Source
from detailscribe.methods.refiners.settings import needs_text, values_of
from detailscribe.study.refinements import Refinement, RefinerEntry

ALGORITHM = 1
SETTINGS = {"after_step": [0, 1, 2, 4]}
READS_IMAGE = False


def graph(entry: RefinerEntry) -> list[Refinement]:
    """One image set per k."""
    needs_text(entry)
    steps = values_of(entry, "after_step", "steps k")
    if wrong := [k for k in steps if type(k) is not int or k < 0]:  # those that leave no step: study/validation.py
        raise InputError(f"after_step: a step k is a whole number of at least 0, got {wrong[0]!r}")
    return [entry.refinement({f"{entry.name}-k{k}": {"k": k} for k in steps})]


def request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest:
    """A prompt switch after step `values["k"]`, with the noise of the source's own image."""
    request = recipes.prompt_switch_request(
        source.id, image_set, source.base_prompt, source.text, values["k"], seed=source.seed
    )
    return moved_request(request, shifts_of(source.state))
