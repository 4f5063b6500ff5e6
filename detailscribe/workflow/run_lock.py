"""Who works in a results folder: one run at a time, and the jobs it started."""

import contextlib
import fcntl
import re
import sys
from collections.abc import Iterator
from pathlib import Path

from detailscribe.errors import SetupError

RESULTS = Path("results")
LOOKING = {
    *("--dry-run", "--dryrun", "--lint", "--dag", "--rulegraph", "--filegraph", "--d3dag", "--summary", "-S"),
    *("--detailed-summary", "-D", "--list-rules", "--list", "-l", "--list-target-rules", "--lt", "--list-changes"),
    *("--list-input-changes", "--list-params-changes", "--list-untracked", "--report", "--unlock", "--containerize"),
}


def is_dry_run(arguments: list[str]) -> bool:
    """Whether a Snakemake command line plans or lists and runs nothing."""
    letters = r"-[npqFkR]*n[npqFkR]*"
    return any(argument.partition("=")[0] in LOOKING or re.fullmatch(letters, argument) for argument in arguments)


def lock(results: Path = RESULTS, wait_for_jobs: bool = False):
    """Take the lock of a results folder; the kernel gives it back however the process ends.

    Args:
        results: The folder.
        wait_for_jobs: Wait for jobs that outlived the run that started them (a scheduler killed alone), so that they
            do not write over newer results.

    Returns:
        The open file to keep, or None where another run has the lock.

    Raises:
        SetupError: the folder cannot be written.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        file = open(results / ".lock", "w")  # noqa: SIM115 - held until the process ends
    except PermissionError as error:
        raise SetupError(f"{results.resolve()} cannot be written; correct its rights, or use --directory") from error
    # A file system without locks (some network ones) answers with another error; there nothing guards the folder.
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if wait_for_jobs:
            with open(results / ".jobs", "a") as jobs:
                try:
                    fcntl.flock(jobs, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    print("Waiting for jobs that an ended run left at work.", file=sys.stderr)
                    fcntl.flock(jobs, fcntl.LOCK_EX)
    return file


@contextlib.contextmanager
def job_running(results: Path = RESULTS) -> Iterator[None]:
    """Mark the results folder as worked on by a job."""
    results.mkdir(parents=True, exist_ok=True)
    with open(results / ".jobs", "a") as jobs:
        with contextlib.suppress(OSError):
            fcntl.flock(jobs, fcntl.LOCK_SH)
        yield
