"""The engine's benchmark and the check of a machine, at a size at which times mean nothing."""

import json
import os
import shutil
import subprocess
import sys
import time
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image

from detailscribe.engines.gpu.device_errors import DeviceError
from detailscribe.errors import SetupError
from tests.paths import REPOSITORY

STEPS = 6
CPU = torch.device("cpu")


@pytest.fixture
def bench(monkeypatch):
    """The benchmark's modules."""
    monkeypatch.syspath_prepend(str(REPOSITORY / "benchmarks"))
    import engine
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
    named = {module.__name__.removeprefix("engine_"): module for module in modules}
    yield SimpleNamespace(main=engine, **named)
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


def test_the_model_of_large_is_the_published_one(bench):
    large = bench.model.Model("large", torch.device("meta"), torch.bfloat16)
    weights = {name: sum(p.numel() for p in part.parameters()) for name, part in large.work.modules.items()}
    assert weights["transformer"] == 8_056_627_520
    pipe = bench.model.build(large.size, large.device, large.dtype)
    assert weights == {name: sum(p.numel() for p in getattr(pipe, name).parameters()) for name in weights}
    assert pipe.vae.config.shift_factor == 0.0609, "the pipeline adds it before it decodes"
    large.close()


@pytest.fixture
def pretended(model, monkeypatch):
    """The tiny model, its weights made, on a card that is pretended; its memory in bytes is the value of `total`."""
    model.resident()
    card = SimpleNamespace(total=80e9, calls=[])
    model.device = SimpleNamespace(type="cuda")
    for name in ("synchronize", "empty_cache", "reset_peak_memory_stats"):
        monkeypatch.setattr(torch.cuda, name, lambda name=name: card.calls.append(name))
    for name in ("max_memory_allocated", "max_memory_reserved"):
        monkeypatch.setattr(torch.cuda, name, lambda: 10**9)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda _: SimpleNamespace(total_memory=card.total))
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (card.total, card.total))
    return card


def broken(*_):
    raise RuntimeError("CUDA error: an illegal memory access was encountered")


def test_a_card_that_is_lost_keeps_the_ways_own_error(bench, model, plan, pretended, monkeypatch):
    def draw(way, seed):
        for name in ("synchronize", "empty_cache"):  # from now on every call fails
            monkeypatch.setattr(torch.cuda, name, broken)
        raise RuntimeError("CUDA error: device-side assert triggered")

    monkeypatch.setattr(bench.ways.EngineWay, "draw", draw)
    line = bench.measure.measure("exact", model, plan, unlimited(bench), None)
    assert line["device_lost"] and line["error"].startswith("RuntimeError: CUDA error: ")
    # A card that is lost without an error is an error, too.
    monkeypatch.setattr(bench.measure, "_measure", lambda *_: None)
    assert bench.measure.measure("exact", model, plan, unlimited(bench), None)["error"] == bench.measure.DEVICE_LOST


def test_after_a_lost_card_the_summary_is_printed_and_no_other_way_runs(bench, monkeypatch, capsys):
    asked = []

    def measure(name, *_):
        asked.append(name)
        return {"way": name, "error": "RuntimeError: CUDA error", "device_lost": True}

    monkeypatch.setattr(bench.main, "measure", measure)
    assert bench.main.main(["--tiny", "--rounds", "1", "--steps", "6", "--ways", "exact", "plain"]) == 1
    *_, plain, last = map(json.loads, capsys.readouterr().out.splitlines())
    assert asked == ["exact"] and last["device_lost"] == "exact"
    assert last["failed"] == {"exact": "RuntimeError: CUDA error"}
    assert plain["skipped"] == last["skipped"]["plain"]
    assert plain["skipped"].startswith("the device was lost in exact")


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


def test_an_error_before_the_first_way_is_a_line_and_no_traceback(bench, monkeypatch, capsys):
    def refuse():
        raise SetupError("torch cannot use the GPU: install a driver")

    monkeypatch.setattr(bench.main.torch_setup, "default_device", refuse)
    assert bench.main.main(["--tiny"]) == 1
    assert json.loads(capsys.readouterr().out) == {"error": "torch cannot use the GPU: install a driver"}


def test_ways_that_read_from_disk_need_no_weights_on_the_device(bench, monkeypatch, capsys):
    """On a processor they are refused, and nothing was made for them before."""
    for name in ("build", "build_part"):
        monkeypatch.setattr(bench.model, name, lambda *_: pytest.fail("weights are made"))
    options = ["--tiny", "--rounds", "1", "--steps", "6", "--ways", "24gb", "paper"]
    if not torch.cuda.is_available():
        assert bench.main.main(options) == 1
        lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
        assert lines[0]["million_weights"]["transformer"] > 0 and set(lines[-1]["skipped"]) == {"24gb", "paper"}


def test_weights_are_written_a_part_at_a_time_and_are_those_of_the_device(bench, model, monkeypatch):
    made, build_part, alive = [], bench.model.build_part, []

    def build_one(part, device, dtype):
        module = build_part(part, device, dtype)
        if device.type != "meta":
            assert not any(each() is not None for each in alive), "the part before is still there"
            alive.append(weakref.ref(module))
            made.append(part.name)
        return module

    monkeypatch.setattr(bench.model, "build_part", build_one)
    with bench.ways.loaded("exact", model, STEPS, offload="encoders") as way:
        from_disk = np.stack([np.asarray(image, int) for image in way.draw(1)])
    assert model.build_s is None and len(made) == 5
    alive.clear()
    monkeypatch.setattr(bench.model, "build_part", build_part)
    with bench.ways.loaded("exact", model, STEPS) as way:
        resident = np.stack([np.asarray(image, int) for image in way.draw(1)])
    assert np.abs(resident - from_disk).max() <= 2


def test_a_part_is_made_on_the_card_only_if_it_fits(bench, pretended):
    large = bench.model.Model("large", SimpleNamespace(type="cuda"), torch.bfloat16)
    parts = large.work.modules
    for memory, here in ((24e9, {"transformer", "text_encoder_3"}), (16e9, {"text_encoder_3"}), (8e9, set())):
        pretended.total = memory
        on_card = {name for name, part in parts.items() if large._place_of(part).type == "cuda"}
        assert on_card == here | {"text_encoder", "text_encoder_2", "vae"}, memory
    large.close()


def test_a_card_that_cannot_hold_the_large_model_skips_its_ways(bench, pretended, plan):
    large = bench.model.Model("large", SimpleNamespace(type="cuda"), torch.bfloat16)
    pretended.total = 24e9
    line = bench.measure.measure("exact", large, plan, unlimited(bench), None)
    assert line["skipped"].startswith("expected to need ") and "this card has 24.0" in line["skipped"]
    assert large.build_s is None
    for memory, fits in ((16e9, False), (80e9, True)):
        pretended.total = memory
        assert fits == (not bench.measure._too_small(bench.ways.entry_of("exact", large), large))
    pretended.total = 24e9
    assert not bench.measure._too_small(bench.ways.entry_of("24gb", large), large)
    large.close()


def test_a_model_that_leaves_the_card_gives_its_memory_back(bench, model, pretended, monkeypatch):
    held = weakref.ref(model.resident().transformer)
    monkeypatch.setattr(torch.cuda, "empty_cache", lambda: pretended.calls.append(held()))
    model.leave_device()
    assert pretended.calls[0] is None, "the cache was emptied while the weights were still held"


def test_an_error_of_the_device_is_no_way_that_this_machine_cannot_run(bench, model, plan, monkeypatch):
    def refuse(*_):
        raise DeviceError("memory", "the GPU memory is too small", "end other programs")

    monkeypatch.setattr(bench.measure, "load_way", refuse)
    line = bench.measure.measure("exact", model, plan, unlimited(bench), None)
    assert line["error"].startswith("the GPU memory is too small") and "skipped" not in line


@pytest.mark.parametrize("way", ["plain", "released"])
def test_the_check_is_of_profiles_alone(bench, way, capsys):
    with pytest.raises(SystemExit) as stopped:
        bench.main.main(["--check", "--ways", "exact", way])
    assert stopped.value.code == 2
    assert "--check is of this engine's profiles (paper, " in (said := capsys.readouterr().err) and way in said


def test_blocks_compiled_in_a_round_are_told(bench, model, plan, monkeypatch):
    draw = bench.ways.EngineWay.draw

    def meets_another_number_of_rows(way, seed):
        torch._dynamo.utils.counters["stats"]["unique_graphs"] += 3 if seed == 1 else 2 * (seed == 2)
        return draw(way, seed)

    monkeypatch.setattr(bench.ways.EngineWay, "draw", meets_another_number_of_rows)
    line = bench.measure.measure("exact", model, plan, unlimited(bench), None)
    assert (line["compiled_graphs"], line["compiled_graphs_in_rounds"]) == (6, [2, 0])
    torch._dynamo.utils.counters.clear()


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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_compiled_blocks_are_measured_and_compiling_is_told_apart(bench, model, plan):
    with bench.ways.empty_compile_cache():
        line = bench.measure.measure("fast", model, plan, unlimited(bench), None)
    assert "error" not in line and line["compiled_graphs"] >= 3 and line["compile_s"] > line["seconds"]
