"""What every script of the workflow shares: its log, its progress bar, its last words, and reading its inputs."""

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path

from tqdm import tqdm

from detailscribe.errors import InputError, SetupError
from detailscribe.workflow.gpus import one_gpu
from detailscribe.workflow.run_lock import job_running

LOG_INTERVAL_S = 5


@contextlib.contextmanager
def job(snakemake) -> Iterator["Job"]:
    """Send output of the job to its log, and one sentence to the terminal when it fails; give a GPU job its card."""
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w")
    wants_gpu = snakemake.resources.get("gpu", 0)
    with open(log, "w", buffering=1) as file, job_running():
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            running = Job(snakemake.rule, terminal)
            with one_gpu(lambda sentence: running.say([sentence])) if wants_gpu else contextlib.nullcontext():
                yield running
            return
        except (InputError, SetupError) as error:
            sentence = str(error)
        except Exception as error:  # noqa: BLE001 - reported and turned into the exit status
            if _is_disk_full(error):
                sentence = "the disk is full: free some space and run again; what was finished is kept"
            else:
                traceback.print_exc()
                sentence = f"{type(error).__name__}: {error} (details in {log})"
        for stream in (terminal, file):
            with contextlib.suppress(OSError):  # a full disk takes no log
                print(f"\n{snakemake.rule}: {sentence}", file=stream, flush=True)
        sys.exit(1)


def _is_disk_full(error: Exception) -> bool:
    # Libraries that write by themselves, safetensors for one, raise errors of their own around the system's words.
    numbers = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in numbers or any(os.strerror(number) in str(error) for number in numbers)


class Job:
    """A running job: makes its progress bar, on the terminal and in the log."""

    def __init__(self, rule: str, terminal):
        self._rule = rule
        self._terminal = terminal

    def say(self, sentences: list[str]) -> None:
        """Print result lines on the terminal and in the log."""
        for stream in (sys.stderr, self._terminal):
            print("", *sentences, sep="\n", file=stream, flush=True)

    def progress(self, total: int, unit: str) -> Callable[[], None]:
        """A function to call once a finished unit."""
        common = {"total": total, "unit": unit, "desc": self._rule, "position": 0}
        bars = [
            tqdm(**common, file=sys.stderr, mininterval=LOG_INTERVAL_S, ascii=True),
            tqdm(**common, file=self._terminal, disable=not self._terminal.isatty(), leave=False),
        ]

        def step() -> None:
            for bar in bars:
                bar.update()
                if bar.n >= total:
                    bar.close()

        return step


def chat_of(snakemake):
    """The chat layer with the config's endpoints and exchange store."""
    from detailscribe.llm.client import Chat

    config = snakemake.config
    allowed = config["preflight"]["allow_served"]
    return Chat(config["endpoints"], Path("resources/exchanges"), config["exchanges"], config["budget_usd"], allowed)
