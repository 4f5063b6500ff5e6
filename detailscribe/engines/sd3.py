"""Images from Stable Diffusion 3: one full run, and runs that a refined prompt takes over after step k.

The denoising loop is our own, over the parts of a diffusers pipeline, so that the candidates of a prompt share the
steps that they have in common and go through the transformer together. Its images are those of
`StableDiffusion3Pipeline` with a `callback_on_step_end` that swaps `prompt_embeds` after step index k, which is how the
released code refines. `loading.load_engine` makes an engine; `any_pipeline` serves other pipelines.

Source: https://github.com/gxy000/DetailScribe at ff94a1bfc479474d72545fc50bd73c93a085f8f4; settings in `config/`.
Differs: the steps that candidates share are computed once, where the released code repeats them for each.
"""

import contextlib
import copy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import PIL.Image
import torch

from detailscribe.errors import InputError, SetupError

ENCODERS = ("text_encoder", "text_encoder_2", "text_encoder_3")
DRAWERS = ("transformer", "vae")


@dataclass(frozen=True)
class Text:
    """What the encoders make of a text, in their precision.

    embeds: (rows, tokens, width); pooled: (rows, pooled_width).
    """

    embeds: torch.Tensor
    pooled: torch.Tensor


@dataclass
class Run:
    """One image on its way from noise to latents.

    latents: (1, channels, height / 8, width / 8), type of the encoders. scheduler: stands before the next step.
    condition: the rows that steer it; with guidance those of the empty prompt come first.
    """

    latents: torch.Tensor
    scheduler: object
    condition: Text

    def branch(self, condition: Text) -> "Run":
        """The same image so far, going on with another text."""
        return Run(self.latents, copy.deepcopy(self.scheduler), condition)


class Engine:
    """A loaded pipeline with the settings of a study.

    Args:
        pipe: A StableDiffusion3Pipeline.
        where: Device that it works on.
        size_px, max_sequence_length, offload: As `loading.load_engine` takes them.
        together: Whether the candidates of a prompt are one batch, or each image goes alone. A batch's size changes
            the last bits of what is in it.
        steps, guidance, swap_pooled: As `loading.load_engine` takes them.

    Attributes:
        counts: Work done so far. `encoder_calls`: texts that went through the text encoders. `transformer_rows`: rows
            that went through the transformer, over all steps; with guidance an image takes two a step.
    """

    def __init__(
        self,
        pipe,
        where: torch.device,
        *,
        size_px: int,
        max_sequence_length: int,
        offload: str,
        together: bool,
        steps: int,
        guidance: float,
        swap_pooled: bool,
    ):
        self.pipe = pipe
        self.where = where
        self.size_px = size_px
        self.max_sequence_length = max_sequence_length
        self.offload = offload
        self.together = together
        self.steps = steps
        self.guidance = guidance
        self.swap_pooled = swap_pooled
        self.counts = {"encoder_calls": 0, "transformer_rows": 0}
        self._texts: dict[str, Text] = {}
        self._here: tuple[str, ...] = ()

    def prepare(self, texts: Iterable[str]) -> None:
        """Encode the texts of the work to come, so that the encoders come to the card once for all of them.

        Texts of earlier work are forgotten: one takes 4.8 MB of main memory for SD3.5 at 512 tokens. A text that
        cannot be encoded is left to fail when its image is drawn.
        """
        wanted = ["", *texts] if self.guidance > 1 else list(texts)
        self._texts = {text: self._texts[text] for text in wanted if text in self._texts}
        with self._work():
            for text in wanted:
                try:
                    self.encode(text)
                except torch.OutOfMemoryError:
                    raise
                except Exception:  # noqa: BLE001 - `generate` or `refine` meets it again, for its own prompt
                    continue

    def generate(self, prompt: str, seed: int) -> PIL.Image.Image:
        """Draw one image: RGB, `size_px` square.

        Args:
            prompt: The text to draw.
            seed: Of the noise, which is drawn on the processor and so the same beside every card.

        Raises:
            SetupError: the card's memory is too small.
            FloatingPointError: the image has values that are not finite.
        """
        with self._work():
            run = self._start(seed, self._condition(self.encode(prompt)))
            self._bring(DRAWERS)
            for i in range(len(run.scheduler.timesteps)):
                self._step([run], i)
            return self._pictures([run.latents])[0]

    def refine(self, prompt: str, refined_prompt: str, seed: int, ks: list[int]) -> dict[int, PIL.Image.Image]:
        """Draw the candidates of a refined prompt, one image for each k.

        Args:
            prompt: p0, which steers the shared first steps.
            refined_prompt: p1, which takes over.
            seed: Of the noise; that of the first image.
            ks: Index of the step after which p1 takes over, so that k + 1 steps are p0's; but 0 is a full run of p1,
                as in the released code. The order is of no account; unless `together`, neither are the others.

        Returns:
            Images by k.

        Raises:
            InputError: a k outside the schedule.
            SetupError, FloatingPointError: as `generate`.
        """
        latents = self.denoise(prompt, refined_prompt, seed, ks)
        with self._work():
            return dict(zip(latents, self._pictures(list(latents.values())), strict=True))

    def denoise(self, prompt: str, refined_prompt: str, seed: int, ks: list[int]) -> dict[int, torch.Tensor]:
        """Latents of the candidates before decoding, by ascending k; arguments and errors as `refine`."""
        if wrong := [k for k in ks if not 0 <= k < self.steps]:
            raise InputError(f"k must be from 0 to {self.steps - 1} with {self.steps} steps, got {wrong[0]}")
        late = sorted({k for k in ks if k > 0})
        with self._work():
            # 1. Who starts from the noise: p1 alone, and p0 for the steps that the others share.
            runs, shared = {}, None
            if 0 in ks:
                runs[0] = self._start(seed, self._condition(self.encode(refined_prompt)))
            if late:
                first, refined = self.encode(prompt), self.encode(refined_prompt)
                shared = self._start(seed, self._condition(first))
                # Released: the pooled embedding stays p0's.
                after = self._condition(Text(refined.embeds, (refined if self.swap_pooled else first).pooled))
            if not ks:
                return {}
            # 2. Step by step; each candidate joins after its k, and p0 leaves after the last.
            self._bring(DRAWERS)
            for i in range(len((shared or runs[0]).scheduler.timesteps)):
                active = [shared, *runs.values()] if late and i <= late[-1] else [*runs.values()]
                for batch in [active] if self.together else [[run] for run in active]:
                    self._step(batch, i)
                if i in late:
                    runs[i] = shared.branch(after)
            return {k: run.latents for k, run in runs.items()}

    @torch.no_grad()
    def encode(self, text: str) -> Text:
        """What the encoders make of a text, from main memory where it is known already."""
        if text not in self._texts:
            self._bring(ENCODERS)
            self.counts["encoder_calls"] += 1
            embeds, _, pooled, _ = self.pipe.encode_prompt(
                text,
                None,
                None,
                device=self.where,
                do_classifier_free_guidance=False,
                max_sequence_length=self.max_sequence_length,
            )
            self._texts[text] = Text(embeds.cpu(), pooled.cpu())
        return self._texts[text]

    def _condition(self, text: Text) -> Text:
        """The rows that steer one image, on the card."""
        texts = [self.encode(""), text] if self.guidance > 1 else [text]
        embeds, pooled = torch.cat([t.embeds for t in texts]), torch.cat([t.pooled for t in texts])
        return Text(embeds.to(self.where), pooled.to(self.where))

    def _start(self, seed: int, condition: Text) -> Run:
        """The noise of a seed, and a scheduler before its first step."""
        pipe, side = self.pipe, self.size_px
        noise = torch.Generator("cpu").manual_seed(seed)
        channels, patch = pipe.transformer.config.in_channels, pipe.transformer.config.patch_size
        latents = pipe.prepare_latents(1, channels, side, side, condition.embeds.dtype, self.where, noise)
        scheduler = copy.deepcopy(pipe.scheduler)
        shift = {}
        if scheduler.config.get("use_dynamic_shifting", None):
            from diffusers.pipelines.stable_diffusion_3 import pipeline_stable_diffusion_3 as source

            values = (
                scheduler.config[f"{name}_{what}"] for what in ("image_seq_len", "shift") for name in ("base", "max")
            )
            shift["mu"] = source.calculate_shift((latents.shape[-1] // patch) ** 2, *values)
        scheduler.set_timesteps(self.steps, device=self.where, **shift)
        return Run(latents, scheduler, condition)

    def _step(self, runs: list[Run], i: int) -> None:
        """Take step i with some runs as one batch; with guidance the rows of the empty prompt come first."""
        halves = len(runs[0].condition.embeds)
        rows = halves * len(runs)
        time = runs[0].scheduler.timesteps[i]
        velocity = self.pipe.transformer(
            hidden_states=torch.cat([run.latents for run in runs] * halves),
            timestep=time.expand(rows),
            encoder_hidden_states=torch.stack([run.condition.embeds for run in runs], dim=1).flatten(0, 1),
            pooled_projections=torch.stack([run.condition.pooled for run in runs], dim=1).flatten(0, 1),
            return_dict=False,
        )[0]
        self.counts["transformer_rows"] += rows
        if halves == 2:
            without, with_prompt = velocity.chunk(2)
            velocity = without + self.guidance * (with_prompt - without)
        for run, its in zip(runs, velocity.split(1), strict=True):
            run.latents = run.scheduler.step(its, time, run.latents, return_dict=False)[0]

    def _pictures(self, latents: list[torch.Tensor]) -> list[PIL.Image.Image]:
        """Decode finished latents, in batches as they were denoised."""
        vae = self.pipe.vae
        pictures = []
        for batch in [torch.cat(latents)] if self.together and latents else latents:
            images = vae.decode(batch / vae.config.scaling_factor + vae.config.shift_factor, return_dict=False)[0]
            if not torch.isfinite(images).all():
                raise FloatingPointError(
                    "the image has values that are not finite; fp16 overflows where bf16 and fp32 do not"
                )
            pictures += self.pipe.image_processor.postprocess(images, output_type="pil")
        return pictures

    def _bring(self, names: tuple[str, ...]) -> None:
        """With `offload: encoders`, have just these parts on the card; otherwise they look after themselves."""
        if self.offload != "encoders" or self._here == names:
            return
        parts = {name: part for name, part in self.pipe.components.items() if isinstance(part, torch.nn.Module)}
        for name in sorted(parts, key=names.__contains__):  # those that leave make room first
            parts[name].to(self.where if name in names else "cpu")
        self._here = names

    @contextlib.contextmanager
    def _work(self) -> Iterator[None]:
        """No gradients; a full card becomes advice; parts offloaded by diffusers leave the card at the end."""
        with friendly_cuda_errors(self.size_px), torch.no_grad():
            yield
        self.pipe.maybe_free_model_hooks()


@contextlib.contextmanager
def friendly_cuda_errors(size_px: int) -> Iterator[None]:
    """Turn a full card and a compiler that is not there into sentences on what to do.

    Raises:
        SetupError: in their place.
    """
    try:
        yield
    except torch.OutOfMemoryError as error:
        raise SetupError(
            f"the card's memory is too small for an image of {size_px} px: set batch to image, offload to encoders or "
            "model, precision to nf4, or size_px lower, or end other programs on the card"
        ) from error
    except torch._dynamo.exc.TorchDynamoException as error:
        reason = " ".join(str(error).split("\n\n")[0].split())  # the first line names the backend, the second the cause
        raise SetupError(
            f"the transformer could not be compiled ({reason}): install a C++ compiler (and Triton beside a card), or "
            "set compile to none"
        ) from error
