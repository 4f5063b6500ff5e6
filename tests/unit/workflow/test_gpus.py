"""Jobs on one machine get different GPUs, simulated by an nvidia-smi on the path."""

import os
import subprocess
import sys

import pytest

from detailscribe.workflow.gpus import VISIBLE, one_gpu
from tests.paths import REPOSITORY

JOB = """
import sys, os
from detailscribe.workflow.gpus import one_gpu
with one_gpu(lambda sentence: print("waits:", sentence, flush=True)) as gpu:
    assert "torch" not in sys.modules
    print("has:", gpu, os.environ.get("CUDA_VISIBLE_DEVICES"), flush=True)
    sys.stdin.readline()
"""


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """Lets a test install gpus by their lines of `nvidia-smi -L`."""
    monkeypatch.delenv(VISIBLE, raising=False)
    monkeypatch.setenv("DETAILSCRIBE_LOCKS", str(tmp_path))

    def install(*lines: str) -> None:
        program = tmp_path / "bin" / "nvidia-smi"
        program.parent.mkdir(exist_ok=True)
        program.write_text("#!/bin/sh\ncat <<'E'\n" + "\n".join(lines) + "\nE\n")
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")

    return install


@pytest.fixture
def job():
    """Starts a process that takes a gpu and holds it until it is told a line."""
    jobs = []

    def start(**env: str) -> subprocess.Popen:
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), **env}
        jobs.append(
            subprocess.Popen(
                [sys.executable, "-c", JOB], env=environment, text=True, stdin=subprocess.PIPE, stdout=subprocess.PIPE
            )
        )
        return jobs[-1]

    yield start
    for process in jobs:
        process.kill()
        process.wait()


def gpus(*names: str) -> list[str]:
    return [f"GPU {number}: NVIDIA H100 80GB HBM3 (UUID: GPU-{name})" for number, name in enumerate(names)]


def test_jobs_take_different_gpus_and_one_more_waits_until_a_gpu_is_free_even_after_a_kill(machine, job):
    machine(*gpus("aaaa", "bbbb"))
    first, second = job(), job()
    taken = {first.stdout.readline(), second.stdout.readline()}
    assert taken == {"has: GPU-aaaa GPU-aaaa\n", "has: GPU-bbbb GPU-bbbb\n"}
    third = job()
    assert third.stdout.readline().startswith("waits: waiting for a GPU: all 2 are in use")
    first.kill()
    first.wait()
    assert third.stdout.readline() in taken
    fourth = job()
    assert fourth.stdout.readline().startswith("waits:")
    second.communicate("\n")
    assert fourth.stdout.readline() in taken


def test_the_choice_is_among_the_gpus_that_the_environment_lists(machine, job):
    machine(*gpus("aaaa", "bbbb", "cccc"))
    got = {job(CUDA_VISIBLE_DEVICES="1,2").stdout.readline() for _ in range(2)}
    assert got == {"has: 1 1\n", "has: 2 2\n"}
    # The same gpus by number and by name are the same gpus.
    assert job(CUDA_VISIBLE_DEVICES="GPU-bbbb,GPU-cccc").stdout.readline().startswith("waits:")
    assert job().stdout.readline() == "has: GPU-aaaa GPU-aaaa\n"


@pytest.mark.parametrize("visible", ["", "-1", "NoDevFiles", "7"])
def test_a_choice_of_no_known_gpu_is_left_alone(machine, monkeypatch, visible):
    machine(*gpus("aaaa", "bbbb"))
    monkeypatch.setenv(VISIBLE, visible)
    with one_gpu(pytest.fail) as gpu:
        assert gpu is None and os.environ[VISIBLE] == visible


@pytest.mark.parametrize("visible", ["1", "GPU-bbbb", "1,-1"])
def test_one_listed_gpu_is_held_as_any_other(machine, monkeypatch, job, visible):
    machine(*gpus("aaaa", "bbbb"))
    monkeypatch.setenv(VISIBLE, visible)
    with one_gpu(pytest.fail) as gpu:
        assert gpu == os.environ[VISIBLE] == visible.partition(",")[0]
        assert job(CUDA_VISIBLE_DEVICES="1").stdout.readline().startswith("waits:")
        assert job(CUDA_VISIBLE_DEVICES="0").stdout.readline() == "has: 0 0\n"
    assert os.environ[VISIBLE] == visible


def test_the_parts_of_a_split_gpu_are_the_gpus(machine, job):
    machine(*gpus("aaaa"), "  MIG 1g.10gb Device 0: (UUID: MIG-11-22)", "  MIG 1g.10gb Device 1: (UUID: MIG-33-44)")
    assert {job().stdout.readline() for _ in range(2)} == {"has: MIG-11-22 MIG-11-22\n", "has: MIG-33-44 MIG-33-44\n"}


def test_the_environment_is_as_before_when_the_gpu_is_given_back(machine):
    machine(*gpus("aaaa"))
    with one_gpu(pytest.fail) as gpu:
        assert gpu == os.environ[VISIBLE] == "GPU-aaaa"
    assert VISIBLE not in os.environ


def test_nothing_is_done_without_a_gpu(machine, tmp_path):
    machine()
    with one_gpu(pytest.fail) as gpu:
        assert gpu is None and VISIBLE not in os.environ
    assert not list(tmp_path.glob("detailscribe-*"))
