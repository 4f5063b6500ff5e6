"""One GPU per job on a machine with several: Snakemake counts GPUs but does not say which one a job gets.

A job takes a GPU by locking a file that stands for it, and makes only that GPU visible to itself. The kernel releases
the lock however the job ends. Call it before CUDA starts; this module imports no torch.
"""

import contextlib
import fcntl
import os
import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from detailscribe.files.user_tmp import user_tmp

VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_S = 0.5
LIST_TIMEOUT_S = 60  # nvidia-smi wakes sleeping GPUs


@contextlib.contextmanager
def one_gpu(say: Callable[[str], object], folder: Path | None = None) -> Iterator[str | None]:
    """Hold one GPU of this machine that no other job of this user holds; wait while there is none.

    If CUDA_VISIBLE_DEVICES is set, as by Slurm, the GPU is one of those that it lists. Nothing is done if it lists one
    GPU or none, because the scheduler has chosen already, nor on a machine without a GPU.

    Args:
        say: Receives a message when the job waits.
        folder: Of the lock files; by default one per user below the temporary folder.

    Yields:
        The GPU's name as CUDA_VISIBLE_DEVICES now holds it, or None where nothing was done.

    Raises:
        SetupError: the folder of the lock files belongs to another user.
    """
    gpus = _available_gpus()
    if len(gpus) < 2 and (VISIBLE in os.environ or not gpus):
        yield None
        return
    with _lock_one(gpus, folder or user_tmp("detailscribe-gpus"), say) as name:
        before = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = name
        try:
            yield name
        finally:
            os.environ.pop(VISIBLE)
            if before is not None:
                os.environ[VISIBLE] = before


def _available_gpus() -> dict[str, str]:
    """GPUs that this process may use: the name for CUDA, and the UUID that names the lock file."""
    uuids = _installed_uuids()
    listed = os.environ.get(VISIBLE)
    if listed is None:
        return {uuid: uuid for uuid in uuids}
    gpus = {}
    for name in (part.strip() for part in listed.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            break  # CUDA also stops reading at an unknown name, such as -1
        number = int(name) if name.isdigit() else None
        gpus[name] = uuids[number] if number is not None and number < len(uuids) else name
    return gpus


def _installed_uuids() -> list[str]:
    """UUIDs of the machine's GPUs, or of their MIG parts, in the order of their numbers; empty without a GPU."""
    try:
        run = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=LIST_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return []
    uuids = re.findall(r"UUID: ((?:GPU|MIG)-[\w/-]+)", run.stdout) if run.returncode == 0 else []
    return [uuid for uuid in uuids if uuid.startswith("MIG-")] or uuids


@contextlib.contextmanager
def _lock_one(gpus: dict[str, str], folder: Path, say: Callable[[str], object]) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(open(folder / re.sub(r"[^\w-]", "_", uuid), "a")) for name, uuid in gpus.items()
        }
        waiting = False
        while True:
            for name, file in files.items():
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield name
                    return
            if not waiting:
                say(f"waiting for a GPU: all {len(files)} are in use by other jobs (--resources gpu={len(files)})")
                waiting = True
            time.sleep(POLL_S)
