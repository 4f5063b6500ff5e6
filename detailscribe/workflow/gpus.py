"""GPUs of a job on a machine with several: Snakemake counts GPUs but does not say which one a job gets.

A job takes a GPU by locking a file that stands for it, and makes only that GPU visible to itself. The kernel releases
the lock however the job ends; a server that the job started keeps it until its last process has ended. Call it before
CUDA starts; this module imports no torch.
"""

import contextlib
import fcntl
import os
import random
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from detailscribe.engines.gpu.installed import nvidia_smi
from detailscribe.errors import SetupError
from detailscribe.files.user_tmp import shared_by_jobs

VISIBLE = "CUDA_VISIBLE_DEVICES"
POLL_S = 0.5
HELD: list[int] = []  # open locks of this process's GPUs


def held_locks() -> list[int]:
    """File descriptors of the locks of this process's GPUs; a child that inherits them holds the GPUs, too."""
    return list(HELD)


@contextlib.contextmanager
def one_gpu(say: Callable[[str], object], folder: Path | None = None, count: int = 1) -> Iterator[str | None]:
    """Hold one GPU of this machine, or `count`, that no other job of this user holds; wait while there are too few.

    If CUDA_VISIBLE_DEVICES is set, as by Slurm, the GPU is one of those that it lists. Nothing is done if it lists
    none, or one whose UUID is not known, because the scheduler has chosen already, nor on a machine without a GPU.

    Args:
        say: Receives a message when the job waits.
        folder: Of the lock files; by default one per user and machine (`files/user_tmp.py`).
        count: GPUs to hold. A job that waits for several holds none meanwhile, so that two jobs never wait for each
            other.

    Yields:
        The GPUs' names as CUDA_VISIBLE_DEVICES now holds them, or None where nothing was done.

    Raises:
        SetupError: there are fewer GPUs, or the folder of the lock files belongs to another user.
    """
    gpus = _available_gpus()
    if gpus and len(gpus) < count:
        raise SetupError(f"the job needs {count} GPUs, and {len(gpus)} are available here; lower `tensor_parallel`")
    if len(gpus) < 2 and not any(uuid.startswith(("GPU-", "MIG-")) for uuid in gpus.values()):
        yield None
        return
    with _lock(gpus, folder or shared_by_jobs("detailscribe-gpus"), say, count) as name:
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
    uuids = re.findall(r"UUID: ((?:GPU|MIG)-[\w/-]+)", nvidia_smi("-L") or "")
    return [uuid for uuid in uuids if uuid.startswith("MIG-")] or uuids


@contextlib.contextmanager
def _lock(gpus: dict[str, str], folder: Path, say: Callable[[str], object], count: int) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(open(folder / re.sub(r"[^\w-]", "_", uuid), "a")) for name, uuid in gpus.items()
        }
        waiting = False
        while True:
            taken: list[str] = []
            for name, file in files.items():
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    taken.append(name)
                if len(taken) == count:
                    HELD[:] = [files[each].fileno() for each in taken]
                    try:
                        yield ",".join(taken)
                    finally:
                        HELD.clear()
                    return
            for name in taken:
                fcntl.flock(files[name], fcntl.LOCK_UN)
            if not waiting:
                wanted = "a GPU: all" if count == 1 else f"{count} GPUs: too many of the"
                say(f"waiting for {wanted} {len(files)} are in use by other jobs (--resources gpu={len(files)})")
                waiting = True
            time.sleep(POLL_S * random.uniform(0.5, 1.0) if count > 1 else POLL_S)
