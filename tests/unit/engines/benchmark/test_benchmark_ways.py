"""The engine's benchmark: its ways and figures, at a size at which times mean nothing."""

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

from tests.paths import REPOSITORY
from tests.unit.engines.benchmark.helpers import STEPS, unlimited


@pytest.mark.slow
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


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_compiled_blocks_are_measured_and_compiling_is_told_apart(bench, model, plan):
    with bench.ways.empty_compile_cache():
        line = bench.measure.measure("fast", model, plan, unlimited(bench), None)
    assert "error" not in line and line["compiled_graphs"] >= 3 and line["compile_s"] > line["seconds"]
