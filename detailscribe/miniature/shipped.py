"""Shipped weights of the miniature: packing trained parts in half precision, and loading them in single precision."""

import json
from functools import lru_cache
from pathlib import Path
from typing import Any

from torch import nn

from detailscribe.engines import torch_setup  # noqa: F401 - before transformers, diffusers and open_clip
from detailscribe.files.atomic import write_text
from detailscribe.files.digests import file_sha256
from detailscribe.miniature import INFO_FILE, WEIGHTS
from detailscribe.miniature.models import autoencoder, clip, detector, reward, sd3, vqa
from detailscribe.miniature.vlm import network

LIMIT_BYTES = 20_000_000
MODULES: dict[str, Any] = {
    "autoencoder": autoencoder,
    "clip": clip,
    "sd3": sd3,
    "vqa": vqa,
    "reward": reward,
    "detector": detector,
    "vlm": network,
}
INITIALISED_FROM = {
    "vqa": "clip",
    "reward": "vqa",
    "sd3": "clip",
    "vlm": "clip",
}  # the part whose weights a part starts from
FROZEN = {"reward": "model.vision.", "sd3": "first."}  # prefix of a part's inherited weights, which are not trained
TIED = {"vlm": "model.lm_head."}  # prefix of a part's weights that are others of it, too
TRAINING_ONLY = "entity_"  # prefix of weights that only training uses


def pack_weights(parts: dict[str, nn.Module], folder: Path, info: dict) -> None:
    """Write the shipped files.

    Args:
        parts: Trained models by their names in MODULES.
        info: Further content of `weights.json`.

    Raises:
        ValueError: the files exceed LIMIT_BYTES.
    """
    from safetensors.torch import save_file

    folder.mkdir(parents=True, exist_ok=True)
    for name, model in parts.items():
        state = detector.fold_batch_norm(model) if isinstance(model, detector.Detector) else model.state_dict()
        state = {key: tensor for key, tensor in state.items() if not key.startswith(_omitted(name))}
        tensors = {key: tensor.detach().cpu().half().contiguous() for key, tensor in state.items()}
        save_file(tensors, folder / f"{name}.safetensors")
    files = {path.name: file_sha256(path) for path in sorted(folder.glob("*.safetensors"))}
    size = sum((folder / name).stat().st_size for name in files)
    if size > LIMIT_BYTES:
        raise ValueError(f"the weights have {size:,} bytes, more than the limit of {LIMIT_BYTES:,}")
    write_text(folder / INFO_FILE, json.dumps({**info, "bytes": size, "files": files}, indent=2) + "\n")


@lru_cache
def load_part(name: str) -> Any:
    """A part with its shipped weights, float32, in evaluation mode.

    Raises:
        ValueError: the file does not fit this code.
    """
    from safetensors.torch import load_file

    module = MODULES[name]
    model = module.build()
    if name in FROZEN:
        module.initialise_from(model, load_part(INITIALISED_FROM[name]))
    state = {key: tensor.float() for key, tensor in load_file(WEIGHTS / f"{name}.safetensors").items()}
    missing, unexpected = model.load_state_dict(state, strict=False)
    missing = [key for key in missing if not key.startswith(_omitted(name))]
    if missing or unexpected:
        raise ValueError(
            f"{name}.safetensors does not fit this code: missing {missing[:3]}, unexpected {unexpected[:3]}"
        )
    return model.eval()


def _omitted(name: str) -> tuple[str, ...]:
    """Prefixes of a part's tensors that are not shipped with it."""
    return (TRAINING_ONLY, *(prefixes[name] for prefixes in (FROZEN, TIED) if name in prefixes))
