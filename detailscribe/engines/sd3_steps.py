"""Denoising steps of Stable Diffusion 3: a run from noise or from an image to latents, one step of a batch of runs."""

import contextlib
import copy
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import PIL.Image
import torch

from detailscribe.engines.acceleration.block_cache import Residuals, cached_blocks
from detailscribe.engines.near_noise import Shift, noise_near
from detailscribe.errors import SetupError


@dataclass(frozen=True)
class PromptEmbeds:
    """Output of the text encoders, in their precision.

    embeds: (rows, tokens, width); pooled: (rows, pooled_width).
    """

    embeds: torch.Tensor
    pooled: torch.Tensor

    def to(self, device: torch.device | str) -> "PromptEmbeds":
        """The same embeddings on a device."""
        return PromptEmbeds(self.embeds.to(device), self.pooled.to(device))


@dataclass
class Run:
    """One image between noise and final latents.

    latents: (1, channels, height / 8, width / 8), in the encoders' precision. scheduler: at the next step.
    condition: the rows that condition it; with guidance those of the empty prompt come first. residuals: of its last
    whole step, for the block cache.
    """

    latents: torch.Tensor
    scheduler: Any
    condition: PromptEmbeds
    residuals: Residuals = field(default_factory=Residuals)

    def fork(self, condition: PromptEmbeds) -> "Run":
        """The same image so far, continued with another condition and no residuals."""
        return Run(self.latents, copy.deepcopy(self.scheduler), condition)


def start_run(
    pipe: Any, size_px: int, steps: int, seed: int, condition: PromptEmbeds, shifts: Sequence[Shift] = ()
) -> Run:
    """Sample the noise of a seed and set a scheduler to its first step; `pipe` is a StableDiffusion3Pipeline.

    Args:
        shifts: As for `near_noise.noise_near`; by default the seed's own noise.
    """
    channels, size, dtype = pipe.transformer.config.in_channels, (size_px, size_px), condition.embeds.dtype

    def sample(seed: int) -> torch.Tensor:
        return pipe.prepare_latents(1, channels, *size, dtype, torch.device("cpu"), _generator(seed))

    latents = noise_near(sample, seed, shifts).to(condition.embeds.device)
    return Run(latents, _scheduler(pipe, steps, latents), condition)


def encode_image(
    pipe: Any, image: PIL.Image.Image, seed: int, condition: PromptEmbeds
) -> tuple[torch.Tensor, torch.Tensor]:
    """Latents of an image, and the noise of a seed, to start redrawings from.

    As in StableDiffusion3Img2ImgPipeline, the latents are sampled from the autoencoder's posterior, and the noise is
    what the same generator gives next; so it is not the noise that `start_run` samples.

    Args:
        image: RGB, as large as the images of the engine.
        seed: Of the generator, on the CPU.
        condition: Gives the device and the precision.

    Returns:
        Two tensors, (1, channels, height / 8, width / 8).
    """
    device, dtype, generator, vae = condition.embeds.device, condition.embeds.dtype, _generator(seed), pipe.vae
    pixels = pipe.image_processor.preprocess(image).to(device, dtype)
    latents = (vae.encode(pixels).latent_dist.sample(generator) - vae.config.shift_factor) * vae.config.scaling_factor
    return latents, torch.randn(latents.shape, generator=generator, dtype=dtype).to(device)


def start_redrawing(
    pipe: Any, latents: torch.Tensor, noise: torch.Tensor, steps: int, left: int, condition: PromptEmbeds
) -> tuple[Run, int]:
    """Noise the latents of an image to the level at which `left` of all steps are left.

    Returns:
        The run, and the index of its first step among those of the scheduler.

    Raises:
        SetupError: the scheduler cannot start from an image.
    """
    scheduler = _scheduler(pipe, steps, latents)
    if not hasattr(scheduler, "scale_noise"):
        raise SetupError(
            f"a {type(scheduler).__name__} cannot start from an image: redraw with a model whose scheduler is a "
            "FlowMatchEulerDiscreteScheduler"
        )
    first = (steps - left) * scheduler.order
    scheduler.set_begin_index(first)
    noised = scheduler.scale_noise(latents, scheduler.timesteps[first : first + 1], noise)
    return Run(noised.to(noise.dtype), scheduler, condition), first


def _generator(seed: int) -> torch.Generator:
    """Noise is sampled on the CPU, so that it is the same for every GPU."""
    return torch.Generator("cpu").manual_seed(seed)


def _scheduler(pipe: Any, steps: int, latents: torch.Tensor) -> Any:
    """A scheduler of its own for some latents, before its first step."""
    scheduler = copy.deepcopy(pipe.scheduler)
    shift = {}
    if scheduler.config.get("use_dynamic_shifting", None):
        from diffusers.pipelines.stable_diffusion_3 import pipeline_stable_diffusion_3 as source

        patches = (latents.shape[-1] // pipe.transformer.config.patch_size) ** 2
        values = (scheduler.config[f"{name}_{what}"] for what in ("image_seq_len", "shift") for name in ("base", "max"))
        shift["mu"] = source.calculate_shift(patches, *values)
    scheduler.set_timesteps(steps, device=latents.device, **shift)
    return scheduler


def take_step(
    transformer: torch.nn.Module, runs: list[Run], i: int, guidance: float, cache_threshold: float = 0.0
) -> tuple[int, int]:
    """Take step i of some runs as one batch; with guidance the rows of the empty prompt come first.

    Args:
        transformer: A SD3Transformer2DModel.
        runs: Runs at step i.
        i: Index of the step.
        guidance: Scale of classifier-free guidance; at 1 and below, the conditional rows alone are computed.
        cache_threshold: Of the block cache, for each run; 0 computes every block.

    Returns:
        How many rows went through the whole transformer, and how many through its first block only.
    """
    halves = len(runs[0].condition.embeds) if guidance > 1 else 1
    rows = halves * len(runs)
    timestep = runs[0].scheduler.timesteps[i]
    cached = cached_blocks(transformer, [run.residuals for run in runs], cache_threshold)
    with cached if cache_threshold else contextlib.nullcontext() as blocks:
        velocity = transformer(
            hidden_states=torch.cat([run.latents for run in runs] * halves),
            timestep=timestep.expand(rows),
            encoder_hidden_states=torch.stack([run.condition.embeds[-halves:] for run in runs], dim=1).flatten(0, 1),
            pooled_projections=torch.stack([run.condition.pooled[-halves:] for run in runs], dim=1).flatten(0, 1),
            return_dict=False,
        )[0]
    if halves == 2:
        unconditional, conditional = velocity.chunk(2)
        velocity = unconditional + guidance * (conditional - unconditional)
    for run, run_velocity in zip(runs, velocity.split(1), strict=True):
        run.latents = run.scheduler.step(run_velocity, timestep, run.latents, return_dict=False)[0]
    reused = blocks.reused if blocks else 0
    return rows - reused, reused
