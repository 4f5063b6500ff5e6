"""Image editor: a model such as FLUX.1 Kontext or Qwen-Image-Edit changes the image as the refined prompt says.

Settings: `instruction`, what the editor is told. In it {text} is the refined prompt (without `text` the image's own
prompt), {prompt} the prompt itself and {base_prompt} that of the image; {{ and }} are braces. `image_model` names the
entry of `image_models`, whose pipeline must take an image and a prompt.

Source: Jaiswal et al. 2026, arXiv 2601.15286, an editor led by a critic. Differs: no choice between editing, going back
and starting again. The critic's text is sent as it is, and describes the whole image unless `instruction` or the
critic's template says otherwise; the authors of Qwen-Image-Edit advise to have instructions rewritten.
"""

from __future__ import annotations

import string
from typing import TYPE_CHECKING

from PIL import Image

from detailscribe.engines.acceleration.options import SD3
from detailscribe.engines.pipelines.known import call_arguments, editing_problem
from detailscribe.errors import InputError
from detailscribe.images.image_reader import read_image
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refiners import Source
from detailscribe.study.refinements import Refinement, RefinerEntry

if TYPE_CHECKING:
    from detailscribe.engines.pipelines.editing import EditingEngine

ALGORITHM = 1
SETTINGS = {"instruction": "{text}"}
EDITS = True
FIELDS = ("text", "prompt", "base_prompt")


def graph(entry: RefinerEntry) -> list[Refinement]:
    """One image set."""
    if not entry.image_model:
        raise InputError("editor needs `image_model`, an entry of image_models that edits images; add it")
    if entry.pipeline == SD3:
        raise InputError(f"image_model {entry.image_model} is a {SD3}, which edits no image; name an editing model")
    arguments = call_arguments(entry.pipeline)  # none where this machine cannot tell
    if arguments and (problem := editing_problem(entry.pipeline, arguments)):
        raise InputError(f"image_model {entry.image_model}: {problem}")
    _check_instruction(entry.settings["instruction"])
    return [entry.refinement({entry.name: {}}, settings=entry.settings)]


def request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest:
    """The source's image, edited with fresh noise of the source's seed."""
    fields = {"text": source.text, "prompt": source.prompt, "base_prompt": source.base_prompt}
    own = {"instruction": values["instruction"].format(**fields)}
    return recipes.refined_request(source.id, image_set, source.text, own, source.image, source.seed)


def draw(engine: EditingEngine, request: ImageRequest) -> Image.Image:
    """The edited image."""
    assert request.source
    return engine.edit(read_image(request.source).image, request.recipe["instruction"], request.recipe["seed"])


def _check_instruction(instruction: object) -> None:
    if not isinstance(instruction, str) or not instruction.strip():
        raise InputError(f"instruction must be a text, got {instruction!r}")
    try:
        parts = list(string.Formatter().parse(instruction))
    except ValueError as error:
        raise InputError(f"instruction: {error}, in {instruction!r}; write {{{{ and }}}} for braces") from error
    for _, field, form, conversion in parts:
        if field is not None and (field not in FIELDS or form or conversion):
            known = ", ".join(f"{{{each}}}" for each in FIELDS)
            raise InputError(f"instruction has a field {field!r} in {instruction!r}, and there are: {known}")
