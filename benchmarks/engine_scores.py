"""Scores of the demo models on the card against those on the CPU, for the check of a machine."""

import copy
import sys
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

import numpy as np
import torch
from PIL import Image

from detailscribe.engines import torch_setup

METRICS = ("clip_score", "image_reward", "blip_vqa")
TOLERANCE = 1e-3
PICTURES = 10
PROMPTS = [
    f"A {one} {verb} a {other}."
    for one in ("fox", "cat")
    for verb in ("beside", "on")
    for other in ("ball", "dog", "box")
]
SIDE_PX = 96  # of the demo's pictures


def score_checks() -> list[tuple[str, Callable[[], dict]]]:
    """A check for each metric, by name."""
    return [(f"score-{metric}", lambda metric=metric: score_check(metric)) for metric in METRICS]


def score_check(metric: str) -> dict:
    """Whether a metric's scores on the card are those on the CPU."""
    device = torch_setup.default_device()
    if device.type != "cuda":
        return {"status": "skipped", "reason": "no CUDA device"}
    return compare(metric, device, torch.device("cpu"))


def compare(metric: str, one: torch.device, other: torch.device) -> dict:
    """Scores of the same pairs of prompt and picture on two devices."""
    on_one, on_other = (scores_of(scorer(metric, device), metric) for device in (one, other))
    differences = np.abs(np.subtract(on_one, on_other))
    # Scores that do not vary, or are no numbers, would show nothing.
    ok = bool(np.isfinite(differences).all() and differences.max() <= TOLERANCE and np.ptp(on_other) > 10 * TOLERANCE)
    return {
        "status": "passed" if ok else "failed",
        "largest_difference": float(differences.max()),
        "range": [float(np.min(on_other)), float(np.max(on_other))],
        "pairs": len(on_other),
    }


def scores_of(model: Any, metric: str) -> list[float]:
    """Scores of the pictures, which are the same on every machine."""
    random = np.random.default_rng(0)
    sprites = random.integers(0, 256, (PICTURES, 6, 6, 3), dtype=np.uint8)
    pictures = [Image.fromarray(each).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC) for each in sprites]
    prompts = PROMPTS[:PICTURES]
    if metric == "blip_vqa":
        return model.score(
            prompts, pictures, [[f"a {word}" for word in text.strip(".").split()[1::3]] for text in prompts]
        )
    return model.score(prompts, pictures)


def scorer(metric: str, device: torch.device) -> Any:
    """A metric's scorer on a device, with the weights of the demo models."""
    from detailscribe.scores import blip_vqa, clip_score, image_reward

    network, tokenizer = network_of(metric)
    on_device = copy.deepcopy(network).eval().to(device)
    if metric == "clip_score":
        return clip_score.Scorer(on_device, tokenizer, device)
    if metric == "image_reward":
        return image_reward.Scorer(on_device, tokenizer, device)
    return blip_vqa.Scorer(on_device, tokenizer, SIDE_PX, device)


@cache
def network_of(metric: str) -> tuple[Any, Any]:
    """A metric's network on the CPU, and its tokenizer."""
    import open_clip

    from detailscribe.scores import blip, image_reward
    from detailscribe.scores.blip_vqa_weights import load_network

    folder = demo_models() / {"clip_score": "clip"}.get(metric, metric)
    local = f"local-dir:{folder}"
    if metric == "clip_score":
        return open_clip.create_model(local, precision="fp32", require_pretrained=True), open_clip.get_tokenizer(local)
    if metric == "image_reward":
        files = (folder / name for name in (image_reward.CHECKPOINT, image_reward.TEXT_CONFIG))
        return image_reward.build_network(*files), blip.load_tokenizer(local)
    return load_network(local, ""), blip.load_tokenizer(local)


@cache
def demo_models() -> Path:
    """The demo models, in a folder that lasts as long as the process."""
    from detailscribe.miniature.assembly import build_miniature

    _FOLDER.append(tempfile.TemporaryDirectory(prefix="detailscribe-demo-"))
    folder = Path(_FOLDER[0].name) / "miniature"
    build_miniature(folder)
    return folder


_FOLDER: list[tempfile.TemporaryDirectory] = []
