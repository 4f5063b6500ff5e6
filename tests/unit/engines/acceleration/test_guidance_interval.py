"""Guidance on an interval: rows and images against diffusers' own pipeline, and wrong intervals."""

import pytest
import torch

from detailscribe.engines.acceleration.guidance_interval import check_guidance_interval, is_guided
from detailscribe.engines.load import load_engine
from detailscribe.errors import InputError
from tests.small_sd3 import GENERATION, KS, P0, P1, STEPS, entry, levels_apart, share_pipelines


@pytest.fixture(autouse=True)
def shared_pipelines(monkeypatch):
    share_pipelines(monkeypatch)


def guided(interval, steps=28) -> list[int]:
    return [i for i in range(steps) if is_guided(i, steps, interval)]


def test_bounds_are_shares_of_the_steps():
    assert guided((0, 1)) == list(range(28))
    assert guided((0, 0.8)) == list(range(23))  # 23 / 28 is above 0.8
    assert guided((0.25, 0.5)) == list(range(7, 14))
    # A bound is compared as it is written: 0.1, 0.7 and 0.3 are no sums of powers of two.
    assert guided((0.1, 0.7), 10) == list(range(1, 7))
    assert guided((0.3, 0.9), 30) == list(range(9, 27))


@torch.no_grad()
def by_pipeline(pipe, prompt, refined, k, interval, start) -> list:
    """diffusers' pipeline, whose callback turns guidance off and on, and replaces the prompt after step k."""
    first, refined = (pipe.encode_prompt(text, None, None, max_sequence_length=96) for text in (prompt, refined))

    def at_step_end(pipe, i, timestep, tensors):
        embeds, negative, pooled, negative_pooled = first
        if k is not None and i >= k:
            embeds, negative = refined[:2]
        on = i + 1 < STEPS and is_guided(i + 1, STEPS, interval)
        pipe._guidance_scale = 4.5 if on else 1.0
        return {
            "prompt_embeds": torch.cat([negative, embeds]) if on else embeds,
            "pooled_prompt_embeds": torch.cat([negative_pooled, pooled]) if on else pooled,
        }

    return pipe(
        prompt,
        num_inference_steps=STEPS,
        guidance_scale=4.5 if is_guided(0, STEPS, interval) else 1.0,
        height=64,
        width=64,
        max_sequence_length=96,
        generator=torch.Generator("cpu").manual_seed(start),
        callback_on_step_end=at_step_end,
        callback_on_step_end_tensor_inputs=["latents", "prompt_embeds", "pooled_prompt_embeds"],
    ).images[0]


@pytest.mark.parametrize("batch", ["candidates", "image"])
@pytest.mark.parametrize("interval", [[0, 0.6], [0.25, 1], [0.3, 0.7]])
def test_images_are_those_of_the_pipeline_with_guidance_turned_off(miniature, batch, interval):
    engine = load_engine(entry(miniature / "sd3", batch=batch, guidance_interval=interval), GENERATION)
    exact = load_engine(entry(miniature / "sd3", batch=batch), GENERATION)
    assert levels_apart(engine.generate(P0, 7), by_pipeline(engine.pipe, P0, P1, None, interval, 7)) <= 1
    images, guided_always = engine.refine(P0, P1, 7, KS), exact.refine(P0, P1, 7, KS)
    assert levels_apart(images[0], by_pipeline(engine.pipe, P1, P1, None, interval, 7)) <= 1
    for k in KS[1:]:
        assert levels_apart(images[k], by_pipeline(engine.pipe, P0, P1, k, interval, 7)) <= 1
        assert levels_apart(images[k], guided_always[k]) > 4


@pytest.mark.parametrize("batch", ["candidates", "image"])
def test_rows_are_counted(miniature, batch):
    """107 steps a prompt, 5 of the last of which are not guided in each of four candidates."""
    model = entry(miniature / "sd3", batch=batch, guidance_interval=[0, 0.8])
    engine = load_engine(model, GENERATION | {"steps": 28})
    engine.refine(P0, P1, 7, KS)
    assert engine.counts["transformer_rows"] == 2 * 107 - 4 * 5
    engine.generate(P0, 7)
    assert engine.counts["transformer_rows"] == 2 * 107 - 4 * 5 + 2 * 23 + 5


@pytest.mark.parametrize("batch", ["candidates", "image"])
def test_every_step_is_exact(miniature, batch):
    exact = load_engine(entry(miniature / "sd3", batch=batch), GENERATION).refine(P0, P1, 7, KS)
    model = entry(miniature / "sd3", batch=batch, guidance_interval=[0, 1], block_cache=0, reuse_first_steps=False)
    engine = load_engine(model, GENERATION)
    assert {k: i.tobytes() for k, i in engine.refine(P0, P1, 7, KS).items()} == {
        k: image.tobytes() for k, image in exact.items()
    }
    assert set(engine.counts) == {"encoder_calls", "transformer_rows"}


@pytest.mark.parametrize("interval", [[0.5], [0.5, 0.5], [0.6, 0.4], [-0.1, 1], [0, 1.1], "all", [0, None], [True, 1]])
def test_no_interval(interval):
    with pytest.raises(InputError, match=r"guidance_interval must be \[first, last\], shares of the steps"):
        check_guidance_interval(interval, 28, 4.5)


def test_intervals_that_guide_nothing():
    with pytest.raises(InputError, match=r"guidance_interval \[0.51, 0.53\] holds none of 28 steps: make it wider"):
        check_guidance_interval([0.51, 0.53], 28, 4.5)
    with pytest.raises(InputError, match="guidance 1 is off at every step: set guidance above 1, or remove"):
        check_guidance_interval([0, 0.8], 28, 1.0)
    check_guidance_interval([0, 1], 28, 1.0)
