"""Whether torch may work here: on a usable GPU, or on the CPU of a machine without one, if the model is small.

A GPU that torch cannot use is an error and no run on the CPU; so is a full-size image model without a GPU.
`preflight: {allow_cpu: true}` allows both. `python -m detailscribe.engines.gpu.usable` prints `findings` as one JSON
object, for a process that must not import torch. Imports torch only inside functions.
"""

import json
import sys
from types import SimpleNamespace

from detailscribe.engines.gpu import installed
from detailscribe.engines.gpu.model_size import FULL_SIZE, model_weights
from detailscribe.engines.gpu.unusable import DRIVERS, unavailable_reason, unsupported_card_reason
from detailscribe.errors import SetupError

ALLOW = "or allow the CPU with `preflight: {allow_cpu: true}`"
_POLICY = SimpleNamespace(cpu_allowed=False)


def allow_cpu(allowed: bool) -> None:
    """Allow or forbid, from now on in this process, the CPU beside a GPU that torch cannot use and at full size."""
    _POLICY.cpu_allowed = allowed


def gpu_is_usable() -> bool:
    """Whether torch can use a GPU.

    Raises:
        SetupError: it cannot use one that is here, and the CPU is not allowed.
    """
    import torch

    available = torch.cuda.is_available()
    if _POLICY.cpu_allowed:
        return available and not unsupported_card_reason()
    if reason := unsupported_card_reason() if available else unavailable_reason():
        raise SetupError(f"{reason}, {ALLOW}")
    return available


def refuse_full_size_on_cpu(path: str, revision: str) -> None:
    """Refuse a full-size image model where torch has no GPU.

    Raises:
        SetupError: the model is of full size, and the CPU is not allowed.
    """
    weights = model_weights(path, revision)
    if weights and weights > FULL_SIZE and not _POLICY.cpu_allowed:
        raise SetupError(full_size_sentence(path, weights))


def full_size_sentence(path: str, weights: int | None) -> str:
    """Why an image model does not draw on a CPU; `weights` is None for a repository that was not fetched."""
    size = f" ({weights / 1e9:.1f} billion weights)" if weights else ""
    seen = ""
    if installed.nvidia_card_without_driver() and not installed.nvidia_gpus_seen():
        seen = f"; a card of NVIDIA is here without its driver ({DRIVERS})"
    elif installed.amd_gpu_seen():
        seen = "; a GPU of AMD is here, which needs a ROCm build of torch (https://pytorch.org/get-started/locally/)"
    return (
        f"the image model {path}{size} would draw on the CPU, because torch finds no GPU here{seen}: run on a machine "
        f"with a GPU, set image_model to a small model, {ALLOW}"
    )


def findings() -> dict:
    """`usable`: whether torch can use a GPU; `problem`: why it cannot use one that is here, "" otherwise."""
    try:
        return {"usable": gpu_is_usable(), "problem": ""}
    except SetupError as error:
        return {"usable": False, "problem": str(error)}


if __name__ == "__main__":
    json.dump(findings(), sys.stdout)
