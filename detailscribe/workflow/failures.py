"""What jobs of this run failed with: noted by the jobs, said again as the last words on the terminal."""

import atexit
import contextlib
import json
import os
import sys
from pathlib import Path

from detailscribe.files.rows import decode_line

FAILURES = Path("results/.failures.jsonl")
MOST = 5  # failures that are said again


def forget_failures() -> None:
    """Forget those of an earlier run; called when a run starts, which no other does at the same time."""
    with contextlib.suppress(OSError):
        FAILURES.unlink(missing_ok=True)


def note_failure(rule: str, message: str, log: Path) -> None:
    """Note what a job failed with; one line, appended in one write, since several jobs may fail at once."""
    line = json.dumps({"rule": rule, "message": message, "log": str(log)}, ensure_ascii=False) + "\n"
    with contextlib.suppress(OSError):  # a full disk, or results/ is gone: the job has said it already
        file = os.open(FAILURES, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
        try:
            os.write(file, line.encode("utf-8", errors="replace"))
        finally:
            os.close(file)


def failure_lines() -> list[str]:
    """A line for each different failure of this run, at most MOST, with the log of the first job that had it."""
    try:
        lines = FAILURES.read_bytes().splitlines()
    except OSError:
        return []
    first: dict[tuple[str, str], str] = {}
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):  # a line that was cut
            row = decode_line(line)
            first.setdefault((row["rule"], row["message"]), row["log"])  # type: ignore[index]
    said = [f"{rule}: {message} ({log})" for (rule, message), log in first.items()]
    return said[:MOST] + ([f"and {len(said) - MOST} other failures; see logs/"] if len(said) > MOST else [])


def say_failures_at_exit() -> None:
    """Have this process say its jobs' failures as its last words, after everything that Snakemake says."""
    if lines := failure_lines():
        atexit.register(lambda: print("", "Failed:", *lines, sep="\n", file=sys.stderr, flush=True))
