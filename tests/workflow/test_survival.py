"""Finished work survives: a run killed in the middle of a stage ends with the bytes of an undisturbed one."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.workflow.small_study import Study

TIMEOUT_S = 120


def kill_when(study: Study, pattern: str, count: int) -> set[Path]:
    """Start a run, kill it and all its jobs once this many files match, and give what was there."""
    process = subprocess.Popen(
        study.command(), cwd=study.folder, env=study.env(), start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip
    end = time.monotonic() + TIMEOUT_S
    while len(list(study.folder.glob(pattern))) < count:
        assert process.poll() is None and time.monotonic() < end, f"never saw {count} of {pattern}"
        time.sleep(0.02)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return set(study.folder.glob(pattern))


@pytest.mark.parametrize(
    ("pattern", "count"),
    [
        ("resources/exchanges/*/*.json", 2),
        ("results/small/images/original-1?/*/*.jpg", 3),
        ("results/small/images/detailscribe-k?/*/*.jpg", 3),
    ],
    ids=["decompose", "generate", "refine"],
)
def test_killed_run_is_taken_up_with_the_same_bytes(fresh, finished, pattern, count):
    reference = Study(finished)
    kept = kill_when(fresh, pattern, count)
    assert kept
    times = {path: path.stat().st_mtime_ns for path in kept}
    fresh.snakemake()
    assert fresh.images() == reference.images()
    assert fresh.table() == reference.table()
    # At most the item in flight of each of the two jobs was made again.
    assert sum(path.stat().st_mtime_ns != made for path, made in times.items()) <= 2
