"""Call of a diffusers pipeline for one image: its arguments, random numbers, GPU errors and checks of the result."""

import contextlib
import inspect
from typing import Any

import numpy as np
import PIL.Image
import torch

from detailscribe.engines.engine import NOT_FINITE
from detailscribe.engines.gpu.device_errors import image_device_errors
from detailscribe.errors import InputError


class PipelineCall:
    """A pipeline with the arguments that all its calls share.

    Args:
        pipe: The pipeline.
        size_px, max_sequence_length, call, steps, guidance: As for `load.load_engine`.

    Raises:
        InputError: `call` names an argument that the pipeline does not have.
    """

    def __init__(
        self,
        pipe: Any,
        size_px: int,
        max_sequence_length: int,
        call: dict,
        steps: int,
        guidance: float,
    ):
        known = inspect.signature(pipe.__call__).parameters
        if unknown := sorted(set(call) - set(known)):
            raise InputError(f"call: {type(pipe).__name__} has no argument {unknown[0]!r}: it has {', '.join(known)}")
        some: dict = {"guidance_scale": guidance, "max_sequence_length": max_sequence_length}
        # Kontext takes the shape alone from width and height; Ideogram's own schedule is for its usual steps.
        some |= {"max_area": size_px * size_px, "guidance_schedule": None}
        self.pipe, self.size_px, self.steps = pipe, size_px, steps
        self.arguments = {
            **{key: value for key, value in some.items() if key in known},
            **{"height": size_px, "width": size_px, "num_inference_steps": steps},
            **call,
        }

    def run(self, seed: int, **arguments: Any) -> np.ndarray:
        """Call the pipeline; the first image: (height, width, 3), in [0, 1].

        The process's own random numbers are seeded as well, for models that sample from them (tokens of an image, a
        rewritten prompt), and restored after the call. A call that ends early leaves no model on the GPU that the
        pipeline's offload would have moved away.
        """
        gpus = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
        with image_device_errors(self.size_px), torch.no_grad(), torch.random.fork_rng(devices=gpus):
            torch.manual_seed(seed)
            generator = torch.Generator("cpu").manual_seed(seed)
            try:
                return self.pipe(generator=generator, output_type="np", **arguments, **self.arguments)[0][0]
            except Exception:
                with contextlib.suppress(Exception):
                    self.pipe.maybe_free_model_hooks()
                raise

    def image(self, seed: int, **arguments: Any) -> PIL.Image.Image:
        """Call the pipeline; the first image in 8 bits.

        Raises:
            InputError: the pipeline makes another size.
            SetupError: the GPU has too little memory.
            FloatingPointError: the image has values that are not finite.
        """
        image = self.run(seed, **arguments)
        if not np.isfinite(image).all():
            raise FloatingPointError(NOT_FINITE)
        if image.shape[:2] != (self.size_px, self.size_px):
            raise InputError(
                f"size_px must be a size that the model generates, got {self.size_px}: it generated {image.shape[0]}"
            )
        return self.pipe.numpy_to_pil(image)[0]
