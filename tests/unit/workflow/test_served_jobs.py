"""A job that serves its model: log beside its own, GPUs of its own, and an end of the server however the job ends."""

import json
import os
import signal
import subprocess
import sys
import time

import pytest

from tests.paths import REPOSITORY
from tests.unit.llm.served_helpers import ENDPOINT, FakeVllm

JOB = """
import json, sys, time
from types import SimpleNamespace
from detailscribe.workflow.job import chat_of, job
from tests.unit.llm.served_helpers import served_question

config = json.loads(sys.argv[1])
snakemake = SimpleNamespace(log=["logs/some_rule/1.log"], rule="some_rule", output=[], config=config)
snakemake.scriptdir, snakemake.resources = "scripts", {"gpu": int(sys.argv[2])}
with job(snakemake):
    replies = chat_of(snakemake).ask([served_question(n) for n in range(3)])
    print("replies", *[reply.status for reply in replies])
    exec(sys.argv[3])
"""


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """The fake program; nothing of it may be left after any test."""
    fake = FakeVllm(tmp_path, monkeypatch)
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    yield fake
    assert fake.left(within_s=5.0) == ""


def start(vllm: FakeVllm, then: str, gpus: int = 0, **changes) -> subprocess.Popen:
    """A job in the folder of the test, without recorded answers."""
    if (vllm.folder / "resources").exists():
        (vllm.folder / "resources").rename(vllm.folder / f"resources-{len(list(vllm.folder.iterdir()))}")
    config = {"endpoints": {"local": ENDPOINT | changes}, "exchanges": "live", "budget_usd": None}
    config |= {"preflight": {"allow_served": {}}}
    command = [sys.executable, "-c", JOB, json.dumps(config), str(gpus), then]
    return subprocess.Popen(command, cwd=vllm.folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def wait_for_replies(vllm: FakeVllm) -> None:
    log, deadline = vllm.folder / "logs" / "some_rule" / "1.log", time.monotonic() + 20
    while not (log.exists() and "replies" in log.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def machine_with(vllm: FakeVllm, *names: str) -> None:
    """An `nvidia-smi` that lists GPUs."""
    lines = "".join(f"GPU {n}: NVIDIA H100 (UUID: GPU-{name})\n" for n, name in enumerate(names))
    program = vllm.folder / "bin" / "nvidia-smi"
    program.write_text(f"#!/bin/sh\ncat <<'E'\n{lines}E\n")
    program.chmod(0o755)


def test_the_server_ends_with_the_job_and_its_log_is_beside_the_jobs(vllm):
    job = start(vllm, "pass")
    _, told = job.communicate()
    assert job.returncode == 0 and vllm.left() == ""
    log = (vllm.folder / "logs" / "some_rule" / "1.log").read_text()
    assert "replies ok ok ok" in log and "vllm is ready after" in log and "vllm is ready after" in told
    assert "POST /v1/chat/completions" in (vllm.folder / "logs" / "some_rule" / "1.local.log").read_text()


def test_an_error_of_the_job_and_one_of_the_server_end_it_too(vllm):
    job = start(vllm, "raise KeyError(5)")
    assert "some_rule: KeyError: 5" in job.communicate()[1] and job.returncode == 1 and vllm.left() == ""
    vllm.misbehave("memory")
    job = start(vllm, "pass")
    told = job.communicate()[1].strip().splitlines()
    assert job.returncode == 1 and told[-1].startswith("some_rule: Endpoint 'local': its server vllm ended with exit")
    assert "1.local.log" in told[-1] and "larger GPU" in told[-1]


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_signal_ends_the_server(vllm, number):
    job = start(vllm, "time.sleep(60)")
    wait_for_replies(vllm)
    assert vllm.left() != ""
    job.send_signal(number)
    job.communicate(timeout=20)
    assert job.returncode != 0


def test_a_job_has_as_many_gpus_as_its_server_needs_and_no_two_jobs_share_one(vllm):
    machine_with(vllm, "aaaa", "bbbb", "cccc")
    options = {"tensor_parallel": 2}
    first = start(vllm, "time.sleep(2)", 2, options=options)
    wait_for_replies(vllm)
    second = start(vllm, "pass", 2, options=options)
    told = second.communicate()[1]
    first.communicate()
    assert "waiting for 2 GPUs: too many of the 3 are in use" in told and second.returncode == 0
    assert [note["CUDA_VISIBLE_DEVICES"] for note in vllm.notes()] == ["0,1", "0,1"]


def test_more_gpus_than_the_machine_has_are_a_sentence(vllm):
    machine_with(vllm, "aaaa")
    job = start(vllm, "pass", 2, options={"tensor_parallel": 2})
    assert "the job needs 2 GPUs, and 1 are available here; lower `tensor_parallel`" in job.communicate()[1]


@pytest.mark.slow
def test_a_killed_job_holds_its_gpu_until_its_server_has_ended(vllm):
    machine_with(vllm, "aaaa", "bbbb")
    vllm.misbehave("stubborn")  # it takes the whole grace
    job = start(vllm, "time.sleep(60)", 1)
    wait_for_replies(vllm)
    os.kill(job.pid, signal.SIGKILL)
    job.communicate()
    code = "from detailscribe.workflow.gpus import one_gpu\nwith one_gpu(print) as gpu: print(gpu)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "GPU-bbbb\n", "the first is still in use"
    assert vllm.left(within_s=20.0) == ""
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert run.stdout == "GPU-aaaa\n"
