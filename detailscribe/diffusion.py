"""Images from a diffusion model: one full run, and a run that a refined prompt takes over after step k.

The denoising loop is our own, over the parts of a diffusers pipeline, so that the candidates of a prompt share the
steps that they have in common. Its images are those of `StableDiffusion3Pipeline` with a `callback_on_step_end` that
swaps `prompt_embeds` after step index k, which is how the released code refines.

Source: https://github.com/gxy000/DetailScribe at ff94a1bfc479474d72545fc50bd73c93a085f8f4; settings in `config/`.
Differs: candidates continue from kept latents, where the released code repeats the shared steps for each.
"""

import contextlib
import copy
import importlib.util
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass

import PIL.Image
import torch

from detailscribe.errors import InputError, SetupError
from detailscribe.torch_setup import device
from detailscribe.weights import fetch

PIPELINE = "StableDiffusion3Pipeline"
DTYPES = {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16, "nf4": torch.bfloat16}
MAX_TOKENS = 512  # of the T5 encoder, as the pipeline allows


@dataclass(frozen=True)
class Text:
    """What the encoders make of a text, in their precision.

    embeds: (rows, tokens, width); pooled: (rows, pooled_width).
    """

    embeds: torch.Tensor
    pooled: torch.Tensor


@dataclass(frozen=True)
class Point:
    """A place in a run: `step` steps are done, and the scheduler stands before the next.

    latents: (1, channels, height / 8, width / 8), type of the encoders.
    """

    step: int
    latents: torch.Tensor
    scheduler: object


class Engine:
    """A loaded pipeline with the settings of a study.

    Attributes:
        counts: Work done so far. `encoder_calls`: texts that went through the text encoders. `transformer_rows`: rows
            that went through the transformer, over all steps; with guidance an image takes two a step.
    """

    def __init__(self, pipe, *, size_px: int, max_sequence_length: int, steps: int, guidance: float, swap_pooled: bool):
        self.pipe = pipe
        self.size_px = size_px
        self.max_sequence_length = max_sequence_length
        self.steps = steps
        self.guidance = guidance
        self.swap_pooled = swap_pooled
        self.counts = {"encoder_calls": 0, "transformer_rows": 0}
        self._texts: dict[str, Text] = {}

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
            condition = self._condition(self.encode(prompt))
            return self._picture(self._advance(self._start(seed, condition), condition))

    def refine(self, prompt: str, refined_prompt: str, seed: int, ks: list[int]) -> dict[int, PIL.Image.Image]:
        """Draw the candidates of a refined prompt, one image for each k.

        Args:
            prompt: p0, which steers the shared first steps.
            refined_prompt: p1, which takes over.
            seed: Of the noise; that of the first image.
            ks: Index of the step after which p1 takes over, so that k + 1 steps are p0's; but 0 is a full run of p1,
                as in the released code.

        Returns:
            Images by k, in the order asked; each has the same bytes whichever other ks are asked for.

        Raises:
            InputError: a k outside the schedule.
            SetupError, FloatingPointError: as `generate`.
        """
        if wrong := [k for k in ks if not 0 <= k < self.steps]:
            raise InputError(f"k must be from 0 to {self.steps - 1} with {self.steps} steps, got {wrong[0]}")
        with self._work():
            ends: dict[int, Point] = {}
            # 1. p1 alone.
            if 0 in ks:
                condition = self._condition(self.encode(refined_prompt))
                ends[0] = self._advance(self._start(seed, condition), condition)
            # 2. The steps of p0, once; from each kept point p1 goes on. Released: the pooled embedding stays p0's.
            if late := sorted({k for k in ks if k > 0}):
                first, refined = self.encode(prompt), self.encode(refined_prompt)
                before = self._condition(first)
                after = self._condition(Text(refined.embeds, (refined if self.swap_pooled else first).pooled))
                shared = self._start(seed, before)
                for k in late:
                    shared = self._advance(shared, before, k + 1)
                    ends[k] = self._advance(shared, after)
            # 3. Pictures last, so that with offloading the transformer comes to the card once.
            return {k: self._picture(ends[k]) for k in ks}

    @torch.no_grad()
    def encode(self, text: str) -> Text:
        """Encode a text once in the engine's life and keep it in main memory: 4.8 MB each for SD3.5 at 512 tokens."""
        if text not in self._texts:
            self.counts["encoder_calls"] += 1
            embeds, _, pooled, _ = self.pipe.encode_prompt(
                text, None, None, do_classifier_free_guidance=False, max_sequence_length=self.max_sequence_length
            )
            self._texts[text] = Text(embeds.cpu(), pooled.cpu())
        return self._texts[text]

    def _condition(self, text: Text) -> Text:
        """The rows that steer one image, on the card: with guidance, those of the empty prompt come first."""
        texts = [self.encode(""), text] if self.guidance > 1 else [text]
        where = self.pipe._execution_device
        return Text(torch.cat([t.embeds for t in texts]).to(where), torch.cat([t.pooled for t in texts]).to(where))

    def _start(self, seed: int, condition: Text) -> Point:
        """The noise of a seed, and a scheduler before its first step."""
        pipe, side = self.pipe, self.size_px
        noise = torch.Generator("cpu").manual_seed(seed)
        channels, patch = pipe.transformer.config.in_channels, pipe.transformer.config.patch_size
        latents = pipe.prepare_latents(1, channels, side, side, condition.embeds.dtype, condition.embeds.device, noise)
        scheduler = copy.deepcopy(pipe.scheduler)
        shift = {}
        if scheduler.config.get("use_dynamic_shifting", None):
            from diffusers.pipelines.stable_diffusion_3 import pipeline_stable_diffusion_3 as source

            values = (
                scheduler.config[f"{name}_{what}"] for what in ("image_seq_len", "shift") for name in ("base", "max")
            )
            shift["mu"] = source.calculate_shift((latents.shape[-1] // patch) ** 2, *values)
        scheduler.set_timesteps(self.steps, device=latents.device, **shift)
        return Point(0, latents, scheduler)

    def _advance(self, point: Point, condition: Text, stop: int | None = None) -> Point:
        """Denoise from a point until `stop` steps are done, or all; the point itself stays usable.

        Every call is a transformer batch of its own, one image's rows, because a batch's size changes the last bits.
        """
        latents, scheduler = point.latents, copy.deepcopy(point.scheduler)
        rows = len(condition.embeds)
        for time in scheduler.timesteps[point.step : stop]:
            velocity = self.pipe.transformer(
                hidden_states=torch.cat([latents] * rows),
                timestep=time.expand(rows),
                encoder_hidden_states=condition.embeds,
                pooled_projections=condition.pooled,
                return_dict=False,
            )[0]
            self.counts["transformer_rows"] += rows
            if rows == 2:
                without, with_prompt = velocity.chunk(2)
                velocity = without + self.guidance * (with_prompt - without)
            latents = scheduler.step(velocity, time, latents, return_dict=False)[0]
        return Point(stop or len(scheduler.timesteps), latents, scheduler)

    def _picture(self, point: Point) -> PIL.Image.Image:
        """Decode the latents of a finished run."""
        vae = self.pipe.vae
        latents = point.latents / vae.config.scaling_factor + vae.config.shift_factor
        image = vae.decode(latents, return_dict=False)[0]
        if not torch.isfinite(image).all():
            raise FloatingPointError(
                "the image has values that are not finite; fp16 overflows where bf16 and fp32 do not"
            )
        return self.pipe.image_processor.postprocess(image, output_type="pil")[0]

    @contextlib.contextmanager
    def _work(self) -> Iterator[None]:
        """No gradients; a full card becomes advice; offloaded parts leave the card at the end."""
        try:
            with torch.no_grad():
                yield
        except torch.OutOfMemoryError as error:
            raise SetupError(_memory_advice(self.size_px)) from error
        self.pipe.maybe_free_model_hooks()


def load_engine(model: dict, generation: dict) -> Engine:
    """Load a pipeline.

    Args:
        model: `pipeline`; `path`, a folder or a repository of the Hugging Face hub; `revision`, "" for a folder or the
            newest; `precision`, one of fp32, bf16, fp16, nf4 (the transformer in 4 bits, the rest and all arithmetic in
            bf16, as released); `offload`, none or model (each part on the card only while it works; ignored without a
            card); `size_px`, a multiple of 16; `max_sequence_length`, tokens of the T5 encoder, at most 512.
        generation: `steps`; `guidance`, off at 1 and below; `swap_pooled`, whether the refined prompt also takes over
            the pooled embedding.

    Raises:
        InputError: a value outside its range.
        SetupError: the model cannot be found, fetched, loaded or put on this machine.
    """
    path, precision, where = model["path"], model["precision"], device()
    if model["pipeline"] != PIPELINE:
        raise SetupError(
            f"pipeline must be {PIPELINE}, got {model['pipeline']!r}: other pipelines are not supported yet"
        )
    if precision not in DTYPES:
        raise InputError(f"precision must be one of {', '.join(DTYPES)}, got {precision!r}")
    if not 0 < model["max_sequence_length"] <= MAX_TOKENS:
        raise InputError(f"max_sequence_length must be from 1 to {MAX_TOKENS}, got {model['max_sequence_length']}")
    if generation["steps"] < 1:
        raise InputError(f"steps must be at least 1, got {generation['steps']}")
    if precision in ("nf4", "fp16") and where.type != "cuda":
        raise SetupError(f"precision {precision} needs a CUDA card and none was found: set precision to bf16 or fp32")

    index = _index(path, model["revision"])
    if index.get("_class_name") != PIPELINE:
        found = index.get("_class_name", "model without a class")
        raise SetupError(f"{path} holds a {found}, not a {PIPELINE}: set `path` to a Stable Diffusion 3 or 3.5 model")
    try:
        # Models published without the T5 encoder: the pipeline wants to be told.
        absent = {part: None for part in ("text_encoder_3", "tokenizer_3") if not any(index.get(part, []))}
        pipe = _pipeline(path, model["revision"] or None, precision, absent)
        if where.type == "cuda" and model["offload"] == "model":
            pipe.enable_model_cpu_offload()
        else:
            pipe.to(where)
    except torch.OutOfMemoryError as error:
        raise SetupError(_memory_advice(model["size_px"])) from error
    except SetupError:
        raise
    except Exception as error:
        raise SetupError(
            f"the model {path} could not be loaded ({_first_line(error)}): if files are missing or damaged, "
            "delete them and let them be fetched or built again"
        ) from error
    unit = pipe.vae_scale_factor * pipe.patch_size
    if model["size_px"] < unit or model["size_px"] % unit:
        raise InputError(f"size_px must be a multiple of {unit} for this model, got {model['size_px']}")
    return Engine(
        pipe,
        size_px=model["size_px"],
        max_sequence_length=model["max_sequence_length"],
        steps=generation["steps"],
        guidance=generation["guidance"],
        swap_pooled=generation["swap_pooled"],
    )


def _pipeline(path: str, revision: str | None, precision: str, parts: dict):
    """The diffusers pipeline on the processor; in nf4 the transformer is on the card at once, as bitsandbytes wants."""
    from diffusers import BitsAndBytesConfig, SD3Transformer2DModel, StableDiffusion3Pipeline
    from diffusers.utils import logging

    if not sys.stderr.isatty():
        logging.disable_progress_bar()
    dtype, parts = DTYPES[precision], dict(parts)
    if precision == "nf4":
        if importlib.util.find_spec("bitsandbytes") is None:
            raise SetupError("precision nf4 needs the package bitsandbytes: install it, or set precision to bf16")
        quantization = BitsAndBytesConfig(
            load_in_4bit=True, bnb_4bit_quant_type="nf4", bnb_4bit_compute_dtype=torch.bfloat16
        )
        parts["transformer"] = SD3Transformer2DModel.from_pretrained(
            path, subfolder="transformer", revision=revision, quantization_config=quantization, dtype=dtype
        )
    pipe = StableDiffusion3Pipeline.from_pretrained(path, revision=revision, dtype=dtype, **parts)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def _index(path: str, revision: str) -> dict:
    """What a model says of itself, read before anything large is fetched: class of the pipeline and of its parts."""
    try:
        return dict(json.loads(fetch(path, "model_index.json", revision).read_text(encoding="utf-8")))
    except (TypeError, ValueError) as error:
        raise SetupError(f"the model_index.json of {path} cannot be read: fetch or build the model again") from error


def _memory_advice(size_px: int) -> str:
    return (
        f"the card's memory is too small for an image of {size_px} px: set precision to nf4, offload to model, "
        "or size_px lower, or end other programs on the card"
    )


def _first_line(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error).strip().partition(chr(10))[0]}"
