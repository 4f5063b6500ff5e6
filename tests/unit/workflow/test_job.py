"""The harness of scripts: a job ends with one message, and a GPU job sees one GPU."""

import errno
import os
import subprocess
import sys

import pytest

from tests.paths import REPOSITORY
from tests.pretended_gpu import RTX_4090, nvidia_smi

SCRIPT = """
import sys
from types import SimpleNamespace
from detailscribe.workflow.job import job
CONFIG = {{"preflight": {{"allow_cpu": {allow_cpu}}}}}
script = SimpleNamespace(log=["job.log"], rule="some_rule", output=[], resources={{"gpu": 1}}, config=CONFIG)
with job(script) as running:
    {body}
"""


@pytest.mark.parametrize(
    ("body", "sentence"),
    [
        (f"raise OSError({errno.ENOSPC}, 'x')", "some_rule: the disk is full: free some space"),
        ("raise RuntimeError('I/O error: No space left on device (os error 28)')", "some_rule: the disk is full"),
        ("raise KeyError('x')", "some_rule: KeyError: 'x' (details in job.log)"),
        ("raise RuntimeError('CUDA error: x')", "some_rule: the GPU or its driver failed (CUDA error: x); what was"),
        ("raise MemoryError()", "some_rule: the main memory of this machine is too small (MemoryError); what was"),
    ],
)
def test_a_job_ends_with_one_sentence_on_the_terminal(tmp_path, body, sentence):
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    command = [sys.executable, "-c", SCRIPT.format(body=body, allow_cpu=False)]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 1 and not run.stdout
    assert run.stderr.strip().startswith(sentence) and "Traceback" not in run.stderr


def test_the_log_of_a_job_whose_device_failed_says_which_call(tmp_path):
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    body = "raise RuntimeError('CUDA error: x')"
    command = [sys.executable, "-c", SCRIPT.format(body=body, allow_cpu=False)]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    log = (tmp_path / "job.log").read_text()
    assert "RuntimeError: CUDA error: x" in log and "Traceback" in log and "some_rule: the GPU or its driver" in log


@pytest.mark.parametrize(("allow_cpu", "status"), [(False, 1), (True, 0)])
def test_a_gpu_job_beside_a_gpu_that_torch_cannot_use_needs_leave_for_the_cpu(tmp_path, allow_cpu, status):
    nvidia_smi(tmp_path / "bin", RTX_4090, driver="535.183.01")
    path = f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}"
    env = {
        **os.environ,
        "PYTHONPATH": str(REPOSITORY),
        "PATH": path,
        "DETAILSCRIBE_LOCKS": str(tmp_path),
        "CUDA_VISIBLE_DEVICES": "",
    }
    body = "from detailscribe.engines.torch_setup import default_device; print(default_device())"
    command = [sys.executable, "-c", SCRIPT.format(body=body, allow_cpu=allow_cpu)]
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == status, run.stderr
    if not allow_cpu:
        assert "some_rule: this machine has a GPU (NVIDIA GeForce RTX 4090, driver 535.183.01)" in run.stderr
        assert "Traceback" not in run.stderr + (tmp_path / "job.log").read_text()


def test_a_gpu_job_sees_one_gpu_and_prints_nothing(tmp_path):
    (tmp_path / "nvidia-smi").write_text("#!/bin/sh\necho 'GPU 0: A (UUID: GPU-aa)'\necho 'GPU 1: A (UUID: GPU-bb)'\n")
    (tmp_path / "nvidia-smi").chmod(0o755)
    path = f"{tmp_path}{os.pathsep}{os.environ['PATH']}"
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PATH": path, "DETAILSCRIBE_LOCKS": str(tmp_path)}
    env.pop("CUDA_VISIBLE_DEVICES", None)
    body = "import os; print(os.environ['CUDA_VISIBLE_DEVICES'])"
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT.format(body=body, allow_cpu=False)], cwd=tmp_path, env=env, capture_output=True
    )
    assert run.returncode == 0 and not run.stderr
    assert (tmp_path / "job.log").read_text() == "GPU-aa\n"


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_a_job_says_is_printed_whatever_it_holds(tmp_path, encoding):
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY), "PYTHONIOENCODING": encoding}
    body = r"running.say(['\ud800 \u2014']); raise SetupError('no \ud800')"
    script = "from detailscribe.errors import SetupError\n" + SCRIPT.format(body=body, allow_cpu=True)
    run = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 1 and "Traceback" not in run.stderr
    assert "some_rule: no \\ud800" in run.stderr and "some_rule: no \\ud800" in (tmp_path / "job.log").read_text()


JOB = """
from pathlib import Path
from types import SimpleNamespace
from detailscribe.files.rows import write_rows
from detailscribe.workflow.job import job
with job(SimpleNamespace(log=["job.log"], rule="{rule}", resources={{}}, output=["rows/a.jsonl"])):
    write_rows(Path("rows/a.jsonl"), [{{"id": "a", "status": "{status}", "reason": "why"}}])
"""


@pytest.mark.parametrize(
    ("rule", "status", "said"),
    [
        ("judge_images", "unparsed", "judge_images: not one of 1 rows asked is usable: 1 unparsed"),
        ("judge_images", "ok", ""),
        ("generate_images", "failed", "generate_images: rows: 1 of 1 failed; the reasons are in"),
        ("refine_images_2_by_other", "refused", "refine_images_2_by_other: rows: 1 of 1 refused"),
        ("score_images", "failed", "score_images: rows: 1 of 1 failed"),
        ("find_noun_phrases", "failed", ""),  # neither asks nor draws nor scores
    ],
)
def test_a_job_that_asked_drew_or_scored_says_what_is_not_usable(tmp_path, rule, status, said):
    command = [sys.executable, "-c", JOB.format(rule=rule, status=status)]
    env = {**os.environ, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0 and run.stderr.strip().startswith(said) and bool(run.stderr.strip()) is bool(said)
    assert said in (tmp_path / "job.log").read_text()
