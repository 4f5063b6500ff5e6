"""Weights of metrics: local folder, identity before loading, and the digest of a loaded state dict."""

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.engines.weights import model_identity
from detailscribe.files.digests import file_sha256

if TYPE_CHECKING:
    import torch

LOCAL_DIR = "local-dir:"  # open_clip's prefix of a folder on this machine


def metric_folder(parameters: dict) -> str:
    """Folder that a metric's `model` names as `local-dir:FOLDER`; "" for any other model."""
    model = str(parameters.get("model", ""))
    return model.removeprefix(LOCAL_DIR) if model.startswith(LOCAL_DIR) else ""


def metric_identity(parameters: dict) -> str:
    """Identity of the weights that a metric reads from this machine, before loading; "" for a library's own name.

    Raises:
        InputError, SetupError: as `model_identity`.
    """
    if folder := metric_folder(parameters):
        return model_identity({"path": folder, "revision": parameters.get("revision", "")})
    file = Path(parameters.get("pretrained") or "")
    return f"sha256:{file_sha256(file)}" if file.is_file() else ""


def state_digest(state: "dict[str, torch.Tensor]") -> str:
    """SHA-256 over a torch state dict: name, type, shape and bytes of each tensor, sorted by name."""
    import torch

    total = hashlib.sha256()
    for name in sorted(state):
        tensor = state[name].detach().cpu().contiguous()
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.reshape(-1).view(torch.uint8).numpy().data)
    return total.hexdigest()
