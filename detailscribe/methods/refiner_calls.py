"""Calls of a refiner's module for one image: its `request`, `draw` and `steps`; what it cannot make is a failed row."""

from __future__ import annotations

import errno
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from PIL import Image

from detailscribe.engines.gpu.device_errors import device_error
from detailscribe.errors import InputError
from detailscribe.images.image_reader import RefusedImage
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.recipes import ImageRecipes
from detailscribe.study.plugins import PromptError, prompt_errors
from detailscribe.study.refinements import steps_of_image

if TYPE_CHECKING:
    from detailscribe.engines.engine import Engine
    from detailscribe.methods.refiners import Source


def image_request(
    module: Any, refiner: str, source: Source, image_set: str, values: dict, recipes: ImageRecipes
) -> ImageRequest:
    """The request of a refiner's module; one with the status `failed` if the module raises an error.

    Args:
        module: Of the refiner.
        refiner: Its name in the configuration.
        source, image_set, values, recipes: As for the module's `request`.

    Raises:
        InputError, SetupError: the image model's files are not there, or a package that the module imports.
    """
    recipes.require_model()  # whose errors are none of the module's
    try:
        with prompt_errors("refiner", refiner, _stops_the_job):
            request = module.request(source, image_set, values, recipes)
            if not isinstance(request, ImageRequest) or (request.id, request.image_set) != (source.id, image_set):
                raise InputError(
                    f"request() of {refiner} must return the image request of {source.id} in {image_set}, got "
                    f"{request!r:.80}"
                )
            _ = request.key  # what the module put into its recipe can be written down
    except PromptError as error:
        return ImageRequest(source.id, image_set, "failed", str(error), error=error)
    drawn = "refiner" in request.recipe
    return replace(request, drawn_by=RefinerDrawing(module, refiner, values)) if drawn else request


@dataclass(frozen=True)
class RefinerDrawing:
    """Drawing by a refiner's module; an `image_set.Drawing`."""

    module: Any
    name: str
    values: dict

    @property
    def edits(self) -> bool:
        """The module's `EDITS`."""
        return getattr(self.module, "EDITS", False)

    def draw(self, engine: Engine, request: ImageRequest) -> Image.Image:
        """The image of a request.

        Raises:
            InputError: the module has no `draw`.
            SetupError: the module raises one, or lacks a package; a DeviceError, by its cause.
            RefusedImage: the module raises it.
            PromptError: the module raises any other error, or returns no image.
        """
        if not hasattr(self.module, "draw"):
            raise InputError(f"the refiner {self.name} has no `draw`, which its images need")
        with prompt_errors("refiner", self.name, _stops_the_job):
            image = self.module.draw(engine, request)
            if not isinstance(image, Image.Image):
                raise InputError(f"draw() of {self.name} must return a PIL image, got a {type(image).__name__}")
        return image

    def steps(self, request: ImageRequest) -> int:
        """Denoising steps that it takes.

        Raises:
            InputError: the module fails, or returns no number.
        """
        return steps_of_image(self.module, self.name, self.values, request.recipe["generation"]["steps"])


def _stops_the_job(error: Exception) -> bool:
    """Whether an error says nothing of the prompt: of the device or a full disk, or a refusal, which is no failure."""
    full = isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT)
    return full or isinstance(error, RefusedImage) or device_error(error) is not None
