"""Reuse of first steps: the same bits from latents and from computing them again, the work, other schedulers."""

import json
import shutil

import pytest
import torch

from detailscribe.engines.acceleration.first_steps import FirstSteps
from detailscribe.engines.load import load_engine
from detailscribe.errors import InputError
from tests.small_sd3 import GENERATION, KS, P0, P1, STEPS, entry, levels_apart, share_pipelines

LATE = tuple(KS[1:])
BATCHES = ["candidates", "image"]


@pytest.fixture(autouse=True)
def shared_pipelines(monkeypatch):
    share_pipelines(monkeypatch)


def kept_by_image(engine) -> FirstSteps:
    """Latents that the engine keeps while it generates the initial image."""
    steps = FirstSteps(LATE)
    engine.generate(P0, 7, steps)
    assert sorted(steps.latents) == sorted(steps.computed) == list(LATE)
    return steps


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
@pytest.mark.parametrize("options", [{}, {"block_cache": 0.3}, {"guidance_interval": [0.25, 0.8]}])
def test_the_same_bits_with_and_without_latents(miniature, batch, precision, options):
    model = entry(miniature / "sd3", batch=batch, precision=precision, reuse_first_steps=True, **options)
    kept = kept_by_image(load_engine(model, GENERATION)).latents
    again = FirstSteps(LATE)
    expected = load_engine(model, GENERATION).denoise(P0, P1, 7, KS, again)
    assert (again.taken, again.computed) == (5, list(LATE))
    assert all(torch.equal(kept[k], again.latents[k]) for k in LATE)
    # All, some and other latents at hand; the steps that are computed again end at the last that is missing.
    for known, taken in [((1, 2, 4), 0), ((2, 4), 2), ((1, 2), 5), ((1, 4), 3), ((4,), 3)]:
        steps = FirstSteps(LATE, {k: kept[k] for k in known})
        latents = load_engine(model, GENERATION).denoise(P0, P1, 7, KS, steps)
        assert all(torch.equal(latents[k], expected[k]) for k in KS)
        assert steps.taken == taken
        assert steps.computed == [k for k in LATE if k not in known]


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_images_in_batches_of_their_own_are_those_without_reuse(miniature, precision):
    model = entry(miniature / "sd3", batch="image", precision=precision)
    exact = load_engine(model, GENERATION).refine(P0, P1, 7, KS)
    engine = load_engine(model | {"reuse_first_steps": True}, GENERATION)
    for steps in (kept_by_image(engine), FirstSteps(LATE)):
        images = engine.refine(P0, P1, 7, KS, steps)
        assert {k: i.tobytes() for k, i in images.items()} == {k: i.tobytes() for k, i in exact.items()}


def test_batched_candidates_differ_by_rounding(miniature):
    model = entry(miniature / "sd3", batch="candidates")
    exact = load_engine(model, GENERATION).refine(P0, P1, 7, KS)
    engine = load_engine(model | {"reuse_first_steps": True}, GENERATION)
    images = engine.refine(P0, P1, 7, KS, kept_by_image(engine))
    assert all(levels_apart(images[k], exact[k]) <= 1 for k in KS)


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize(("guidance", "rows_a_step"), [(4.5, 2), (1.0, 1)])
def test_work_of_the_published_schedule(miniature, batch, guidance, rows_a_step):
    """102 steps a prompt where 107 are shared out otherwise."""
    model = entry(miniature / "sd3", batch=batch, reuse_first_steps=True)
    engine = load_engine(model, GENERATION | {"guidance": guidance, "steps": 28})
    steps = kept_by_image(engine)
    rows = engine.counts["transformer_rows"]
    assert rows == 28 * rows_a_step
    engine.refine(P0, P1, 7, KS, steps)
    assert engine.counts["transformer_rows"] - rows == 102 * rows_a_step
    engine.refine(P0, P1, 7, KS, FirstSteps(LATE))
    assert engine.counts["transformer_rows"] - rows == (102 + 107) * rows_a_step


def test_the_last_step_and_no_early_candidate(miniature):
    engine = load_engine(entry(miniature / "sd3", reuse_first_steps=True), GENERATION)
    steps = FirstSteps((STEPS - 1,))
    first = engine.generate(P0, 7, steps)
    rows = engine.counts["transformer_rows"]
    assert engine.refine(P0, P1, 7, [STEPS - 1], steps)[STEPS - 1].tobytes() == first.tobytes()
    assert engine.counts["transformer_rows"] == rows


@pytest.mark.parametrize(
    ("change", "kind"),
    [
        ({"_class_name": "FlowMatchHeunDiscreteScheduler"}, "a FlowMatchHeunDiscreteScheduler"),
        ({"stochastic_sampling": True}, "stochastic sampling"),
    ],
)
def test_schedulers_with_a_memory(miniature, tmp_path, change, kind):
    shutil.copytree(miniature / "sd3", tmp_path / "sd3")
    file = tmp_path / "sd3" / "scheduler" / "scheduler_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | change))
    with pytest.raises(InputError, match=f"reuse_first_steps needs .*, and the model has {kind}: set it to false"):
        load_engine(entry(tmp_path / "sd3", reuse_first_steps=True), GENERATION)
