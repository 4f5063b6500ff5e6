"""Refiners: one module each, which draws an image again from an image, a prompt or both; docs/methods.md writes one.

A refiner is a module with these names: in this package (`refiner: sdedit` in the config), anywhere that Python can
import from (`refiner: my_lab.inpaint`), or a file (`refiner: my_methods/inpaint.py`).

ALGORITHM: int
    Raise it when the same settings would draw other images; those under the old number are drawn again.
SETTINGS: dict
    The settings of an entry in the config, with their defaults.
graph(entry: RefinerEntry) -> list[Refinement | Selection]
    The image sets that an entry makes, and the selections among them; `entry.refinement({image set: settings})` is the
    usual one. Raise `errors.InputError` for a setting that cannot be.
request(source: Source, image_set: str, values: dict, recipes: ImageRecipes) -> ImageRequest
    The image of one prompt: everything that decides its bytes, but draws nothing. `values` are the settings of the
    image set and of the entry. `recipes.refined_request(...)` for an image that `draw` draws, `recipes.
    from_noise_request(...)` for a full run with a prompt, `recipes.prompt_switch_request(...)` for a prompt switch.

and, if `request` returns a `refined_request`,

steps(values: dict, full: int) -> int
    Denoising steps that an image takes; `full` is a full run's. Without it every image counts as a full run, also one
    of a `prompt_switch_request`, whose first steps other images may share.
draw(engine: Engine, request: ImageRequest) -> PIL.Image.Image
    The image, with the loaded model (`engines/engine.py`). `request.recipe` has what `request` put into it,
    `request.source` is the file of the image to start from, which `images.image_reader.read_image` reads: it may be
    packed (`files/packed.py`).

An error that `request` or `draw` raises makes a `failed` row of that one image, with the error's text as its reason.
`errors.SetupError`, an error of the GPU or a full disk ends the job.

It may also have

READS_IMAGE: bool
    Whether it needs the image that it starts from, as most do; false if prompt and seed are enough.
EDITS: bool
    Whether `draw` gets an editing pipeline (`engines/pipelines/editing.py`) instead of an `engine.Engine`.

Importing the module should be cheap: every start of a run imports it. Import torch inside `draw`.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Source:
    """What an image of one prompt is made from.

    Attributes:
        id: Of the prompt.
        prompt: The prompt itself, p0.
        base_prompt: Text of the image that it starts from; p0 of an initial image.
        text: Text to draw: of the critic or rewriter, or `base_prompt` if the entry names none.
        seed: Noise seed of the image that it starts from; None for an image with another origin.
        image: Row of that image, with `path`, `sha256` and `key`; None for a refiner that needs no image.
        state: What the step that made that image left for this one.
    """

    id: str
    prompt: str
    base_prompt: str
    text: str
    seed: int | None = None
    image: dict | None = None
    state: Mapping = field(default_factory=dict)
