"""Denoising steps of Stable Diffusion 3: a run from noise to latents, and one step of a batch of runs."""

import contextlib
import copy
from dataclasses import dataclass, field
from typing import Any

import torch

from detailscribe.engines.acceleration.block_cache import Residuals, cached_blocks


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


def start_run(pipe: Any, size_px: int, steps: int, seed: int, condition: PromptEmbeds) -> Run:
    """Sample the noise of a seed and set a scheduler to its first step; `pipe` is a StableDiffusion3Pipeline."""
    device = condition.embeds.device
    noise = torch.Generator("cpu").manual_seed(seed)
    channels, patch = pipe.transformer.config.in_channels, pipe.transformer.config.patch_size
    latents = pipe.prepare_latents(1, channels, size_px, size_px, condition.embeds.dtype, device, noise)
    scheduler = copy.deepcopy(pipe.scheduler)
    shift = {}
    if scheduler.config.get("use_dynamic_shifting", None):
        from diffusers.pipelines.stable_diffusion_3 import pipeline_stable_diffusion_3 as source

        values = (scheduler.config[f"{name}_{what}"] for what in ("image_seq_len", "shift") for name in ("base", "max"))
        shift["mu"] = source.calculate_shift((latents.shape[-1] // patch) ** 2, *values)
    scheduler.set_timesteps(steps, device=device, **shift)
    return Run(latents, scheduler, condition)


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
