"""The benchmark's check of a machine."""

import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.unit.engines.benchmark.helpers import CPU, unlimited


def test_checks_after_a_lost_card_are_skipped_and_the_check_fails(bench, monkeypatch):
    lost = iter([True, False])
    monkeypatch.setattr(bench.check, "release", lambda device: next(lost))
    monkeypatch.setattr(bench.check, "restart_check", lambda *_: {"status": "passed"})
    monkeypatch.setattr(bench.check, "pipeline_check", lambda model: {"status": "passed", "largest_difference": 0})
    lines = []
    assert bench.check.run_checks(["exact"], "tiny", time.monotonic(), None, lines.append) == 1
    last = lines[-1]
    assert (last["passed"], last["failed"], last["measured"]) == (["bytes-exact"], ["pipeline"], [])
    assert last["checks"]["pipeline"]["reason"] == bench.measure.DEVICE_LOST
    assert last["checks"]["batch"]["reason"] == "the device was lost before"


@pytest.mark.parametrize("way", ["plain", "released"])
def test_the_check_is_of_profiles_alone(bench, way, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.main.main(["--check", "--ways", "exact", way])
    assert stopped.value.code == 2
    assert "--check is of this engine's profiles (paper, " in (said := capsys.readouterr().err) and way in said


def test_the_check_takes_the_large_model_for_exact_where_card_and_time_allow(bench, pretended):
    card, now = SimpleNamespace(type="cuda"), time.monotonic()

    def size_of(way, left_s=None):
        return bench.check.size_of(way, card, bench.measure.Budget(left_s, now))

    assert (size_of("exact"), size_of("exact", 400.0), size_of("exact", 60.0)) == ("large", "large", "middle")
    assert size_of("fast") == "middle" and bench.check.size_of("exact", CPU, unlimited(bench)) == "tiny"
    pretended.total = 24e9
    assert size_of("exact") == "middle"


def test_a_process_ends_with_the_budget_and_is_not_passed(bench, tmp_path):
    budget = bench.measure.Budget(0.5, time.monotonic())
    line = bench.check.one_check(lambda: bench.check.restart_check("exact", "tiny", budget), budget, CPU)
    assert line["status"] == "skipped" and line["reason"].startswith("the budget of seconds ended a process")
    assert line["seconds"] < 10


def test_a_process_that_hangs_fails(bench, tmp_path, monkeypatch):
    monkeypatch.setattr(bench.check, "PROCESS_S", 0.2)
    with pytest.raises(RuntimeError, match="a process did not end in"):
        bench.check.draw_in_new_process(tmp_path, "exact", "tiny", unlimited(bench))


def test_peaks_of_memory_belong_to_their_phase(bench, model, monkeypatch):
    """On a card that is pretended: encoding takes 5 GB, decoding 3, the rest 2."""
    level = {"now": 2.0}
    monkeypatch.setattr(torch.cuda, "synchronize", lambda: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: level["now"] * 1e9)
    monkeypatch.setattr(torch.cuda, "max_memory_reserved", lambda: level["now"] * 2e9)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", lambda: level.update(now=2.0))
    pipe = SimpleNamespace(encode_prompt=lambda: level.update(now=5.0), vae=SimpleNamespace())
    pipe.vae.decode = lambda: level.update(now=3.0)
    with bench.floor.phases_of(pipe, SimpleNamespace(type="cuda")) as phases:
        phases.start()
        pipe.encode_prompt()
        pipe.vae.decode()
        figures = phases.stop()
    assert {name: peak["allocated"] for name, peak in figures["peaks_gb"].items()} == {
        "encode": 5.0,
        "decode": 3.0,
        "denoise": 2.0,
    }
    assert figures["peaks_gb"]["encode"]["reserved"] == 10.0


@pytest.mark.slow
def test_the_check_passes_on_this_machine_and_skips_what_needs_two_devices(bench, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    lines = []
    status = bench.check.run_checks(["exact"], "tiny", time.monotonic(), None, lines.append)
    assert status == 0
    *checks, last = lines
    by_name = {line["check"]: line for line in checks}
    assert by_name["bytes-exact"]["status"] == "passed" and by_name["bytes-exact"]["drawn"] == [6, 2]
    assert by_name["pipeline"] == by_name["pipeline"] | {"status": "passed", "largest_difference": 0}
    assert by_name["batch"]["status"] == "measured" and set(by_name["batch"]["largest_difference"]) == {
        "k0",
        "k1",
        "k2",
        "k4",
    }
    assert last["passed"] == ["bytes-exact", "pipeline"] and last["checks"] == by_name
    if not torch.cuda.is_available():
        assert last["skipped"] == ["memory", "score-clip_score", "score-image_reward", "score-blip_vqa"]
        assert all(by_name[name]["reason"] == "no CUDA device" for name in last["skipped"])


def test_other_bytes_after_a_restart_fail_the_check_and_an_error_leaves_the_other_checks(bench, monkeypatch):
    started = []

    def draw(folder, way, size, budget):
        missing = [name for name in (*bench.draw.ORIGINALS, *bench.draw.CANDIDATES) if not (folder / name).exists()]
        for name in missing:
            pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) + len(started)
            Image.fromarray(pixels).save(folder / name)
        started.append(way)
        return {"drawn": missing, "process_s": 0.0, "peaks_gb": {}}

    monkeypatch.setattr(bench.check, "draw_in_new_process", draw)
    result = bench.check.restart_check("exact", "tiny", unlimited(bench))
    assert result["status"] == "failed" and result["largest_difference"] == 1 and not any(result["same_bytes"].values())

    monkeypatch.setattr(bench.check, "score_checks", lambda: [("score", lambda: {"status": "measured"})])
    monkeypatch.setattr(bench.check, "pipeline_check", lambda model: 1 / 0)
    monkeypatch.setattr(bench.check, "batch_check", lambda model: {"status": "measured"})
    lines = []
    assert bench.check.run_checks(["exact"], "tiny", time.monotonic(), None, lines.append) == 1
    assert lines[-1]["failed"] == ["bytes-exact", "pipeline"] and lines[-1]["measured"] == ["batch", "score"]
    assert lines[-1]["checks"]["pipeline"]["reason"] == "ZeroDivisionError: division by zero"


def test_a_process_that_cannot_draw_is_named(bench, tmp_path):
    with pytest.raises(RuntimeError, match="error: argument --size: invalid choice"):
        bench.check.draw_in_new_process(tmp_path, "exact", "huge", unlimited(bench))


def test_scores_that_differ_between_devices_fail(bench, monkeypatch, miniature):
    monkeypatch.setattr(bench.scores, "demo_models", lambda: miniature)
    for metric in bench.scores.METRICS:
        assert bench.scores.compare(metric, CPU, CPU)["status"] == "passed", metric
    scores_of, calls = bench.scores.scores_of, []

    def drifting(scorer, metric):
        calls.append(metric)
        return [score + 0.002 * len(calls) for score in scores_of(scorer, metric)]

    monkeypatch.setattr(bench.scores, "scores_of", drifting)
    result = bench.scores.compare("clip_score", CPU, CPU)
    assert result["status"] == "failed" and result["largest_difference"] == pytest.approx(0.002)
    bench.scores.network_of.cache_clear()
