"""Training loop of all parts of the miniature: seeded, resumable, and compiled where a C++ compiler is available.

A run can be stopped at any time and resumes from its last checkpoint with the batches it would have seen. The learning
rate is constant and then falls to zero, so a longer run starts like a shorter one; a run of several rounds repeats this
schedule, so the result of each round can be shipped and trained further.
"""

import copy
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from detailscribe.scores.preparation import MEAN, STD

CHECKPOINT_S = 120
REPORT_STEPS = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """Hyperparameters of one part's training. The field names are keys of weights.json.

    Args:
        steps: Number of batches in total.
        rate: AdamW's learning rate while constant.
        rounds: Equal parts of the steps; each starts from the kept weights with a new optimiser.
        falls: Share of a round's steps, at its end, over which the learning rate falls to zero.
        warm_up: Steps at the beginning of a round over which the learning rate rises.
        average: Decay of the exponential moving average that is kept as the result; 0 keeps the last weights.
        half: Whether to use bfloat16 on a CPU that supports it; only wide layers gain. A GPU always uses it.
        compiled: Whether to use torch.compile; not worthwhile where shapes change from step to step.
    """

    steps: int
    batch: int
    rate: float
    rounds: int = 1
    falls: float = 0.5
    warm_up: int = 100
    weight_decay: float = 0.01
    betas: tuple[float, float] = (0.9, 0.98)
    average: float = 0.0
    half: bool = False
    compiled: bool = True
    seed: int = 0


def train(
    name: str,
    model: nn.Module,
    loss: Callable[[Any, np.random.Generator, int], torch.Tensor],
    plan: Plan,
    folder: Path,
    device: torch.device,
) -> nn.Module:
    """Train a model, from its checkpoint in `folder` if there is one.

    Args:
        loss: Called with the model, the step's random generator and the batch size.

    Returns:
        The model in evaluation mode, with the averaged weights if the plan averages.
    """
    folder.mkdir(parents=True, exist_ok=True)
    checkpoint = folder / f"{name}.pt"
    model.to(device).train()
    kept = copy.deepcopy(model).requires_grad_(False) if plan.average else model
    weights = [each for each in model.parameters() if each.requires_grad]
    optimiser = _optimiser(weights, plan, device)
    step = 0
    if checkpoint.is_file():
        saved = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        kept.load_state_dict(saved["kept"])
        if saved["optimiser"]:
            optimiser.load_state_dict(saved["optimiser"])
        step = saved["step"]
    half = device.type == "cuda" or (plan.half and torch.cpu._is_avx512_bf16_supported())
    run = torch.compile(model) if plan.compiled and shutil.which("g++") else model
    began, saved_at, total = time.monotonic(), time.monotonic(), 0.0
    while step < plan.steps:
        if step and step % (plan.steps // plan.rounds) == 0:
            model.load_state_dict(kept.state_dict())
            optimiser = _optimiser(weights, plan, device)
        for group in optimiser.param_groups:
            group["lr"] = learning_rate(plan, step)
        rng = np.random.default_rng([plan.seed, step])
        torch.manual_seed(int(rng.integers(2**31)))
        with torch.autocast(device.type, torch.bfloat16, enabled=half):
            value = loss(run, rng, plan.batch)
        value.backward()
        torch.nn.utils.clip_grad_norm_(weights, 1.0)
        optimiser.step()
        optimiser.zero_grad()
        step += 1
        if plan.average:
            decay = min(plan.average, (1 + step) / (10 + step))
            with torch.no_grad():
                torch._foreach_lerp_(list(kept.parameters()), list(model.parameters()), 1 - decay)
        total += float(value.detach())
        if step % REPORT_STEPS == 0:
            elapsed_s = time.monotonic() - began
            log.info("%s %d/%d loss %.4f, %.0f s", name, step, plan.steps, total / REPORT_STEPS, elapsed_s)
            total = 0.0
        if time.monotonic() - saved_at > CHECKPOINT_S or step == plan.steps:
            _save(checkpoint, model, kept, optimiser if step < plan.steps else None, step)
            saved_at = time.monotonic()
    return kept.eval()


def learning_rate(plan: Plan, step: int) -> float:
    """The learning rate of a step, counted from 0."""
    steps = plan.steps // plan.rounds
    constant, step = steps * (1 - plan.falls), step % steps
    factor = 1.0 if step < constant else (steps - step) / (steps - constant)
    return plan.rate * min(1.0, (step + 1) / plan.warm_up) * factor


def image_batch(images: list[np.ndarray], device: torch.device | str) -> torch.Tensor:
    """Images as a tensor.

    Args:
        images: (height, width, 3) each, uint8.

    Returns:
        (batch, 3, height, width), float32 in [-1, 1].
    """
    batch = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2)
    return batch.float().div(127.5).sub(1)


def normalised(images: torch.Tensor) -> torch.Tensor:
    """Images normalised with CLIP's mean and standard deviation, as CLIP and BLIP expect them.

    Args:
        images: (batch, 3, height, width), float32 in [-1, 1].
    """
    mean, std = (torch.from_numpy(values).to(images.device)[:, None, None] for values in (MEAN, STD))
    return ((images + 1) / 2 - mean) / std


def augmented(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Training images disturbed like a diffusion model's: half blurred, all with random channel gains and noise.

    Args:
        images: (batch, 3, height, width), float32 in [-1, 1].

    Returns:
        The same shape and range.
    """
    half = len(images) // 2
    side = int(rng.integers(40, 90))
    small = functional.interpolate(images[:half], (side, side), mode="bilinear", antialias=True)
    blurred = functional.interpolate(small, images.shape[-2:], mode="bilinear")
    images = torch.cat([blurred, images[half:]])
    images = images * (1 + 0.1 * torch.randn(len(images), 3, 1, 1, device=images.device))
    strength = 0.06 * torch.rand(len(images), 1, 1, 1, device=images.device)
    return (images + strength * torch.randn_like(images)).clamp(-1, 1)


def _optimiser(weights: list[nn.Parameter], plan: Plan, device: torch.device) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        weights, plan.rate, betas=plan.betas, weight_decay=plan.weight_decay, fused=device.type != "mps"
    )


def _save(
    checkpoint: Path, model: nn.Module, kept: nn.Module, optimiser: torch.optim.Optimizer | None, step: int
) -> None:
    unfinished = checkpoint.with_suffix(".unfinished")
    state = {"model": model.state_dict(), "kept": kept.state_dict(), "step": step}
    torch.save(state | {"optimiser": optimiser.state_dict() if optimiser else None}, unfinished)
    unfinished.replace(checkpoint)
