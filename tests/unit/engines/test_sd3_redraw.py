"""SD3 engine: redrawn images against diffusers' image-to-image pipeline, and images from noise near a seed's."""

import functools
import shutil

import numpy as np
import PIL.Image
import pytest
import torch

from detailscribe.engines.acceleration.first_steps import FirstSteps
from detailscribe.engines.load import load_engine
from detailscribe.engines.redraw_steps import redraw_steps
from detailscribe.errors import InputError, SetupError
from tests.small_sd3 import GENERATION, P0, P1, STEPS, entry, levels_apart, share_pipelines

STRENGTHS = [0.3, 0.6, 0.8, 1.0]  # 3, 5, 7 and 8 of 8 steps
SEED = 2628670643


@pytest.fixture(autouse=True)
def shared_pipelines(monkeypatch):
    share_pipelines(monkeypatch)


@pytest.fixture
def model(miniature):
    return entry(miniature / "sd3")


@functools.cache
def reference_pipeline(folder, dtype):
    from diffusers import StableDiffusion3Img2ImgPipeline

    pipe = StableDiffusion3Img2ImgPipeline.from_pretrained(folder, dtype=dtype)
    pipe.set_progress_bar_config(disable=True)
    return pipe


def reference(folder, image, strength, dtype=torch.float32, guidance=4.5, steps=STEPS, seed=SEED, scheduler=None):
    """Image of diffusers' own pipeline."""
    pipe = reference_pipeline(folder, dtype)
    kept = pipe.scheduler
    pipe.scheduler = scheduler or kept
    try:
        return pipe(
            P1,
            image=image,
            height=64,
            width=64,
            strength=strength,
            num_inference_steps=steps,
            guidance_scale=guidance,
            max_sequence_length=96,
            generator=torch.Generator("cpu").manual_seed(seed),
        ).images[0]
    finally:
        pipe.scheduler = kept


@functools.cache
def gradient(size: int) -> PIL.Image.Image:
    """A colourful image that no model made."""
    x, y = np.meshgrid(*[np.linspace(0, 1, size)] * 2)
    return PIL.Image.fromarray(np.uint8(255 * np.stack([x, y, (np.sin(9 * x * y) + 1) / 2], axis=-1)))


def in_bytes(images: dict) -> dict:
    return {strength: image.tobytes() for strength, image in images.items()}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "generation", "dtype"),
    [
        ({}, {}, torch.float32),
        ({"batch": "image"}, {"guidance": 1.0}, torch.float32),
        ({}, {"guidance": 2.0, "swap_pooled": True}, torch.float32),
        ({"batch": "image"}, {"steps": 28}, torch.float32),
        ({"offload": "encoders"}, {}, torch.float32),
        ({"offload": "model", "precision": "bf16"}, {}, torch.bfloat16),
    ],
)
def test_redrawing_is_the_image_to_image_pipeline_to_the_byte(model, changes, generation, dtype):
    engine = load_engine(model | changes, GENERATION | generation)
    settings = {key: value for key, value in generation.items() if key != "swap_pooled"}
    for image in (load_engine(model, GENERATION).generate(P0, 7), gradient(64)):
        images = engine.redraw(image, P1, SEED, STRENGTHS)
        assert list(images) == STRENGTHS
        for strength in STRENGTHS:
            expected = reference(model["path"], image, strength, dtype, **settings)
            assert images[strength].tobytes() == expected.tobytes()
            assert (images[strength].mode, images[strength].size) == ("RGB", (64, 64))
        # Otherwise the comparison above would not depend on the strength.
        different = [image, *images.values()]
        assert all(levels_apart(a, b) > 2 for i, a in enumerate(different) for b in different[:i])


@pytest.mark.parametrize("kind", ["dynamic shift", "second order"])
def test_other_schedulers_start_where_the_pipeline_starts(model, kind, monkeypatch):
    from diffusers import FlowMatchEulerDiscreteScheduler, FlowMatchHeunDiscreteScheduler

    engine = load_engine(model, GENERATION)
    scheduler = {
        "dynamic shift": lambda: FlowMatchEulerDiscreteScheduler.from_config(
            engine.pipe.scheduler.config, use_dynamic_shifting=True
        ),
        "second order": lambda: FlowMatchHeunDiscreteScheduler(shift=3.0),
    }[kind]()
    monkeypatch.setattr(engine.pipe, "scheduler", scheduler)
    for strength, image in engine.redraw(gradient(64), P1, SEED, [0.3, 0.6]).items():
        expected = reference(model["path"], gradient(64), strength, scheduler=scheduler)
        assert image.tobytes() == expected.tobytes()


def test_a_scheduler_that_cannot_start_from_an_image_is_named(model, monkeypatch):
    from diffusers import UniPCMultistepScheduler

    engine = load_engine(model, GENERATION)
    scheduler = UniPCMultistepScheduler(prediction_type="flow_prediction", use_flow_sigmas=True, flow_shift=3.0)
    monkeypatch.setattr(engine.pipe, "scheduler", scheduler)
    with pytest.raises(SetupError, match="a UniPCMultistepScheduler cannot start from an image"):
        engine.redraw(gradient(64), P1, SEED, [0.3])


def test_a_larger_image_is_resized_as_the_pipeline_resizes_it(model):
    image = load_engine(model, GENERATION).redraw(gradient(96), P1, SEED, [0.4])[0.4]
    assert image.tobytes() == reference(model["path"], gradient(96), 0.4).tobytes()
    wide = PIL.Image.new("RGB", (192, 96))
    wide.paste(gradient(96), (48, 0))
    assert load_engine(model, GENERATION).redraw(wide, P1, SEED, [0.4])[0.4].tobytes() == image.tobytes()


@pytest.mark.parametrize("batch", ["candidates", "image"])
def test_a_redrawn_image_depends_on_its_own_strength_alone(model, batch):
    engine = load_engine(model | {"batch": batch}, GENERATION)
    together = in_bytes(engine.redraw(gradient(64), P1, SEED, STRENGTHS))
    engine.generate(P0, 7)
    engine.refine(P0, P1, 7, [0, 1])
    assert in_bytes(engine.redraw(gradient(64), P1, SEED, STRENGTHS[::-1])) == together
    for strength in STRENGTHS:
        assert in_bytes(engine.redraw(gradient(64), P1, SEED, [strength])) == {strength: together[strength]}
    assert engine.redraw(gradient(64), P1, SEED + 1, [0.3])[0.3].tobytes() != together[0.3]
    assert engine.redraw(gradient(64), P0, SEED, [0.3])[0.3].tobytes() != together[0.3]


def test_less_strength_leaves_more_of_the_image(model):
    engine = load_engine(model, GENERATION)
    originals = {seed: engine.generate(P0, seed) for seed in (7, 8, 9)}
    apart = {strength: 0.0 for strength in (0.1, 0.3, 1.0)}
    for seed, original in originals.items():
        for strength, image in engine.redraw(original, P1, SEED + seed, list(apart)).items():
            apart[strength] += np.abs(np.asarray(image, float) - np.asarray(original, float)).mean()
    assert list(apart.values()) == sorted(apart.values())


def test_strength_1_has_nothing_of_the_image(model):
    engine = load_engine(model, GENERATION)
    image = engine.redraw(gradient(64), P1, SEED, [1])[1]
    other = engine.redraw(gradient(64), P1, SEED, [1.0])[1.0]
    assert image.tobytes() == other.tobytes()
    assert levels_apart(image, engine.generate(P1, SEED)) > 2, "the noise is another"
    black = engine.redraw(PIL.Image.new("RGB", (64, 64)), P1, SEED, [1])[1]
    assert levels_apart(image, black) <= 1, "the posterior's sample, times zero"


@pytest.mark.parametrize(("guidance", "rows_a_step"), [(4.5, 2), (1.0, 1)])
def test_work_of_redrawing_is_counted_and_equal_strengths_share_it(model, guidance, rows_a_step, monkeypatch):
    engine = load_engine(model, GENERATION | {"guidance": guidance})
    encoded, encode = [], engine.pipe.vae.encode
    monkeypatch.setattr(engine.pipe.vae, "encode", lambda pixels: encoded.append(len(pixels)) or encode(pixels))
    assert engine.redraw(gradient(64), P1, SEED, []) == {}
    assert engine.counts == {"encoder_calls": 0, "transformer_rows": 0}
    strengths = [0.26, 0.3, 0.9, 0.3]  # 3, 3 and 8 of 8 steps
    images = engine.redraw(gradient(64), P1, SEED, strengths)
    steps = sum({redraw_steps(strength, STEPS) for strength in strengths})
    assert (list(images), steps) == ([0.26, 0.3, 0.9], 3 + 8)
    assert images[0.26].tobytes() == images[0.3].tobytes()
    assert engine.counts == {"encoder_calls": rows_a_step, "transformer_rows": rows_a_step * steps}
    assert encoded == [1]


def test_guidance_is_that_of_the_same_steps_of_a_full_run(model):
    """With the first half guided, the last steps have one row each."""
    engine = load_engine(model | {"guidance_interval": [0, 0.5]}, GENERATION)
    engine.redraw(gradient(64), P1, SEED, [0.5])
    assert engine.counts["transformer_rows"] == 4
    engine.redraw(gradient(64), P1, SEED, [0.75])
    assert engine.counts["transformer_rows"] == 4 + 2 * 2 + 4


def test_a_block_cache_starts_empty_for_each_strength(model):
    engine = load_engine(model | {"block_cache": 0.3}, GENERATION)
    together = in_bytes(engine.redraw(gradient(64), P1, SEED, STRENGTHS))
    assert engine.counts["first_block_rows"] > 0
    assert in_bytes(engine.redraw(gradient(64), P1, SEED, [0.6])) == {0.6: together[0.6]}


def test_strengths_that_leave_no_step_end_before_any_work(model):
    engine = load_engine(model, GENERATION)
    for strength in (0, 1.5):
        with pytest.raises(InputError, match=f"1 to {STEPS} of {STEPS} steps, got {strength}"):
            engine.redraw(gradient(64), P1, SEED, [0.5, strength])
    assert engine.counts == {"encoder_calls": 0, "transformer_rows": 0}


@pytest.mark.parametrize("offload", ["encoders", "model"])
def test_parts_are_on_the_gpu_for_their_phase_alone(model, offload, monkeypatch):
    engine = load_engine(model | {"offload": offload}, GENERATION)
    expected = in_bytes(load_engine(model, GENERATION).redraw(gradient(64), P1, SEED, [0.3, 0.9]))
    arrivals, move = [], torch.nn.Module.to

    def record(part, device):
        if str(device) == "cpu:0":
            arrivals.append(type(part).__name__)
        return move(part, device)

    engine.device = torch.device("cpu", 0)  # another name of the CPU stands for the GPU
    monkeypatch.setattr(torch.nn.Module, "to", record)
    assert in_bytes(engine.redraw(gradient(64), P1, SEED, [0.3, 0.9])) == expected
    texts, vae, transformer = arrivals[:3], "AutoencoderKL", "SD3Transformer2DModel"
    assert sorted(texts) == ["CLIPTextModelWithProjection"] * 2 + ["T5EncoderModel"]
    if offload == "model":
        assert arrivals[3:] == [vae, transformer, vae], "encoding, all strengths, decoding"
    else:
        assert sorted(arrivals[3:]) == [vae, transformer]


def test_too_little_memory_and_overflow_are_told_as_elsewhere(model, monkeypatch):
    engine = load_engine(model, GENERATION)

    def full(*_, **__):
        raise torch.OutOfMemoryError("CUDA out of memory")

    with monkeypatch.context() as patch:
        patch.setattr(engine.pipe.vae, "encode", full)
        with pytest.raises(SetupError, match=r"memory.*64 px.*batch.*offload.*precision.*size_px"):
            engine.redraw(gradient(64), P1, SEED, [0.5])
    engine.guidance = float("inf")
    with pytest.raises(FloatingPointError, match="not finite"):
        engine.redraw(gradient(64), P1, SEED, [0.5])


@pytest.mark.parametrize("changes", [{}, {"precision": "bf16", "offload": "model"}, {"block_cache": 0.3}])
@pytest.mark.parametrize(("shifts", "seed"), [([], 7), ([(8, 0)], 7), ([(8, 1)], 8), ([(8, 0.4), (SEED, 1.0)], SEED)])
def test_shifts_that_end_at_a_seed_give_its_image(model, changes, shifts, seed):
    engine = load_engine(model | changes, GENERATION)
    expected = engine.generate(P0, seed, FirstSteps((1,)))
    assert engine.generate_near(P0, 7, shifts).tobytes() == expected.tobytes()


def test_an_image_from_noise_between_two_seeds(model):
    """Against diffusers' pipeline with these latents."""
    from diffusers import StableDiffusion3Pipeline

    engine = load_engine(model, GENERATION)
    first, second, third = (
        torch.randn(1, 16, 8, 8, generator=torch.Generator().manual_seed(seed)) for seed in (7, 8, SEED)
    )
    noise = 0.6 * (0.8 * first + 0.6 * second) + 0.8 * third
    pipe = StableDiffusion3Pipeline(**reference_pipeline(model["path"], torch.float32).components)
    pipe.set_progress_bar_config(disable=True)
    sizes = {"height": 64, "width": 64, "max_sequence_length": 96}
    expected = pipe(P0, latents=noise, num_inference_steps=STEPS, guidance_scale=4.5, **sizes).images[0]
    image = engine.generate_near(P0, 7, [(8, 0.6), (SEED, 0.8)])
    assert levels_apart(image, expected) <= 1
    assert all(levels_apart(image, engine.generate(P0, seed)) > 2 for seed in (7, 8, SEED))
    assert engine.generate_near(P0, 7, [(8, 0.6), (SEED, 0.8)]).tobytes() == image.tobytes()


def test_smaller_shares_give_nearer_images(model):
    engine = load_engine(model, GENERATION)
    original = np.asarray(engine.generate(P0, 7), float)
    apart = [
        np.mean([np.abs(np.asarray(engine.generate_near(P0, 7, [(s, share)]), float) - original) for s in (8, 9, 10)])
        for share in (0.05, 0.3, 1.0)
    ]
    assert apart == sorted(apart)


def test_a_share_outside_its_range_is_named(model):
    with pytest.raises(InputError, match=r"share of a shift must be from 0 to 1, got 1\.2 with seed 8"):
        load_engine(model, GENERATION).generate_near(P0, 7, [(8, 1.2)])


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("g++") is None, reason="compiling needs a C++ compiler")
def test_compiled_blocks_redraw_the_same_whatever_was_generated_before(model):
    plain = load_engine(model, GENERATION).redraw(gradient(64), P1, SEED, STRENGTHS)
    torch._dynamo.reset()
    engine = load_engine(model | {"compile": "regions"}, GENERATION)
    compiled = engine.redraw(gradient(64), P1, SEED, STRENGTHS)
    for strength, image in compiled.items():
        assert levels_apart(image, plain[strength]) <= 2
    torch._dynamo.reset()
    other = load_engine(model | {"compile": "regions"}, GENERATION)
    other.refine(P0, P1, 7, [0, 1])
    assert in_bytes(other.redraw(gradient(64), P1, SEED, STRENGTHS)) == in_bytes(compiled)
    torch._dynamo.reset()
