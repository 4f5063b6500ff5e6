"""Preflight of the machine: another process is asked what torch can use, and only where that can matter."""

import pytest
import torch

from detailscribe.engines.gpu.model_size import FULL_SIZE
from detailscribe.operations import preflight_gpu
from detailscribe.operations.preflight_gpu import gpu_problem
from tests.paths import REPOSITORY
from tests.pretended_gpu import H100, Machine

HUB = {"path": "stabilityai/stable-diffusion-3.5-large", "revision": "c0ffee"}
SMALL = {"path": "resources/miniature/sd3", "revision": ""}


@pytest.fixture
def machine(tmp_path, monkeypatch) -> Machine:
    monkeypatch.chdir(tmp_path)
    return Machine(tmp_path / "root", monkeypatch)


@pytest.mark.parametrize("models", [[SMALL], []])
def test_a_small_model_on_a_machine_without_a_gpu_starts_no_process(machine, monkeypatch, models):
    monkeypatch.setattr(preflight_gpu.subprocess, "run", lambda *_, **__: pytest.fail("a process was started"))
    assert gpu_problem(models, REPOSITORY) == ""


def test_a_large_model_on_a_machine_without_a_gpu_is_refused(machine, monkeypatch):
    monkeypatch.setenv("PATH", str(machine.root))
    problem = gpu_problem([HUB], REPOSITORY)
    assert problem.startswith(
        f"the image model {HUB['path']} would draw on the CPU, because torch finds no GPU here: run"
    )
    monkeypatch.setattr(preflight_gpu, "model_weights", lambda *_: FULL_SIZE)
    assert gpu_problem([HUB], REPOSITORY) == ""
    monkeypatch.setattr(preflight_gpu, "model_weights", lambda *_: FULL_SIZE + 10**8)
    assert "(0.6 billion weights)" in gpu_problem([HUB], REPOSITORY)
    assert gpu_problem([], REPOSITORY) == "", "only scores: a CPU takes them"


@pytest.mark.parametrize("models", [[SMALL], [], [HUB], [SMALL, HUB]])
def test_a_gpu_beside_a_build_for_the_cpu_stops_every_run_that_would_use_it(machine, models):
    machine.nvidia(H100)
    problem = gpu_problem(models, REPOSITORY)
    assert "this machine has a GPU (NVIDIA H100 80GB HBM3, driver 580.82.07), but torch" in problem
    assert "is a build for the CPU only" in problem or torch.version.cuda


def test_an_environment_without_torch_leaves_it_to_the_jobs(machine, tmp_path, monkeypatch):
    machine.nvidia(H100)
    (tmp_path / "torch.py").write_text("raise ModuleNotFoundError('no torch', name='torch')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    assert gpu_problem([HUB], REPOSITORY) == ""
    monkeypatch.setattr(preflight_gpu, "CHECK", "platform")
    assert gpu_problem([HUB], REPOSITORY) == "", "an answer of another kind"


def test_a_usable_gpu_is_no_problem(machine, monkeypatch):
    machine.nvidia(H100)
    monkeypatch.setattr(preflight_gpu, "_ask_torch", lambda folder: {"usable": True, "problem": ""})
    assert gpu_problem([HUB], REPOSITORY) == gpu_problem([SMALL], REPOSITORY) == ""


def test_a_run_that_draws_nothing_may_have_a_large_model_and_no_gpu(machine, monkeypatch):
    monkeypatch.setattr(preflight_gpu, "_ask_torch", lambda folder: {"usable": False, "problem": ""})
    assert gpu_problem([HUB], REPOSITORY, lambda: True)
    assert gpu_problem([HUB], REPOSITORY, lambda: False) == ""
