"""The engine's benchmark on cards that are small, lost, or pretended."""

import json
import weakref
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from detailscribe.engines.gpu.device_errors import DeviceError
from detailscribe.errors import SetupError
from tests.unit.engines.benchmark.helpers import STEPS, broken, unlimited


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


def test_blocks_compiled_in_a_round_are_told(bench, model, plan, monkeypatch):
    draw = bench.ways.EngineWay.draw

    def meets_another_number_of_rows(way, seed):
        torch._dynamo.utils.counters["stats"]["unique_graphs"] += 3 if seed == 1 else 2 * (seed == 2)
        return draw(way, seed)

    monkeypatch.setattr(bench.ways.EngineWay, "draw", meets_another_number_of_rows)
    line = bench.measure.measure("exact", model, plan, unlimited(bench), None)
    assert (line["compiled_graphs"], line["compiled_graphs_in_rounds"]) == (6, [2, 0])
    torch._dynamo.utils.counters.clear()
