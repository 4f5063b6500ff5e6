"""Failures of jobs: noted once each, said again at the end of the process that planned the run."""

import subprocess
import sys
from pathlib import Path

import pytest

from detailscribe.workflow import failures
from tests.paths import REPOSITORY


@pytest.fixture(autouse=True)
def _in_a_study(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("results").mkdir()


def test_each_different_failure_is_said_once_with_its_log_and_many_are_counted():
    assert failures.failure_lines() == []
    for number in (1, 2):
        failures.note_failure("critique_images", "the key is wrong", Path(f"logs/{number}.log"))
    assert failures.failure_lines() == ["critique_images: the key is wrong (logs/1.log)"]
    for number in range(failures.MOST + 2):
        failures.note_failure("score_images", f"no weights {number}", Path("logs/s.log"))
    lines = failures.failure_lines()
    assert len(lines) == failures.MOST + 1 and lines[-1] == "and 3 other failures; see logs/"
    failures.forget_failures()
    assert failures.failure_lines() == []


def test_a_line_that_was_cut_and_a_missing_folder_are_passed_over():
    failures.note_failure("plan", "first", Path("a.log"))
    with failures.FAILURES.open("a") as file:
        file.write('{"rule": "pl')
    assert failures.failure_lines() == ["plan: first (a.log)"]
    failures.FAILURES.unlink()
    Path("results").rmdir()
    failures.note_failure("plan", "nowhere", Path("a.log"))
    assert failures.failure_lines() == []


def test_they_are_the_last_words_of_the_process():
    failures.note_failure("plan", "the budget is spent", Path("logs/plan.log"))
    code = (
        "import sys; from detailscribe.workflow.failures import say_failures_at_exit; say_failures_at_exit(); "
        "print('Exiting because a job execution failed', file=sys.stderr); sys.exit(1)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], env={"PYTHONPATH": str(REPOSITORY)}, capture_output=True, text=True
    )
    assert done.stderr.rstrip().endswith("Failed:\nplan: the budget is spent (logs/plan.log)") and done.returncode == 1
