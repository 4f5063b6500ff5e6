"""Shared harness of rule scripts: log, progress bar, error reporting, and a GPU of the job's own."""

from __future__ import annotations

import contextlib
import errno
import os
import sys
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

from tqdm import tqdm

from detailscribe.engines.gpu.device_errors import DeviceError, friendly_device_errors
from detailscribe.engines.gpu.peak_memory import record_peak_memory, record_server_memory
from detailscribe.engines.gpu.usable import allow_cpu
from detailscribe.errors import InputError, SetupError
from detailscribe.files.output_records import forget_outputs, record_outputs
from detailscribe.operations.outcome import images_line, outcome_line
from detailscribe.workflow.failures import note_failure
from detailscribe.workflow.gpus import held_locks, one_gpu
from detailscribe.workflow.rule_names import DRAWING_EXTERNAL, GENERATE, LLM_RULES, REFINING, SCORING_RULES
from detailscribe.workflow.run_lock import RESULTS, job_running

if TYPE_CHECKING:
    from detailscribe.llm.client import Chat

LOG_INTERVAL_S = 5
RUNNING: list[Job] = []  # the job of this process


class Job:
    """A running job, which reports to the terminal and to its log."""

    def __init__(self, rule: str, terminal: TextIO):
        self._rule = rule
        self._terminal = terminal
        self.closing = contextlib.ExitStack()  # what ends with the job, however it ends

    def say(self, lines: list[str]) -> None:
        """Print result lines on the terminal and in the log."""
        for stream in (sys.stderr, self._terminal):
            print("", *lines, sep="\n", file=stream, flush=True)

    def progress(self, total: int, unit: str) -> Callable[[], None]:
        """A function to call once per finished unit; it advances a progress bar on the terminal and in the log."""
        common: dict[str, Any] = {"total": total, "unit": unit, "desc": self._rule, "position": 0}
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


@contextlib.contextmanager
def job(snakemake) -> Iterator[Job]:
    """Run a script's work: output goes to the job's log, and a job with `gpu` in its resources gets its GPUs.

    Such a job falls back to the CPU, beside a GPU that torch cannot use, only if the configuration allows it.
    An error ends the process with status 1 and one message on the terminal and in the log. At the end, a job that asked
    a model, drew or scored says how many rows are not usable, and the outputs are recorded
    (`files/output_records.py`), so that `verify` sees a later change.

    Args:
        snakemake: The object that Snakemake gives to a script.
    """
    log = Path(snakemake.log[0])
    log.parent.mkdir(parents=True, exist_ok=True)
    terminal = os.fdopen(os.dup(2), "w", errors="backslashreplace")
    needs_gpu, outputs = int(snakemake.resources.get("gpu", 0)), [Path(file) for file in snakemake.output]
    with open(log, "w", buffering=1, encoding="utf-8", errors="backslashreplace") as file, job_running():
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
        try:
            running = Job(snakemake.rule, terminal)
            RUNNING[:] = [running]
            forget_outputs(RESULTS, outputs)
            allow_cpu(not needs_gpu or _may_use_cpu(snakemake))
            own_gpus = one_gpu(lambda line: running.say([line]), count=needs_gpu)
            with own_gpus if needs_gpu else contextlib.nullcontext(), running.closing, friendly_device_errors():
                yield running
                record_peak_memory(RESULTS, snakemake.rule, str(snakemake.log[0]))
            record_outputs(RESULTS, outputs)
            if line := _outcome(snakemake.rule, outputs):
                running.say([f"{snakemake.rule}: {line}"])
            return
        except (InputError, SetupError) as error:
            if isinstance(error, DeviceError):
                traceback.print_exc()  # to the log: which call failed
            message = str(error)
        except Exception as error:  # noqa: BLE001 - reported and turned into the exit status
            if _is_disk_full(error):
                message = "the disk is full: free some space and run again; finished work is kept"
            else:
                traceback.print_exc()
                message = f"{type(error).__name__}: {error} (details in {log})"
        for stream in (terminal, file):
            with contextlib.suppress(OSError):  # a full disk takes no log
                print(f"\n{snakemake.rule}: {message}", file=stream, flush=True)
        note_failure(snakemake.rule, message, log)
        sys.exit(1)


def chat_of(snakemake) -> Chat:
    """The language model client with the config's endpoints, exchange store and budget.

    What it has to say goes to the terminal and the log of the job. Servers that it starts end with the job.
    """
    from detailscribe.llm.client import Chat  # scripts that send no request need no client
    from detailscribe.llm.served.servers import Servers
    from detailscribe.study.served import locate_weights

    config = snakemake.config
    log = str(snakemake.log[0])

    def measure(pids: list[int]) -> None:
        record_server_memory(RESULTS, snakemake.rule, log, pids)

    locate = partial(locate_weights, folder=Path(snakemake.scriptdir).parent)
    servers = Servers(_say, _note, Path(log), locate, held_locks, measure=measure)
    for running in RUNNING:
        running.closing.enter_context(servers)
    return Chat(
        config["endpoints"],
        Path("resources/exchanges"),
        config["exchanges"],
        config["budget_usd"],
        allow_served=config["preflight"]["allow_served"],
        say=_say,
        servers=servers,
    )


def _outcome(rule: str, outputs: list[Path]) -> str:
    """What a job that asked a model, drew or scored has to say of its rows."""
    if rule in LLM_RULES:
        return outcome_line(outputs)
    works = rule in {GENERATE, DRAWING_EXTERNAL, *SCORING_RULES} or rule.startswith(REFINING)
    return images_line(outputs) if works else ""


def _may_use_cpu(snakemake) -> bool:
    """Whether the configuration allows the CPU where torch cannot use the GPU, or where a model is of full size."""
    return bool(snakemake.config["preflight"].get("allow_cpu"))


def _say(sentence: str) -> None:
    for running in RUNNING:
        running.say([sentence])


def _note(sentence: str) -> None:
    print(sentence, file=sys.stderr, flush=True)


def _is_disk_full(error: Exception) -> bool:
    # Libraries that write files themselves, such as safetensors, wrap the system's message in errors of their own.
    numbers = (errno.ENOSPC, errno.EDQUOT)
    return getattr(error, "errno", None) in numbers or any(os.strerror(number) in str(error) for number in numbers)
