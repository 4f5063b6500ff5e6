"""GPU time of a plan: which record counts, loads with their warm-up, the range, and where it was measured."""

import pytest

from detailscribe.engines.machine.speeds import LOAD, SCORE, STEP, TEXT, JobSpeeds
from detailscribe.operations.plan.gpu_time import GpuTime, Seconds
from tests.unit.operations.test_plan import Planned

MODEL = {"model": "lab/model", "precision": "bf16", "size_px": 1024, "compile": "regions", "offload": "none"}
ALONE, REFINED = MODEL | {"work": "image"}, MODEL | {"work": "refinement"}
NOTHING = {"step_s": None, "score_s": None, "output_tokens": 1}


def record(folder, *work, processor="Card A"):
    job = JobSpeeds()
    for each in work:
        job.add(*each)
    job.record(folder, lambda: processor)


def test_a_measurement_counts_first_then_the_assumption_then_other_work(tmp_path):
    assumed = NOTHING | {"step_s": 3.0}
    assert GpuTime(tmp_path, NOTHING).of(STEP, ALONE, 28) is None
    assert GpuTime(tmp_path, assumed).of(STEP, ALONE, 2) == Seconds(6, 6, 6)
    record(tmp_path, (STEP, ALONE, 10, 9.0), (STEP, ALONE, 10, 5.0))
    assert GpuTime(tmp_path, assumed).of(STEP, ALONE, 2) == Seconds(1, 1, 1)
    assert GpuTime(tmp_path, assumed).of(STEP, REFINED, 2) == Seconds(6, 6, 6)
    assert GpuTime(tmp_path, NOTHING).of(STEP, REFINED, 2) == Seconds(1, 1, 1)


def test_a_load_includes_the_warm_up_of_each_kind_of_work(tmp_path):
    record(tmp_path, (LOAD, MODEL, 1, 45.0), (STEP, ALONE, 10, 25.0), (STEP, ALONE, 10, 5.0))
    record(tmp_path, (LOAD, MODEL, 1, 55.0), (STEP, REFINED, 10, 45.0), (STEP, REFINED, 10, 5.0))
    time = GpuTime(tmp_path, NOTHING | {"load_s": 9})
    assert time.of_load(MODEL, [(STEP, ALONE)]) == Seconds(70, 65, 75)
    assert time.of_load(MODEL, [(STEP, ALONE), (STEP, REFINED)]) == Seconds(110, 105, 115)
    other = MODEL | {"precision": "fp8"}
    assert time.of_load(other, [(STEP, other)]) == Seconds(9, 9, 9)
    assert time.of_load(other, [(STEP, other)], assume=False) is None


def test_it_is_said_where_the_seconds_come_from(tmp_path):
    record(tmp_path, (STEP, ALONE, 10, 25.0), (STEP, ALONE, 10, 4.0), (TEXT, MODEL, 10, 2.0))
    record(tmp_path, (STEP, ALONE, 10, 9.0), (STEP, ALONE, 10, 5.0))
    record(tmp_path, (STEP, ALONE, 10, 9.0), (STEP, ALONE, 10, 9.0), processor="Card B")
    time = GpuTime(tmp_path, NOTHING | {"score_s": 2})
    assert time.sentences() == []
    steps = time.of(STEP, ALONE, 100)
    assert (steps.mean, steps.fastest, steps.slowest) == pytest.approx((60, 40, 90))
    time.of(TEXT, MODEL, 3)
    time.of(SCORE, {"module": "clip_score", "model": "m"}, 3)
    assert time.sentences() == [
        "Speeds:",
        "lab/model, bf16, 1024 px, compile regions, offload none, image: 0.6 s per denoising step (0.4 to 0.9), in 2 "
        "jobs on Card A (0.45 s) and 1 job on Card B (0.9 s).",
        "lab/model, bf16, 1024 px, compile regions, offload none: 0.2 s per text, in 1 job on Card A.",
        "clip_score m: 2 s per score, assumed.",
    ]


STAGES = ("generate", "refine")


def loads(planned: Planned) -> dict[str, tuple[dict, float | None]]:
    lines = planned.lines()
    return {stage: (lines[stage, "loads, texts"].reasons, lines[stage, "loads, texts"].gpu_s) for stage in STAGES}


def test_a_plan_counts_one_load_per_shard_and_stage(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = Planned(tmp_path)
    assert loads(planned) == dict.fromkeys(STAGES, ({"load": 1}, None))
    planned.study.config["plan"]["load_s"] = 60
    assert loads(planned) == dict.fromkeys(STAGES, ({"load": 1}, 60.0))


def test_steps_of_refinements_that_wait_for_their_texts_share_the_first_ones(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    planned = Planned(tmp_path)
    step_s, prompts = planned.study.config["plan"]["step_s"], 2
    seconds = {name: line.gpu_s for (stage, name), line in planned.lines().items() if stage == "refine" and line.gpu}
    assert {name: each / step_s / prompts for name, each in seconds.items()} == {
        "detailscribe": 107,
        "ablation": 107,
        "gpt_refine": 28,
    }
