"""Engine for any diffusers text-to-image pipeline whose step-end callback can replace the prompt embeddings.

FLUX, Qwen-Image and the like: the pipeline itself runs once per image, and its callback puts the refined prompt's
embeddings in place after step k. Nothing is shared between images, so this is slower than `sd3.SD3Engine`, but it
treats texts exactly as the pipeline does: the refined embeddings are taken from the pipeline's own first step with the
refined prompt.
"""

import inspect
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import PIL.Image
import torch

from detailscribe.engines.acceleration.first_steps import FirstSteps
from detailscribe.engines.engine import NOT_FINITE, check_ks
from detailscribe.engines.gpu.device_errors import device_error, image_device_errors
from detailscribe.errors import InputError, SetupError

# Pipelines that make no mask for a single text, so that there is none to replace.
NO_MASK_FOR_ONE_TEXT = {"QwenImagePipeline"}


class CallbackEngine:
    """A loaded pipeline with the settings of a study; an `engine.Engine`.

    Args:
        pipe: The pipeline.
        size_px, max_sequence_length, call: As for `load.load_engine`.
        steps, guidance, swap_pooled: As for `load.load_engine`.

    Raises:
        InputError: `call` names an argument that the pipeline does not have.
        SetupError: the pipeline's callback cannot replace what the study needs replaced.
    """

    def __init__(
        self,
        pipe: Any,
        *,
        size_px: int,
        max_sequence_length: int,
        call: dict,
        steps: int,
        guidance: float,
        swap_pooled: bool,
    ):
        name, known = type(pipe).__name__, inspect.signature(pipe.__call__).parameters
        replaceable = getattr(pipe, "_callback_tensor_inputs", [])
        self.swapped = ["prompt_embeds", *(["pooled_prompt_embeds"] if swap_pooled else [])]
        for tensor in self.swapped:
            if tensor not in replaceable or "callback_on_step_end" not in known:
                raise SetupError(f"the callback of {name} cannot replace {tensor}: choose another model or swap_pooled")
        masks = [argument for argument in known if "mask" in argument and argument.startswith("prompt")]
        self.swapped += [mask for mask in masks if mask in replaceable]
        if name not in NO_MASK_FOR_ONE_TEXT and (fixed := [mask for mask in masks if mask not in replaceable]):
            raise SetupError(
                f"the callback of {name} cannot replace {fixed[0]}, so the refined prompt would be read through the "
                "first one's mask: choose another model"
            )
        if unknown := sorted(set(call) - set(known)):
            raise InputError(f"call: {name} has no argument {unknown[0]!r}: it has {', '.join(known)}")
        self.pipe, self.size_px = pipe, size_px
        usual = {"guidance_scale": guidance, "max_sequence_length": max_sequence_length}
        self.arguments = {
            **{key: value for key, value in usual.items() if key in known},
            **{"height": size_px, "width": size_px, "num_inference_steps": steps},
            **call,
        }
        self.steps = steps

    def prepare(self, texts: Iterable[str]) -> None:
        """Do nothing: the pipeline encodes its texts at every call."""

    def generate(self, prompt: str, seed: int, first_steps: FirstSteps | None = None) -> PIL.Image.Image:
        """Generate one image; see `engine.Engine.generate`."""
        return self._to_pil(self._run(prompt, seed, lambda *_: {}, "np"))

    def refine(
        self, prompt: str, refined_prompt: str, seed: int, ks: list[int], first_steps: FirstSteps | None = None
    ) -> dict[int, PIL.Image.Image]:
        """Generate the candidates of a refined prompt; see `engine.Engine.refine`.

        Raises:
            SetupError: also where the pipeline does not accept embeddings of another length after its first step.
        """
        check_ks(ks, self.steps)
        images = {0: self.generate(refined_prompt, seed)} if 0 in ks else {}
        late = sorted({k for k in ks if k > 0})
        refined = self._embeddings(refined_prompt, seed) if late else {}
        for k in late:
            shapes: list[torch.Size] = []

            def switch(pipe, i, timestep, tensors, k=k, shapes=shapes):
                if i != k:
                    return {}
                shapes += [tensors["prompt_embeds"].shape, refined["prompt_embeds"].shape]
                return dict(refined)

            try:
                images[k] = self._to_pil(self._run(prompt, seed, switch, "np"))
            except (RuntimeError, ValueError) as error:
                if isinstance(error, SetupError) or device_error(error) or len(set(shapes)) < 2:
                    raise
                raise SetupError(
                    f"{type(self.pipe).__name__} does not continue with a text of another length ({shapes[0][-2]} "
                    f"tokens, then {shapes[1][-2]}): choose a model that pads its texts"
                ) from error
        return images

    def _embeddings(self, prompt: str, seed: int) -> dict[str, torch.Tensor]:
        """The pipeline's condition for this prompt, taken after its first step; ends the run there if possible."""
        taken = {}

        def take(pipe, i, timestep, tensors):
            if i == 0:
                taken.update({name: tensors[name] for name in self.swapped})
                pipe._interrupt = True
            return {}

        self._run(prompt, seed, take, "latent")
        return taken

    def _run(self, prompt: str, seed: int, callback: Callable, output_type: str) -> Any:
        with image_device_errors(self.size_px), torch.no_grad():
            return self.pipe(
                prompt=prompt,
                generator=torch.Generator("cpu").manual_seed(seed),
                callback_on_step_end=callback,
                callback_on_step_end_tensor_inputs=self.swapped,
                output_type=output_type,
                **self.arguments,
            ).images[0]

    def _to_pil(self, image: np.ndarray) -> PIL.Image.Image:
        if not np.isfinite(image).all():
            raise FloatingPointError(NOT_FINITE)
        if image.shape[:2] != (self.size_px, self.size_px):
            raise InputError(
                f"size_px must be a size that the model generates, got {self.size_px}: it generated {image.shape[0]}"
            )
        return self.pipe.image_processor.numpy_to_pil(image)[0]
