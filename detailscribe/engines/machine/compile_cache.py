"""Compile cache of torch's inductor and Triton, shared by the jobs and nodes of a study.

By default torch keeps compiled graphs in the temporary folder of each machine, so that every node compiles them again.
The folder here is below `resources/`, one for each combination of versions and processor, so that a kernel is never
used where it was not compiled for. Inductor writes each file under a temporary name and renames it, and locks what it
compiles, so that jobs may fill the folder together. Triton's own cache does not bear that on a network disk
(https://github.com/triton-lang/triton/issues/11512) and stays on the machine: inductor's files contain its kernels and
put them there.
"""

import fcntl
import os
import re
import sys
from pathlib import Path

import torch

from detailscribe.engines.machine.hardware import processor_name
from detailscribe.engines.torch_setup import default_device
from detailscribe.engines.versions import installed_version
from detailscribe.files.digests import digest
from detailscribe.files.user_tmp import user_tmp

VARIABLE, TRITON_VARIABLE = "TORCHINDUCTOR_CACHE_DIR", "TRITON_CACHE_DIR"
FOLDER = Path("resources/compile-cache")
# torch sets the variables itself as soon as it looks for its caches, so the user's choice is read before that.
_USERS_CHOICE = {name: os.environ.get(name) for name in (VARIABLE, TRITON_VARIABLE)}


def share_compile_cache(folder: Path = FOLDER) -> Path | None:
    """Let torch keep compiled kernels in a folder that later jobs find; call it before the first compilation.

    Args:
        folder: Parent of the folders, one per combination of versions and processor.

    Returns:
        The folder; None if the user has chosen another one in TORCHINDUCTOR_CACHE_DIR, or if the file system cannot
        lock files, so that torch's own folder is used.
    """
    if _USERS_CHOICE[VARIABLE] is not None:
        return None
    shared = (folder / _name()).absolute()
    if not _can_lock(shared):
        return None
    os.environ[VARIABLE] = str(shared)
    if _USERS_CHOICE[TRITON_VARIABLE] is None:
        os.environ[TRITON_VARIABLE] = str(user_tmp("detailscribe-triton") / shared.name)
    return shared


def _name() -> str:
    """Versions and processor as the name of a folder, readable up to the digest of all of them."""
    # Inductor compiles C++ for the CPU that it runs on, and one with the same vector instructions may lack others.
    versions = [torch.__version__, torch.version.cuda, torch.version.hip, sys.version_info[:2]]
    on_gpu = default_device().type == "cuda"
    processor = processor_name().partition(", ")[0]
    kind = torch.cuda.get_device_capability() if on_gpu else (torch.backends.cpu.get_cpu_capability(), _cpu_flags())
    made_for = digest([*map(str, versions), str(installed_version("triton")), processor, str(kind)])
    return re.sub(r"[^\w.+-]+", "-", f"torch-{torch.__version__}-{processor}-{made_for[:8]}")


def _cpu_flags() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return ""
    return next((line for line in lines if line.startswith(("flags", "Features"))), "")


def _can_lock(folder: Path) -> bool:
    """Whether a file in this folder can be locked, as torch does; the folder is made if it can be."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with open(folder / ".lock", "a") as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return True
