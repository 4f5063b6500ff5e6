"""One GPU a job on a machine with several: Snakemake counts GPUs but does not say which one a job gets.

A job takes a card by locking a file that stands for it, and shows itself that card alone. The kernel gives the lock
back however the job ends. Called before CUDA starts; imports no torch.
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
LIST_TIMEOUT_S = 60  # nvidia-smi wakes sleeping cards


@contextlib.contextmanager
def one_gpu(say: Callable[[str], object], folder: Path | None = None) -> Iterator[str | None]:
    """Hold one GPU of this machine that no other job of this user holds; wait while there is none.

    With CUDA_VISIBLE_DEVICES set, as by Slurm, the choice is among those it lists; if that is one or none, nothing is
    done: somebody else has chosen. Without a GPU nothing is done.

    Args:
        say: Told, in a sentence, that the job waits.
        folder: Of the lock files; one a user below the temporary folder by default.

    Yields:
        The card's name as CUDA_VISIBLE_DEVICES now holds it, or None where nothing was done.

    Raises:
        SetupError: the folder of the lock files belongs to somebody else.
    """
    cards = _choice()
    if len(cards) < 2 and (VISIBLE in os.environ or not cards):
        yield None
        return
    with _take(cards, folder or user_tmp("detailscribe-gpus"), say) as name:
        before = os.environ.get(VISIBLE)
        os.environ[VISIBLE] = name
        try:
            yield name
        finally:
            os.environ.pop(VISIBLE)
            if before is not None:
                os.environ[VISIBLE] = before


def _choice() -> dict[str, str]:
    """What this process may choose among: the name of a card for CUDA, and its identity for the lock."""
    identities = _installed()
    listed = os.environ.get(VISIBLE)
    if listed is None:
        return {identity: identity for identity in identities}
    cards = {}
    for name in (part.strip() for part in listed.split(",")):
        if not re.fullmatch(r"\d+|(GPU|MIG)-[\w/-]+", name):
            break  # CUDA too stops reading at a name that it does not know, -1 for instance
        number = int(name) if name.isdigit() else None
        known = number is not None and number < len(identities)
        cards[name] = identities[number] if known else name
    return cards


def _installed() -> list[str]:
    """Identities of the machine's cards, or of their MIG parts, in the order of their numbers; empty without a GPU."""
    try:
        run = subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=LIST_TIMEOUT_S)
    except (OSError, subprocess.TimeoutExpired):
        return []
    found = re.findall(r"UUID: ((?:GPU|MIG)-[\w/-]+)", run.stdout) if run.returncode == 0 else []
    return [name for name in found if name.startswith("MIG-")] or found


@contextlib.contextmanager
def _take(cards: dict[str, str], folder: Path, say: Callable[[str], object]) -> Iterator[str]:
    with contextlib.ExitStack() as stack:
        files = {
            name: stack.enter_context(open(folder / re.sub(r"[^\w-]", "_", identity), "a"))
            for name, identity in cards.items()
        }
        told = False
        while True:
            for name, file in files.items():
                with contextlib.suppress(BlockingIOError):
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    yield name
                    return
            if not told:
                say(f"waiting for a GPU: {len(files)} here, all taken by other jobs (--resources gpu={len(files)})")
                told = True
            time.sleep(POLL_S)
