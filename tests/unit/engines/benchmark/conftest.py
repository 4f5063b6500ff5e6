"""The benchmark's modules, a tiny model, and pretended cards."""

from types import SimpleNamespace

import pytest
import torch

from tests.paths import REPOSITORY
from tests.unit.engines.benchmark.helpers import CPU, STEPS


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
