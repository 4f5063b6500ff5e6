"""Interrupted runs: a run killed in the middle of a stage ends with the bytes of an undisturbed one."""

import os
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests import stub_models
from tests.workflow.small_study import Study

TIMEOUT_S = 120


def start(study: Study) -> subprocess.Popen:
    """Start a run whose images and scores take long enough to be interrupted."""
    environment = study.env({stub_models.DELAY: "0.2"})
    return subprocess.Popen(
        study.command(), cwd=study.folder, env=environment, start_new_session=True, stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )  # fmt: skip


def kill_when(study: Study, pattern: str, count: int) -> set[Path]:
    """Start a run, kill it and all its jobs once this many files match, and return those files."""
    process = start(study)
    wait_for(process, study, pattern, count)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return set(study.folder.glob(pattern))


def wait_for(process: subprocess.Popen, study: Study, pattern: str, count: int) -> None:
    """Wait until this many files match, while the run goes on."""
    end = time.monotonic() + TIMEOUT_S
    while len(list(study.folder.glob(pattern))) < count:
        assert process.poll() is None and time.monotonic() < end, f"never saw {count} of {pattern}"
        time.sleep(0.02)


@pytest.mark.slow  # make faults kills at random moments of every stage
def test_a_run_killed_at_every_stage_ends_with_the_same_bytes(fresh, finished):
    reference = Study(finished)
    for pattern, count in [
        ("resources/exchanges/*/*.json", 2),
        ("results/small/images/original-1?/*/*.jpg", 3),
        ("results/small/images/detailscribe-k?/*/*.jpg", 3),
        ("results/small/ledgers/scores/*/*.jsonl", 1),
    ]:
        kill_when(fresh, pattern, count)
    fresh.snakemake()
    assert fresh.images() == reference.images()
    assert fresh.table() == reference.table()
    assert (fresh.results / "small" / "dropped.tsv").read_text() == "id\ttopic\tstage\timage_set\tstatus\treason\n"


def test_images_finished_before_a_kill_are_not_generated_again(fresh):
    pattern = "results/small/images/original-1?/*/*.jpg"
    kept = {path: path.stat().st_mtime_ns for path in kill_when(fresh, pattern, 3)}
    fresh.snakemake("small_generate")
    # At most the image in flight of the one job that ran.
    assert sum(path.stat().st_mtime_ns != time for path, time in kept.items()) <= 1


def test_a_run_beside_jobs_that_outlived_a_killed_one_ends_well(fresh, finished):
    process = start(fresh)
    wait_for(process, fresh, "results/small/images/original-1?/*/*.jpg", 1)
    process.kill()  # the scheduler alone: its job goes on
    process.wait()
    fresh.snakemake("small_generate")
    originals = {file: data for file, data in Study(finished).images().items() if "/original-" in file}
    assert {file: data for file, data in fresh.images().items() if "/original-" in file} == originals


def test_a_change_after_the_clock_was_set_back_is_seen(study):
    for path in study.folder.rglob("*"):
        stat = path.lstat()
        os.utime(path, (stat.st_atime, stat.st_mtime + 86_400))
    assert study.nothing_to_do()
    assert "generate_images" in study.snakemake("-n", generation={"guidance": 2.0})
