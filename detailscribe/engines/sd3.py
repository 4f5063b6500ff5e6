"""Stable Diffusion 3 engine: full runs, and runs whose prompt is replaced by a refined one after step k.

The denoising loop is our own, over the parts of a diffusers pipeline, so that the candidates of a prompt share their
common steps and go through the transformer as one batch. Its images are those of `StableDiffusion3Pipeline` with a
`callback_on_step_end` that replaces `prompt_embeds` after step index k, which is how the released code refines.
`load.load_engine` makes an engine; `any_pipeline` serves other pipelines.

Source: https://github.com/gxy000/DetailScribe at ff94a1bfc479474d72545fc50bd73c93a085f8f4; settings in `config/`.
Differs: the steps that candidates share are computed once, where the released code repeats them for each.
"""

import contextlib
from collections.abc import Iterable, Iterator
from typing import Any

import PIL.Image
import torch

from detailscribe.engines.cuda_errors import friendly_cuda_errors
from detailscribe.engines.engine import NOT_FINITE, check_ks
from detailscribe.engines.sd3_steps import PromptEmbeds, Run, start_run, take_step

ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
DENOISER_AND_DECODER = ("transformer", "vae")


class SD3Engine:
    """A loaded Stable Diffusion 3 with the settings of a study; an `engine.Engine`.

    Args:
        pipe: A StableDiffusion3Pipeline.
        device: Device that computes.
        size_px, max_sequence_length, offload: As for `load.load_engine`.
        batch_candidates: Whether the candidates of a prompt are one batch; otherwise each image is a batch of its
            own. Batch size changes the last bits of an image.
        steps, guidance, swap_pooled: As for `load.load_engine`.

    Attributes:
        counts: Work done so far. `encoder_calls`: texts that went through the text encoders. `transformer_rows`: rows
            that went through the transformer, over all steps; with guidance an image takes two per step.
    """

    def __init__(
        self,
        pipe: Any,
        device: torch.device,
        *,
        size_px: int,
        max_sequence_length: int,
        offload: str,
        batch_candidates: bool,
        steps: int,
        guidance: float,
        swap_pooled: bool,
    ):
        self.pipe = pipe
        self.device = device
        self.size_px = size_px
        self.max_sequence_length = max_sequence_length
        self.offload = offload
        self.batch_candidates = batch_candidates
        self.steps = steps
        self.guidance = guidance
        self.swap_pooled = swap_pooled
        self.counts = {"encoder_calls": 0, "transformer_rows": 0}
        self._embeds: dict[str, PromptEmbeds] = {}
        self._resident: tuple[str, ...] = ()

    def prepare(self, texts: Iterable[str]) -> None:
        """Encode the texts of the next images, so that the text encoders are moved to the GPU only once.

        Other texts are forgotten: one takes 4.8 MB of main memory for SD3.5 at 512 tokens. A text that cannot be
        encoded raises when its image is generated.
        """
        wanted = ["", *texts] if self.guidance > 1 else list(texts)
        self._embeds = {text: self._embeds[text] for text in wanted if text in self._embeds}
        with self._inference():
            for text in wanted:
                try:
                    self.encode(text)
                except torch.OutOfMemoryError:
                    raise
                except Exception:  # noqa: BLE001 - `generate` or `refine` raises it again, for its own prompt
                    continue

    def generate(self, prompt: str, seed: int) -> PIL.Image.Image:
        """Generate one image; see `engine.Engine.generate`."""
        with self._inference():
            run = self._start(seed, self._condition(self.encode(prompt)))
            self._move_to_device(DENOISER_AND_DECODER)
            for i in range(len(run.scheduler.timesteps)):
                self._step([run], i)
            return self._decode([run.latents])[0]

    def refine(self, prompt: str, refined_prompt: str, seed: int, ks: list[int]) -> dict[int, PIL.Image.Image]:
        """Generate the candidates of a refined prompt; see `engine.Engine.refine`.

        Unless candidates are batched, each image is independent of the other ks.
        """
        latents = self.denoise(prompt, refined_prompt, seed, ks)
        with self._inference():
            return dict(zip(latents, self._decode(list(latents.values())), strict=True))

    def denoise(self, prompt: str, refined_prompt: str, seed: int, ks: list[int]) -> dict[int, torch.Tensor]:
        """Latents of the candidates before decoding, by ascending k; arguments and errors as `refine`."""
        check_ks(ks, self.steps)
        if not ks:
            return {}
        late = sorted({k for k in ks if k > 0})
        runs: dict[int, Run] = {}
        shared: Run | None = None
        with self._inference():
            # 1. Runs that start from noise: p1 alone, and p0 for the steps that the others share.
            if 0 in ks:
                runs[0] = self._start(seed, self._condition(self.encode(refined_prompt)))
            if late:
                first, refined = self.encode(prompt), self.encode(refined_prompt)
                shared = self._start(seed, self._condition(first))
                # Released: the pooled embedding stays p0's.
                pooled = (refined if self.swap_pooled else first).pooled
                after = self._condition(PromptEmbeds(refined.embeds, pooled))
            # 2. Step by step; each candidate joins after its k, and p0 leaves after the last.
            self._move_to_device(DENOISER_AND_DECODER)
            for i in range(len((shared or runs[0]).scheduler.timesteps)):
                active = [shared, *runs.values()] if shared and i <= late[-1] else [*runs.values()]
                for batch in [active] if self.batch_candidates else [[run] for run in active]:
                    self._step(batch, i)
                if shared and i in late:
                    runs[i] = shared.fork(after)
            return {k: run.latents for k, run in runs.items()}

    @torch.no_grad()
    def encode(self, text: str) -> PromptEmbeds:
        """Embeddings of a text, in main memory; encoded once until `prepare` forgets it."""
        if text not in self._embeds:
            self._move_to_device(ENCODERS)
            self.counts["encoder_calls"] += 1
            embeds, _, pooled, _ = self.pipe.encode_prompt(
                text,
                None,
                None,
                device=self.device,
                do_classifier_free_guidance=False,
                max_sequence_length=self.max_sequence_length,
            )
            self._embeds[text] = PromptEmbeds(embeds, pooled).to("cpu")
        return self._embeds[text]

    def _condition(self, text: PromptEmbeds) -> PromptEmbeds:
        """The rows that condition one image, on the device."""
        texts = [self.encode(""), text] if self.guidance > 1 else [text]
        embeds, pooled = torch.cat([t.embeds for t in texts]), torch.cat([t.pooled for t in texts])
        return PromptEmbeds(embeds, pooled).to(self.device)

    def _start(self, seed: int, condition: PromptEmbeds) -> Run:
        return start_run(self.pipe, self.size_px, self.steps, seed, condition)

    def _step(self, runs: list[Run], i: int) -> None:
        self.counts["transformer_rows"] += take_step(self.pipe.transformer, runs, i, self.guidance)

    def _decode(self, latents: list[torch.Tensor]) -> list[PIL.Image.Image]:
        """Decode final latents, in the same batches as they were denoised."""
        vae = self.pipe.vae
        images: list[PIL.Image.Image] = []
        for batch in [torch.cat(latents)] if self.batch_candidates and latents else latents:
            pixels = vae.decode(batch / vae.config.scaling_factor + vae.config.shift_factor, return_dict=False)[0]
            if not torch.isfinite(pixels).all():
                raise FloatingPointError(NOT_FINITE)
            images += self.pipe.image_processor.postprocess(pixels, output_type="pil")
        return images

    def _move_to_device(self, names: tuple[str, ...]) -> None:
        """With offload='encoders', move exactly these modules to the GPU and the rest to the CPU; otherwise nothing."""
        if self.offload != "encoders" or self._resident == names:
            return
        parts = {name: part for name, part in self.pipe.components.items() if isinstance(part, torch.nn.Module)}
        for name in sorted(parts, key=names.__contains__):  # modules that leave make room first
            parts[name].to(self.device if name in names else "cpu")
        self._resident = names

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        """No gradients; translated CUDA errors; modules that diffusers offloads leave the GPU at the end."""
        with friendly_cuda_errors(self.size_px), torch.no_grad():
            yield
        self.pipe.maybe_free_model_hooks()
