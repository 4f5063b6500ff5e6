"""Locks of a results folder: one run at a time, and the jobs that it started."""

import contextlib
import fcntl
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

from detailscribe.errors import SetupError

RESULTS = Path("results")
# Options with which Snakemake runs no job.
READ_ONLY_FLAGS = {
    *("--dry-run", "--dryrun", "--lint", "--dag", "--rulegraph", "--filegraph", "--d3dag", "--summary", "-S"),
    *("--detailed-summary", "-D", "--list-rules", "--list", "-l", "--list-target-rules", "--lt", "--list-changes"),
    *("--list-input-changes", "--list-params-changes", "--list-untracked", "--report", "--unlock", "--containerize"),
}


def is_dry_run(arguments: list[str]) -> bool:
    """Whether a Snakemake command line only plans or lists."""
    letters = r"-[npqFkR]*n[npqFkR]*"
    return any(
        argument.partition("=")[0] in READ_ONLY_FLAGS or re.fullmatch(letters, argument) for argument in arguments
    )


def lock_results(results: Path = RESULTS, wait_for_jobs: bool = False) -> TextIO | None:
    """Take the lock of a results folder. The kernel releases it however the process ends.

    Args:
        results: The folder.
        wait_for_jobs: Wait for jobs of an earlier run whose scheduler was killed, so that they do not overwrite newer
            results.

    Returns:
        The open file, to be kept while the lock is needed, or None if another run holds the lock.

    Raises:
        SetupError: the folder is not writable.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        file = open(results / ".lock", "w")  # noqa: SIM115 - held until the process ends
    except PermissionError as error:
        raise SetupError(f"{results.resolve()} is not writable; correct its permissions, or use --directory") from error
    # A file system without locks (some network file systems) raises another error; there the folder is not protected.
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
                    print("Waiting for jobs that an earlier run left behind.", file=sys.stderr)
                    fcntl.flock(jobs, fcntl.LOCK_EX)
    return file


@contextlib.contextmanager
def job_running(results: Path = RESULTS) -> Iterator[None]:
    """Mark the results folder as in use by a job."""
    results.mkdir(parents=True, exist_ok=True)
    with open(results / ".jobs", "a") as jobs:
        with contextlib.suppress(OSError):
            fcntl.flock(jobs, fcntl.LOCK_SH)
        yield
