"""The harness of scripts: a job ends with one message, and a GPU job sees one GPU."""

import errno
import os
import subprocess
import sys

import pytest

from tests.paths import REPOSITORY

SCRIPT = """
import sys
from types import SimpleNamespace
from detailscribe.workflow.job import job
with job(SimpleNamespace(log=["job.log"], rule="some_rule", output=[], resources={{"gpu": 1}})) as running:
    {body}
"""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (f"raise OSError({errno.ENOSPC}, 'x')", "some_rule: the disk is full: free some space"),
        ("raise RuntimeError('I/O error: No space left on device (os error 28)')", "some_rule: the disk is full"),
        ("raise KeyError('x')", "some_rule: KeyError: 'x' (details in job.log)"),
    ],
)
def test_a_job_ends_with_one_sentence_on_the_terminal(tmp_path, body, sentence):
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", SCRIPT.format(body=body)]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 1 and not run.stdout
    assert run.stderr.strip().startswith(sentence) and "Traceback" not in run.stderr


def test_a_gpu_job_sees_one_gpu_and_prints_nothing(tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: A (UUID: GPU-aa)'\necho 'GPU 1: A (UUID: GPU-bb)'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PATH": path, "TMPDIR": str(tmp_path)}
    env.pop("CUDA_VISIBLE_DEVICES", None)
    body = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    run = subprocess.run([sys.executable, "-c", SCRIPT.format(body=body)], cwd=tmp_path, env=env, capture_output=True)
    assert run.returncode == 0 and not run.stderr
    assert (tmp_path / "job.log").read_text() == "GPU-aa\n"


JOB = """
from pathlib import Path
from types import SimpleNamespace
from detailscribe.files.rows import write_rows
from detailscribe.workflow.job import job
with job(SimpleNamespace(log=["job.log"], rule="{rule}", resources={{}}, output=["rows.jsonl"])):
    write_rows(Path("rows.jsonl"), [{{"id": "a", "status": "{status}", "reason": "why"}}])
"""


@pytest.mark.parametrize(
    ("rule", "status", "said"),
    [
        ("judge_images", "unparsed", "judge_images: not one of 1 rows asked is usable: 1 unparsed"),
        ("judge_images", "ok", ""),
        ("generate_images", "failed", ""),  # asks no model
    ],
)
def test_a_job_that_asked_a_model_says_what_is_not_usable(tmp_path, rule, status, said):
    command = [sys.executable, "-c", JOB.format(rule=rule, status=status)]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr.strip().startswith(said) and bool(run.stderr.strip()) is bool(said)
    assert said in (tmp_path / "job.log").read_text()
