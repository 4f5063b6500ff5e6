"""The loop that trains every part of the miniature: seeded, resumable, and compiled where there is a compiler.

A run can be stopped at any time and goes on from its last checkpoint with the batches it would have seen. The rate is
flat and falls to zero over the last part, so a longer run begins as a shorter one does; a run of several rounds does
so in each of them, so what a round ends with can be shipped, and trained on.
"""

import copy
import logging
import shutil
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from detailscribe.scores.preparation import MEAN, STD

CHECKPOINT_S = 120
REPORT_STEPS = 100
log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Plan:
    """How one part is trained.

    Args:
        steps: Batches seen in all.
        rounds: Equal parts of the steps, each of which begins with the kept weights and a new optimiser.
        rate: AdamW's learning rate while flat.
        falls: Share of a round's steps, at its end, over which the rate falls to zero.
        compiled: Whether compiling pays; not where shapes change from step to step.
        half: Whether bfloat16 pays where there is any; on a processor only wide layers gain.
        average: Decay of the exponential moving average that is kept as the result; 0 keeps the last weights.
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
    model: torch.nn.Module,
    loss: Callable[[torch.nn.Module, np.random.Generator, int], torch.Tensor],
    plan: Plan,
    folder: Path,
    device: torch.device,
) -> torch.nn.Module:
    """Train a model in place of its checkpoint in `folder`, and return what is kept of it.

    Args:
        loss: Of the model, the random numbers of this step and the size of the batch.

    Returns:
        The model in evaluation mode, with the averaged weights where the plan asks for them.
    """
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / f"{name}.pt"
    model.to(device).train()
    kept = copy.deepcopy(model).requires_grad_(False) if plan.average else model
    weights = [each for each in model.parameters() if each.requires_grad]
    optimiser = _optimiser(weights, plan, device)
    step = 0
    if place.is_file():
        saved = torch.load(place, map_location=device, weights_only=True)
        model.load_state_dict(saved["model"])
        kept.load_state_dict(saved["kept"])
        if saved["optimiser"]:
            optimiser.load_state_dict(saved["optimiser"])
        step = saved["step"]
    half = device.type == "cuda" or (plan.half and torch.cpu._is_avx512_bf16_supported())
    run = torch.compile(model) if plan.compiled and shutil.which("g++") else model
    began, checked, total = time.monotonic(), time.monotonic(), 0.0
    while step < plan.steps:
        if step and step % (plan.steps // plan.rounds) == 0:
            model.load_state_dict(kept.state_dict())
            optimiser = _optimiser(weights, plan, device)
        for group in optimiser.param_groups:
            group["lr"] = rate(plan, step)
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
            log.info(
                "%s %d/%d loss %.4f, %.0f s", name, step, plan.steps, total / REPORT_STEPS, time.monotonic() - began
            )
            total = 0.0
        if time.monotonic() - checked > CHECKPOINT_S or step == plan.steps:
            _save(place, model, kept, optimiser if step < plan.steps else None, step)
            checked = time.monotonic()
    return kept.eval()


def rate(plan: Plan, step: int) -> float:
    """The learning rate of a step, counted from 0."""
    steps = plan.steps // plan.rounds
    flat, step = steps * (1 - plan.falls), step % steps
    falling = 1.0 if step < flat else (steps - step) / (steps - flat)
    return plan.rate * min(1.0, (step + 1) / plan.warm_up) * falling


def _optimiser(weights: list[torch.nn.Parameter], plan: Plan, device: torch.device) -> torch.optim.Optimizer:
    return torch.optim.AdamW(
        weights, plan.rate, betas=plan.betas, weight_decay=plan.weight_decay, fused=device.type != "mps"
    )


def pixels(images: list[np.ndarray], device: torch.device) -> torch.Tensor:
    """uint8 pictures as a batch in [-1, 1], n x 3 x height x width."""
    batch = torch.from_numpy(np.stack(images)).to(device).permute(0, 3, 1, 2)
    return batch.float().div(127.5).sub(1)


def normalised(images: torch.Tensor) -> torch.Tensor:
    """Pictures in [-1, 1] as CLIP and BLIP take them."""
    mean, deviation = (torch.from_numpy(each).to(images.device)[:, None, None] for each in (MEAN, STD))
    return ((images + 1) / 2 - mean) / deviation


def disturbed(images: torch.Tensor, rng: np.random.Generator) -> torch.Tensor:
    """Half of the pictures blurred or noisy, as a drawing model's are."""
    half = len(images) // 2
    side = int(rng.integers(40, 90))
    small = functional.interpolate(images[:half], (side, side), mode="bilinear", antialias=True)
    blurred = functional.interpolate(small, images.shape[-2:], mode="bilinear")
    images = torch.cat([blurred, images[half:]])
    images = images * (1 + 0.1 * torch.randn(len(images), 3, 1, 1, device=images.device))
    return (images + 0.06 * torch.rand(len(images), 1, 1, 1, device=images.device) * torch.randn_like(images)).clamp(
        -1, 1
    )


def _save(place: Path, model, kept, optimiser, step: int) -> None:
    unfinished = place.with_suffix(".unfinished")
    state = {"model": model.state_dict(), "kept": kept.state_dict(), "step": step}
    torch.save(state | {"optimiser": optimiser.state_dict() if optimiser else None}, unfinished)
    unfinished.replace(place)
