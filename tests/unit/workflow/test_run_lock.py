"""One run at a time in a results folder."""

import os
import subprocess
import sys

import pytest

from detailscribe.workflow.run_lock import is_dry_run, job_running, lock_results
from tests.paths import REPOSITORY

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(REPOSITORY)}


def test_only_one_holder_of_the_lock(tmp_path):
    first = lock_results(tmp_path / "results")
    assert first is not None
    assert lock_results(tmp_path / "results") is None
    first.close()
    assert lock_results(tmp_path / "results") is not None


def test_the_lock_waits_for_jobs_that_outlived_their_run(tmp_path):
    code = """
import time
from detailscribe.workflow.run_lock import job_running
with job_running():
    print(1, flush=True)
    time.sleep(1.5)
"""
    job = subprocess.Popen([sys.executable, "-c", code], cwd=tmp_path, env=ENVIRONMENT, stdout=subprocess.PIPE)
    job.stdout.readline()
    assert lock_results(tmp_path / "results", wait_for_jobs=True) is not None
    assert job.wait(timeout=1) == 0


def test_jobs_do_not_wait_for_each_other(tmp_path):
    with job_running(tmp_path), job_running(tmp_path):
        assert lock_results(tmp_path) is not None


@pytest.mark.parametrize(
    ("line", "looks"),
    [
        ("-n", True),
        ("-np demo", True),
        ("demo --dry-run", True),
        ("--rulegraph dot", True),
        ("--lint=json", True),
        ("demo --cores 2", False),
        ("--nolock", False),
        ("-k --config note=-n", False),
    ],
)
def test_a_command_that_only_looks_is_known_by_its_options(line, looks):
    assert is_dry_run(line.split()) == looks
