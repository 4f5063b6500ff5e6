"""Block cache: against diffusers' own transformer and its `skip_layers`, exactness without reuse, independence."""

import copy
import shutil

import pytest
import torch

from detailscribe.engines.load import load_engine
from detailscribe.engines.sd3_steps import start_run
from tests.small_sd3 import GENERATION, KS, P0, P1, STEPS, entry, levels_apart, share_pipelines

THRESHOLD = 0.3  # at eight steps, some of which reuse
OTHER = "A circle of sunflowers with a single red rose."
BATCHES = ["candidates", "image"]


@pytest.fixture(autouse=True)
def shared_pipelines(monkeypatch):
    share_pipelines(monkeypatch)


@pytest.fixture
def model(miniature):
    return entry(miniature / "sd3", batch="image")


def same(one: dict, other: dict) -> bool:
    return {k: image.tobytes() for k, image in one.items()} == {k: image.tobytes() for k, image in other.items()}


class ReferenceRun:
    """One image, by `skip_layers` of diffusers' transformer and hooks on its first and last block."""

    def __init__(self, engine, condition):
        self.engine, self.condition = engine, condition
        self.run = start_run(engine.pipe, 64, STEPS, 7, condition)
        self.first = self.others = None
        self.reused = 0

    def fork(self, condition):
        other = copy.copy(self)
        other.condition, other.first, other.others, other.reused = condition, None, None, 0
        other.run = self.run.fork(condition)
        return other

    def step(self, i, guidance=True):
        run, transformer = self.run, self.engine.pipe.transformer
        rows = 2 if guidance else 1
        inputs = {
            "hidden_states": torch.cat([run.latents] * rows),
            "timestep": run.scheduler.timesteps[i].expand(rows),
            "encoder_hidden_states": self.condition.embeds[-rows:],
            "pooled_projections": self.condition.pooled[-rows:],
            "return_dict": False,
        }
        seen = {}

        def after_first(block, args, options, output):
            seen["residual"], seen["first"] = output[1] - options["hidden_states"], output[1]
            return (output[0], output[1] + self.others[-rows:]) if seen.get("reuse") else None

        def after_last(block, args, options, output):
            seen["last"] = output[1]

        blocks = transformer.transformer_blocks
        hooks = [blocks[0].register_forward_hook(after_first, with_kwargs=True)]
        hooks += [blocks[-1].register_forward_hook(after_last, with_kwargs=True)]
        first_only = list(range(1, len(blocks)))
        transformer(**inputs, skip_layers=first_only)
        if self.first is not None and len(self.first) >= rows:
            kept = self.first[-rows:]
            seen["reuse"] = (seen["residual"] - kept).abs().mean() / kept.abs().mean() < THRESHOLD
        velocity = transformer(**inputs, skip_layers=first_only if seen.get("reuse") else None)[0]
        for hook in hooks:
            hook.remove()
        if seen.get("reuse"):
            self.reused += rows
        else:
            self.first, self.others = seen["residual"], seen["last"] - seen["first"]
        if guidance:
            velocity = velocity[:1] + 4.5 * (velocity[1:] - velocity[:1])
        run.latents = run.scheduler.step(velocity, run.scheduler.timesteps[i], run.latents, return_dict=False)[0]


@torch.no_grad()
@pytest.mark.parametrize("interval", [[0, 1], [0, 0.6], [0.3, 1]])
def test_a_step_reuses_what_the_other_blocks_did(model, interval):
    engine = load_engine(model | {"block_cache": THRESHOLD, "guidance_interval": interval}, GENERATION)
    prompt, refined = engine.encode(P0), engine.encode(P1)
    shared = ReferenceRun(engine, engine._condition(prompt))
    late = engine._condition(type(prompt)(refined.embeds, prompt.pooled))
    runs = {0: ReferenceRun(engine, engine._condition(refined))}
    for i in range(STEPS):
        for run in [*([shared] if i <= 4 else []), *runs.values()]:
            run.step(i, interval[0] <= i / STEPS < interval[1])
        if i in KS[1:]:
            runs[i] = shared.fork(late)  # with nothing to reuse
    latents = engine.denoise(P0, P1, 7, KS)
    assert all(torch.equal(latents[k], runs[k].run.latents) for k in KS)
    reused = shared.reused + sum(run.reused for run in runs.values())
    assert engine.counts["first_block_rows"] == reused > 0
    rows = load_engine(model | {"guidance_interval": interval}, GENERATION)
    rows.denoise(P0, P1, 7, KS)
    assert engine.counts["transformer_rows"] + reused == rows.counts["transformer_rows"]


@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_threshold_that_nothing_is_below_is_exact(model, batch, precision):
    model = model | {"batch": batch, "precision": precision}
    exact = load_engine(model, GENERATION)
    engine = load_engine(model | {"block_cache": 1e-9}, GENERATION)
    assert same(engine.refine(P0, P1, 7, KS), exact.refine(P0, P1, 7, KS))
    assert engine.generate(P0, 7).tobytes() == exact.generate(P0, 7).tobytes()
    assert engine.counts["first_block_rows"] == 0
    assert engine.counts["transformer_rows"] == exact.counts["transformer_rows"]


def test_the_model_is_as_before_after_each_step_also_after_an_error(model, monkeypatch):
    engine = load_engine(model | {"block_cache": THRESHOLD}, GENERATION)
    blocks = engine.pipe.transformer.transformer_blocks
    engine.generate(P0, 7)
    assert engine.pipe.transformer.transformer_blocks is blocks
    names = [name for name, _ in engine.pipe.transformer.named_parameters()]
    monkeypatch.setattr(blocks[1], "forward", lambda **_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        engine.generate(P0, 7)
    assert engine.pipe.transformer.transformer_blocks is blocks
    assert [name for name, _ in engine.pipe.transformer.named_parameters()] == names


@pytest.mark.parametrize("batch", BATCHES)
def test_bytes_do_not_depend_on_what_was_generated_before(model, batch):
    model = model | {"batch": batch, "block_cache": THRESHOLD}
    engine = load_engine(model, GENERATION)
    first = engine.refine(P0, P1, 7, KS)
    engine.refine(OTHER, P1, 8, [0, 3])
    engine.generate(OTHER, 9)
    for other in [engine, load_engine(model, GENERATION)]:
        assert same(other.refine(P0, P1, 7, KS[::-1]), first)


def test_each_image_decides_for_itself(model):
    alone = load_engine(model | {"block_cache": THRESHOLD}, GENERATION)
    together = load_engine(model | {"block_cache": THRESHOLD, "batch": "candidates"}, GENERATION)
    images = alone.refine(P0, P1, 7, KS)
    batched = together.refine(P0, P1, 7, KS)
    assert together.counts == alone.counts
    for k in KS:
        assert levels_apart(batched[k], images[k]) <= 1
        single = load_engine(model | {"block_cache": THRESHOLD}, GENERATION).refine(P0, P1, 7, [k])
        assert single[k].tobytes() == images[k].tobytes()


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
@pytest.mark.parametrize("batch", BATCHES)
def test_compiled_blocks(model, batch):
    model = model | {"batch": batch, "block_cache": THRESHOLD}
    plain_engine = load_engine(model, GENERATION)
    plain = plain_engine.refine(P0, P1, 7, KS)
    torch._dynamo.reset()
    engine = load_engine(model | {"compile": "regions"}, GENERATION)
    compiled = engine.refine(P0, P1, 7, KS)
    assert engine.counts == plain_engine.counts
    for k in KS:
        assert levels_apart(compiled[k], plain[k]) <= 2
    torch._dynamo.reset()
    other = load_engine(model | {"compile": "regions"}, GENERATION)
    other.generate(OTHER, 8)
    assert same(other.refine(P0, P1, 7, KS), compiled)
