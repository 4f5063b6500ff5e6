"""Images from any diffusers text-to-image pipeline that lets its step-end callback replace the prompt embeddings.

FLUX, Qwen-Image and the like: the pipeline itself runs once an image, and its callback puts the refined prompt's
embeddings in place after step k. Nothing is shared between images, so this is slower than `diffusion.Engine`, but
whatever a pipeline does with a text, it does here too: the refined embeddings are taken from the pipeline's own first
step with the refined prompt.
"""

import inspect
from collections.abc import Callable, Iterable

import numpy as np
import PIL.Image
import torch

from detailscribe.engines.sd3 import friendly_cuda_errors
from detailscribe.errors import InputError, SetupError

# Pipelines that make no mask for a text on its own, so that there is none to swap.
NO_MASK_ALONE = {"QwenImagePipeline"}


class CallbackEngine:
    """A loaded pipeline with the settings of a study.

    Args:
        pipe: The pipeline.
        size_px, max_sequence_length, call: As `loading.load_engine` takes them.
        steps, guidance, swap_pooled: As `loading.load_engine` takes them.

    Raises:
        InputError: `call` names an argument that the pipeline does not have.
        SetupError: the pipeline's callback cannot replace what the study wants replaced.
    """

    def __init__(
        self,
        pipe,
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
        if name not in NO_MASK_ALONE and (stuck := [mask for mask in masks if mask not in replaceable]):
            raise SetupError(
                f"the callback of {name} cannot replace {stuck[0]}, so the refined prompt would be read through the "
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
        """Nothing: the pipeline encodes its texts at every call."""

    def generate(self, prompt: str, seed: int) -> PIL.Image.Image:
        """Draw one image: RGB, `size_px` square; arguments and errors as `diffusion.Engine.generate`."""
        return self._picture(self._run(prompt, seed, lambda *_: {}, "np"))

    def refine(self, prompt: str, refined_prompt: str, seed: int, ks: list[int]) -> dict[int, PIL.Image.Image]:
        """Draw the candidates of a refined prompt; arguments and errors as `diffusion.Engine.refine`.

        Raises:
            SetupError: also where the pipeline does not take a text of another length than it started with.
        """
        if wrong := [k for k in ks if not 0 <= k < self.steps]:
            raise InputError(f"k must be from 0 to {self.steps - 1} with {self.steps} steps, got {wrong[0]}")
        images = {0: self.generate(refined_prompt, seed)} if 0 in ks else {}
        late = sorted({k for k in ks if k > 0})
        refined = self._embeddings(refined_prompt, seed) if late else {}
        for k in late:
            lengths = []

            def switch(pipe, i, time, tensors, k=k, lengths=lengths):
                if i != k:
                    return {}
                lengths += [tensors["prompt_embeds"].shape, refined["prompt_embeds"].shape]
                return dict(refined)

            try:
                images[k] = self._picture(self._run(prompt, seed, switch, "np"))
            except (RuntimeError, ValueError) as error:
                if isinstance(error, SetupError | torch.OutOfMemoryError) or len(set(lengths)) < 2:
                    raise
                raise SetupError(
                    f"{type(self.pipe).__name__} does not go on with a text of another length ({lengths[0][-2]} "
                    f"tokens, then {lengths[1][-2]}): choose a model that pads its texts"
                ) from error
        return images

    def _embeddings(self, prompt: str, seed: int) -> dict[str, torch.Tensor]:
        """What the pipeline steers by with this prompt, taken after its first step, where the run ends if it can."""
        taken = {}

        def take(pipe, i, time, tensors):
            if i == 0:
                taken.update({name: tensors[name] for name in self.swapped})
                pipe._interrupt = True
            return {}

        self._run(prompt, seed, take, "latent")
        return taken

    def _run(self, prompt: str, seed: int, callback: Callable, output_type: str):
        with friendly_cuda_errors(self.size_px), torch.no_grad():
            return self.pipe(
                prompt=prompt,
                generator=torch.Generator("cpu").manual_seed(seed),
                callback_on_step_end=callback,
                callback_on_step_end_tensor_inputs=self.swapped,
                output_type=output_type,
                **self.arguments,
            ).images[0]

    def _picture(self, image: np.ndarray) -> PIL.Image.Image:
        if not np.isfinite(image).all():
            raise FloatingPointError(
                "the image has values that are not finite; fp16 overflows where bf16 and fp32 do not"
            )
        if image.shape[:2] != (self.size_px, self.size_px):
            raise InputError(
                f"size_px must be a size that the model draws, got {self.size_px}: it drew {image.shape[0]}"
            )
        return self.pipe.image_processor.numpy_to_pil(image)[0]
