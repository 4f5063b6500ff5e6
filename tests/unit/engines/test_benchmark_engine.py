"""The engine's benchmark and the check of a machine, at a size at which times mean nothing."""

import json
import os
import shutil
import subprocess
import sys
import time
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from tests.paths import REPOSITORY

STEPS = 6
CPU = torch.device("cpu")


@pytest.fixture
def bench(monkeypatch):
    """The benchmark's modules."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import engine_check
    import engine_draw
    import engine_floor
    import engine_measure
    import engine_model
    import engine_scores
    import engine_ways
    from diffusers.utils import logging

    verbosity = logging.get_verbosity()
    engine_model.quiet()
    modules = (engine_check, engine_draw, engine_floor, engine_measure, engine_model, engine_scores, engine_ways)
    yield SimpleNamespace(**{module.__name__.removeprefix("engine_"): module for module in modules})
    logging.set_verbosity(verbosity)


@pytest.fixture
def model(bench):
    tiny = bench.model.Model("tiny", CPU, torch.float32)
    yield tiny
    tiny.close()


@pytest.fixture
def plan(bench):
    work = {"row_tflop": 1e-5, "text_tflop": 1e-5, "picture_tflop": 1e-4}
    return bench.measure.Plan(rounds=2, steps=STEPS, work=work, tflops=0.1)


def unlimited(bench):
    return bench.measure.Budget(None, time.monotonic())


def test_every_line_is_json_and_the_last_has_all_figures():
    ways = ["exact", "plain", "released"]
    command = [sys.executable, str(REPOSITORY / "benchmarks" / "engine.py"), "--tiny", "--rounds", "1"]
    command += ["--steps", str(STEPS), "--ways", *ways]
    run = subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert run.returncode == 0, run.stderr[-3000:]
    machine, *lines, last = map(json.loads, run.stdout.splitlines())
    assert machine["size"] == "tiny" and machine["steps"] == STEPS and machine["rates"]["tflops"] > 0
    assert machine["software"]["torch"] == torch.__version__ and machine["date"] and machine["work"]["row_tflop"] > 0
    assert {line["way"] for line in lines} == set(ways) == set(last["ways"])
    exact, plain = last["ways"]["exact"], last["ways"]["plain"]
    assert (exact["image_steps"], plain["image_steps"]) == (4 * STEPS - 5, 4 * STEPS)
    assert (last["rows_per_prompt"], last["rows_per_prompt_plain"]) == (4 * STEPS - 5, 4 * STEPS)
    assert last["encoder_calls_per_text"] == 1 and last["encoder_calls_plain"] == 14
    assert exact["images"] == plain["images"] == 4
    for line in (exact, plain):
        assert line["seconds"] == pytest.approx(line["encode_s"] + line["denoise_s"] + line["decode_s"], abs=1e-3)
        assert line["seconds_per_step"] == pytest.approx(line["denoise_s"] / line["image_steps"], rel=0.01)
        assert line["seconds"] == pytest.approx(line["of_floor"] * line["floor_s"], rel=0.01)
    assert last["speedup_vs_plain"] == pytest.approx(plain["seconds"] / exact["seconds"], rel=0.01)
    assert last["speedup_vs_released"] is None and last["failed"] == {}
    if not torch.cuda.is_available():
        assert list(last["skipped"]) == ["released"]


def test_a_way_that_fails_leaves_the_others_and_its_error(bench, model, plan, monkeypatch):
    draw = bench.ways.EngineWay.draw

    def run_out_of_memory(way, seed):
        if seed == 2:  # the first timed round
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB\nmore")
        return draw(way, seed)

    monkeypatch.setattr(bench.ways.EngineWay, "draw", run_out_of_memory)
    failed, plain = (bench.measure.measure(name, model, plan, unlimited(bench), None) for name in ("exact", "plain"))
    assert failed["error"] == "OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"
    assert failed["load_s"] >= 0 and "seconds" not in failed and "traceback" not in json.dumps(failed).lower()
    assert len(plain["rounds"]) == 2 and plain["transformer_rows"] == 2 * 4 * STEPS and "error" not in plain
    json.dumps([failed, plain])


def test_a_way_that_fails_while_it_loads_leaves_the_others(bench, model, plan, monkeypatch):
    load = bench.measure.load_way

    def load_or_fail(name, *arguments):
        if name == "fast":
            raise RuntimeError("no compiler")
        return load(name, *arguments)

    monkeypatch.setattr(bench.measure, "load_way", load_or_fail)
    failed, exact = (bench.measure.measure(name, model, plan, unlimited(bench), None) for name in ("fast", "exact"))
    assert failed["error"] == "RuntimeError: no compiler" and exact["seconds"] > 0


def test_a_budget_leaves_out_what_would_not_end_in_time(bench, model, plan):
    spent = bench.measure.Budget(10.0, time.monotonic() - 9.9)
    line = bench.measure.measure("exact", model, plan, spent, 30.0)
    assert line["skipped"].startswith("needs about ") and "0 s of the budget are left" in line["skipped"]
    assert model.build_s is None  # nothing was loaded for it

    class OneRound:
        """A budget that is spent when the first round ends."""

        asked = 0

        @property
        def left_s(self):
            self.asked += 1
            return 1000.0 if self.asked == 1 else 0.0

    line = bench.measure.measure("exact", model, plan, OneRound(), None)
    assert line["rounds_left_out"] == 1 and len(line["rounds"]) == 1 and line["seconds"] > 0


def test_the_weights_on_the_device_serve_every_way_and_compilation_is_undone(bench, model):
    with bench.ways.loaded("exact", model, STEPS) as way:
        first = way.pipe
    with bench.ways.loaded("plain", model, STEPS) as way:
        assert way.pipe is first
    block = first.transformer.transformer_blocks[0]
    block._compiled_call_impl = lambda *_: None
    bench.ways.EngineWay(SimpleNamespace(pipe=first), {}).close()
    assert block._compiled_call_impl is None
    assert not list(model._folder.rglob("*.safetensors"))


def test_every_profile_that_uses_the_weights_on_the_device_draws(bench, model):
    """Without compiling, which takes a minute on a CPU."""
    names = [name for name in bench.ways.profiles() if bench.ways.is_resident(bench.ways.entry_of(name, model))]
    assert {"exact", "fast"} <= set(names)
    for name in names:
        with bench.ways.loaded(name, model, STEPS, compile="none") as way:
            way.make_ready(1)
            assert len(way.draw(1)) == 4
            shared = 0 if way.entry.get("reuse_first_steps") else 5
            assert way.image_steps == 4 * STEPS - 10 + shared, name


def test_a_way_that_reads_from_disk_has_the_same_weights(bench, model):
    images = []
    for offload in ("none", "encoders"):
        with bench.ways.loaded("exact", model, STEPS, offload=offload) as way:
            images.append(np.stack([np.asarray(image, int) for image in way.draw(1)]))
    # On a CPU the last bits of a product depend on the address of the weights, which a file maps at its own offsets.
    assert model.save_s is not None and np.abs(images[0] - images[1]).max() <= 2


def test_the_sizes_of_large_are_those_of_the_published_model(bench):
    shapes = bench.model._transformer
    with torch.device("meta"):
        transformer = shapes(bench.model.SIZES["large"])
    assert sum(p.numel() for p in transformer.parameters()) == 8_056_627_520


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

    def draw(folder, way, size):
        missing = [name for name in (*bench.draw.ORIGINALS, *bench.draw.CANDIDATES) if not (folder / name).exists()]
        for name in missing:
            pixels = np.arange(48, dtype=np.uint8).reshape(4, 4, 3) + len(started)
            Image.fromarray(pixels).save(folder / name)
        started.append(way)
        return {"drawn": missing, "process_s": 0.0, "peaks_gb": {}}

    monkeypatch.setattr(bench.check, "draw_in_new_process", draw)
    result = bench.check.restart_check("exact", "tiny")
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
        bench.check.draw_in_new_process(tmp_path, "exact", "huge")


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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_compiled_blocks_are_measured_and_compiling_is_told_apart(bench, model, plan):
    with bench.ways.empty_compile_cache():
        line = bench.measure.measure("fast", model, plan, unlimited(bench), None)
    assert "error" not in line and line["compiled_graphs"] >= 3 and line["compile_s"] > line["seconds"]
