"""torch start-up: default device, determinism, and what must run before torchvision, transformers or diffusers load."""

import importlib.util
import os
import sys
from pathlib import Path

import torch

from detailscribe.engines.gpu.usable import gpu_is_usable

if not sys.stderr.isatty():
    os.environ.setdefault("HF_HUB_DISABLE_PROGRESS_BARS", "1")

# Two processes on GPUs of one model compute the same bytes: cuDNN chooses no kernel by timing and none that adds in a
# changing order, and cuBLAS has workspaces of a fixed size. The rest keeps torch's defaults: docs/gpu.md.
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
torch.backends.cudnn.benchmark = False
torch.backends.cudnn.deterministic = True


def _let_torchvision_import() -> torch.library.Library | None:
    """Declare the operators that importing torchvision needs, where its own binary cannot be loaded."""
    installed = importlib.util.find_spec("torchvision")
    if installed is None or torch.version.cuda is not None or torch.version.hip is not None:
        return None
    assert installed.submodule_search_locations is not None, "torchvision is a package"
    folder = Path(installed.submodule_search_locations[0])
    for binary in [*folder.glob("_C.so"), *folder.glob("_C.pyd")]:
        try:
            torch.ops.load_library(binary)
            return None
        except OSError:
            continue
    # The Linux wheel of torchvision on PyPI is a CUDA build: with a CPU build of torch its operators are missing, and
    # transformers, which imports torchvision wherever it is installed, then fails too.
    declared = torch.library.Library("torchvision", "DEF")
    for operator in ("nms", "qnms"):
        declared.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    return declared


# Kept for the life of the process: the declarations end with the object.
_TORCHVISION = _let_torchvision_import()


def default_device() -> torch.device:
    """The GPU if torch can use one, otherwise the CPU.

    Raises:
        SetupError: torch cannot use the GPU of this machine, and the CPU is not allowed (`gpu.usable.allow_cpu`).
    """
    return torch.device("cuda" if gpu_is_usable() else "cpu")
