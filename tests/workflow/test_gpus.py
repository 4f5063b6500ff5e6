"""A GPU that torch cannot use stops a run before its first job, and one that breaks ends its job."""

import os

import pytest

from detailscribe.operations.plan.study_plan import draws_images
from detailscribe.workflow.parameters import stage_parameters
from tests.pretended_gpu import H100, nvidia_smi
from tests.unit.study.configured import configured_study
from tests.workflow.small_study import PROMPTS, SMALL, Study

pytestmark = pytest.mark.slow  # several runs of a study each

ALLOWED = {"preflight": {"allow_cpu": True}}
STOPS = "Preflight: This machine has a GPU (NVIDIA H100 80GB HBM3, driver 470.82.01)"


@pytest.fixture
def unstarted(tmp_path) -> Study:
    """A study in which nothing was done yet."""
    study = Study(tmp_path / "study")
    study.folder.mkdir()
    study.prompts(PROMPTS)
    return study


def test_a_gpu_that_torch_cannot_use_stops_the_jobs_that_would_use_it(unstarted, tmp_path):
    nvidia_smi(tmp_path / "bin", H100, driver="470.82.01")
    card = {"PATH": f"{tmp_path / 'bin'}{os.pathsep}{os.environ['PATH']}", "CUDA_VISIBLE_DEVICES": ""}
    unstarted.snakemake("small_decompose", env=card)
    unstarted.snakemake("-n", "small_generate", env=card)
    output = unstarted.snakemake("small_generate", expect=1, env=card)
    [message] = [line for line in output.splitlines() if STOPS in line]
    assert message.endswith("or allow the CPU with `preflight: {allow_cpu: true}`.") and "Traceback" not in output
    assert not list(unstarted.results.glob("small/images/*/*/*.*")), "no job has started"
    assert STOPS in unstarted.snakemake("preflight", expect=1, env=card)
    unstarted.snakemake("small_generate", env=card, **ALLOWED)
    assert len(unstarted.images()) == 4 * 3
    assert unstarted.nothing_to_do("small_generate"), "leave for the CPU decides no image"


def test_a_large_model_does_not_draw_on_a_cpu(unstarted):
    unstarted.snakemake("small_decompose", image_model="sd35_large_exact")
    output = unstarted.snakemake("small_generate", expect=1, image_model="sd35_large_exact")
    said = (
        "Preflight: The image model stabilityai/stable-diffusion-3.5-large would draw on the CPU, because torch finds"
    )
    [message] = [line for line in output.splitlines() if said in line]
    assert message.endswith("or allow the CPU with `preflight: {allow_cpu: true}`.")


def test_a_gpu_that_breaks_ends_the_job_and_the_next_run_goes_on(unstarted):
    output = unstarted.snakemake("small_generate", expect=1, env={"STUB_FAULT": "paints a fence with a brush"})
    [message] = [
        line for line in output.splitlines() if line.startswith("generate_images: the GPU or its driver failed")
    ]
    assert "(CUDA error: an illegal memory access was encountered) at the prompt paint-fence-" in message
    assert "what was finished is kept: run again" in message and "Traceback" not in output
    kept = unstarted.times()
    assert 0 < len(kept) < 4 * 3
    assert not unstarted.rows("images/*/*.jsonl"), "no prompt counts as failed"
    unstarted.snakemake("small_generate")
    assert len(unstarted.images()) == 4 * 3 and {
        row["status"] for row in unstarted.rows("images/original-11/*.jsonl")
    } == {"ok"}
    assert kept.items() <= unstarted.times().items(), "what was finished is kept"


def test_a_job_that_only_writes_manifests_draws_nothing(study, monkeypatch):
    monkeypatch.chdir(study.folder)
    described = configured_study(**SMALL)
    parameters = stage_parameters(described)
    [shard] = [("small", name) for name in described.shards("small")]
    for manifest in study.results.glob("small/images/*/*.jsonl"):
        manifest.unlink()
    assert not draws_images(described, parameters, [shard])
    next(study.results.glob("small/images/original-12/*/*.*")).unlink()
    assert draws_images(described, parameters, [shard])
    assert draws_images(described, parameters, [("small", "000-of-002")]), "a shard that is not there yet"
