"""Stable Diffusion 3 engine: full runs, runs whose prompt is replaced by a refined one after step k, redrawn images.

The denoising loop is our own, over the parts of a diffusers pipeline, so that the candidates of a prompt share their
common steps and go through the transformer as one batch. Its images are those of `StableDiffusion3Pipeline` with a
`callback_on_step_end` that replaces `prompt_embeds` after step index k, which is how the released code refines.
`load.load_engine` makes an engine; `any_pipeline` serves other pipelines.

Source: https://github.com/gxy000/DetailScribe at ff94a1bfc479474d72545fc50bd73c93a085f8f4; settings in `config/`.
Differs: the steps that candidates share are computed once, where the released code repeats them for each.
`SD3Engine.redraw` (`redraw_steps`) and `SD3Engine.generate_near` (`near_noise`) are not of the released code.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import PIL.Image
import torch

from detailscribe.engines.acceleration.first_steps import FirstSteps
from detailscribe.engines.acceleration.guidance_interval import EVERY_STEP, is_guided
from detailscribe.engines.engine import NOT_FINITE, check_ks
from detailscribe.engines.gpu.device_errors import device_error, image_device_errors
from detailscribe.engines.near_noise import Shift
from detailscribe.engines.precision import is_quantized
from detailscribe.engines.redraw_steps import redraw_steps, square
from detailscribe.engines.sd3_steps import PromptEmbeds, Run, encode_image, start_redrawing, start_run, take_step
from detailscribe.engines.workload.architectures import ENCODERS

DENOISER, AUTOENCODER = ("transformer",), ("vae",)
DENOISER_AND_AUTOENCODER = DENOISER + AUTOENCODER


class SD3Engine:
    """A loaded Stable Diffusion 3 with the settings of a study; an `engine.RedrawEngine` and `engine.NearNoiseEngine`.

    Args:
        pipe: A StableDiffusion3Pipeline.
        device: Device that computes.
        size_px, max_sequence_length, offload: As for `load.load_engine`.
        batch_candidates: Whether the candidates of a prompt are one batch; otherwise each image is a batch of its
            own. Batch size changes the last bits of an image.
        steps, guidance, swap_pooled: As for `load.load_engine`.
        guidance_interval, block_cache: As for `load.load_engine`; by default every image is exact.

    Attributes:
        counts: Work done so far. `encoder_calls`: texts that went through the text encoders. `transformer_rows`: rows
            that went through the whole transformer, over all steps; an image takes two per guided step, one per other
            step. `first_block_rows`, with a block cache: rows that went through the first block only.
        memory_note: Says, for rows of the transformer at once, what GPU memory these settings should need.
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
        guidance_interval: tuple[float, float] = EVERY_STEP,
        block_cache: float = 0.0,
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
        self.guidance_interval = guidance_interval
        self.block_cache = block_cache
        self.counts = {"encoder_calls": 0, "transformer_rows": 0} | ({"first_block_rows": 0} if block_cache else {})
        self._embeds: dict[str, PromptEmbeds] = {}
        self._resident: tuple[str, ...] = ()
        self.memory_note: Callable[[int], str] = lambda rows: ""
        self._rows = 1

    def prepare(self, texts: Iterable[str]) -> None:
        """Encode the texts of the next images, so that with an offload the text encoders are moved to the GPU once.

        Other texts are forgotten: one takes 4.8 MB of main memory for SD3.5 at 512 tokens. A text that cannot be
        encoded raises when its image is generated.
        """
        wanted = ["", *texts] if self.guidance > 1 else list(texts)
        self._embeds = {text: self._embeds[text] for text in wanted if text in self._embeds}
        with self._inference():
            for text in wanted:
                try:
                    self.encode(text)
                except Exception as error:
                    if device_error(error):
                        raise  # any other: `generate` or `refine` raises it again, for its own prompt

    def generate(self, prompt: str, seed: int, first_steps: FirstSteps | None = None) -> PIL.Image.Image:
        """Generate one image; see `engine.Engine.generate`."""
        return self._generate(prompt, seed, (), first_steps)

    def generate_near(self, prompt: str, seed: int, shifts: list[Shift]) -> PIL.Image.Image:
        """Generate one image from noise near that of the seed; see `engine.NearNoiseEngine.generate_near`."""
        return self._generate(prompt, seed, shifts, None)

    def redraw(
        self, image: PIL.Image.Image, prompt: str, seed: int, strengths: list[float]
    ) -> dict[float, PIL.Image.Image]:
        """Redraw an image; see `engine.RedrawEngine.redraw`.

        The images are those of StableDiffusion3Img2ImgPipeline with a generator of the seed. The image is encoded once;
        each strength's steps are batches of their own, and strengths that leave as many steps share one image.
        """
        left = {strength: redraw_steps(strength, self.steps) for strength in strengths}
        if not left:
            return {}
        latents = {}
        with self._inference():
            condition = self._condition(self.encode(prompt))
            self._move_to_device(AUTOENCODER)
            encoded, noise = encode_image(self.pipe, square(image, self.size_px), seed, condition)
            self._move_to_device(DENOISER)
            for number in dict.fromkeys(left.values()):
                run, first = start_redrawing(self.pipe, encoded, noise, self.steps, number, condition)
                for i in range(first, len(run.scheduler.timesteps)):
                    self._step([run], i)
                latents[number] = run.latents
            images = dict(zip(latents, self._decode([*latents.values()]), strict=True))
        return {strength: images[number] for strength, number in left.items()}

    def refine(
        self, prompt: str, refined_prompt: str, seed: int, ks: list[int], first_steps: FirstSteps | None = None
    ) -> dict[int, PIL.Image.Image]:
        """Generate the candidates of a refined prompt; see `engine.Engine.refine`.

        Unless candidates are batched, each image is independent of the other ks.
        """
        return self._decode_all(self.denoise(prompt, refined_prompt, seed, ks, first_steps))

    def refine_near(
        self, prompt: str, refined_prompt: str, seed: int, shifts: list[Shift], ks: list[int]
    ) -> dict[int, PIL.Image.Image]:
        """Generate candidates from noise near that of the seed; see `engine.NearNoiseEngine.refine_near`."""
        return self._decode_all(self.denoise(prompt, refined_prompt, seed, ks, shifts=shifts))

    def _decode_all(self, latents: dict[int, torch.Tensor]) -> dict[int, PIL.Image.Image]:
        with self._inference():
            return dict(zip(latents, self._decode(list(latents.values())), strict=True))

    def denoise(
        self,
        prompt: str,
        refined_prompt: str,
        seed: int,
        ks: list[int],
        first_steps: FirstSteps | None = None,
        shifts: Sequence[Shift] = (),
    ) -> dict[int, torch.Tensor]:
        """Latents of the candidates before decoding, by ascending k; arguments, errors: `refine`, `refine_near`."""
        check_ks(ks, self.steps)
        if not ks:
            return {}
        late = sorted({k for k in ks if k > 0})
        runs: dict[int, Run] = {}
        shared: Run | None = None
        with self._inference():
            # 1. Runs that start from noise: p1 alone, and p0 for the steps that the others share.
            if 0 in ks:
                runs[0] = self._start(seed, self._condition(self.encode(refined_prompt)), shifts)
            if late:
                first, refined = self.encode(prompt), self.encode(refined_prompt)
                shared = self._start(seed, self._condition(first), shifts)
                # Released: the pooled embedding stays p0's.
                pooled = (refined if self.swap_pooled else first).pooled
                after = self._condition(PromptEmbeds(refined.embeds, pooled))
                fresh = shared.fork(after)  # its scheduler begins at whichever timestep it takes first
            known = dict(first_steps.latents) if first_steps else {}
            to_take = max((k + 1 for k in late if k not in known), default=0)  # steps of p0
            # 2. Step by step; each candidate joins after its k, and p0 leaves after the last.
            self._move_to_device(DENOISER)
            for i in range(len((shared or runs[0]).scheduler.timesteps)):
                original = [shared] if shared and i < to_take else []
                for batch in self._batches(original, [*runs.values()], apart=first_steps is not None):
                    self._step(batch, i)
                if shared and i in late:
                    runs[i] = (fresh if i in known else shared).fork(after)
                    runs[i].latents = known[i].to(self.device) if i in known else shared.latents
                if first_steps and original:
                    first_steps.keep(i, original[0].latents)
            if first_steps:
                first_steps.taken = to_take
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

    def _generate(
        self, prompt: str, seed: int, shifts: Sequence[Shift], first_steps: FirstSteps | None
    ) -> PIL.Image.Image:
        with self._inference():
            run = self._start(seed, self._condition(self.encode(prompt)), shifts)
            self._move_to_device(DENOISER)
            for i in range(len(run.scheduler.timesteps)):
                self._step([run], i)
                if first_steps:
                    first_steps.keep(i, run.latents)
            return self._decode([run.latents])[0]

    def _start(self, seed: int, condition: PromptEmbeds, shifts: Sequence[Shift] = ()) -> Run:
        return start_run(self.pipe, self.size_px, self.steps, seed, condition, shifts)

    def _batches(self, original: list[Run], candidates: list[Run], apart: bool) -> list[list[Run]]:
        """Batches of one step; `apart`: the original prompt's run in a batch of its own, as in its own image."""
        if not self.batch_candidates:
            return [[run] for run in [*original, *candidates]]
        return [batch for batch in ([original, candidates] if apart else [[*original, *candidates]]) if batch]

    def _step(self, runs: list[Run], i: int) -> None:
        self._rows = max(self._rows, len(runs[0].condition.embeds) * len(runs))
        guided = is_guided(i, len(runs[0].scheduler.timesteps), self.guidance_interval)
        guidance = self.guidance if guided else 1.0
        whole, first_block = take_step(self.pipe.transformer, runs, i, guidance, self.block_cache)
        self.counts["transformer_rows"] += whole
        if self.block_cache:
            self.counts["first_block_rows"] += first_block

    def _decode(self, latents: list[torch.Tensor]) -> list[PIL.Image.Image]:
        """Decode final latents one at a time: the peak of a batch would be a multiple, after all steps are paid."""
        vae = self.pipe.vae
        images: list[PIL.Image.Image] = []
        for one in latents:
            self._move_to_device(AUTOENCODER)
            pixels = vae.decode(one / vae.config.scaling_factor + vae.config.shift_factor, return_dict=False)[0]
            if not torch.isfinite(pixels).all():
                raise FloatingPointError(NOT_FINITE)
            images += self.pipe.image_processor.postprocess(pixels, output_type="pil")
        return images

    def _move_to_device(self, phase: tuple[str, ...]) -> None:
        """With an offload, have the modules of a phase on the GPU, and the others in main memory.

        offload='encoders' has two phases, texts and images, and quantised modules are in both: they are small.
        offload='model' has three: texts, denoising, and encoding or decoding images.
        """
        if self.offload == "encoders" and phase != ENCODERS:
            phase = DENOISER_AND_AUTOENCODER
        if self.offload == "none" or self._resident == phase:
            return
        parts = {name: part for name, part in self.pipe.components.items() if isinstance(part, torch.nn.Module)}
        stay = {name for name, part in parts.items() if self.offload == "encoders" and is_quantized(part)}
        for name in sorted(parts.keys() - stay, key=lambda name: (name in phase, name)):  # who leaves makes room first
            parts[name].to(self.device if name in phase else "cpu")
            if self.device.type == "cuda" and name not in phase:
                torch.cuda.empty_cache()
        self._resident = phase

    @contextlib.contextmanager
    def _inference(self) -> Iterator[None]:
        """No gradients; translated errors of the GPU."""
        with image_device_errors(self.size_px, lambda: self.memory_note(self._rows)), torch.no_grad():
            yield
