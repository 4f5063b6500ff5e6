"""What a takeover computes, leaves behind after an error, and refuses, with tiny random pipelines."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before diffusers
from detailscribe.engines.any_pipeline import PipelineEngine
from detailscribe.engines.pipelines.call import PipelineCall
from detailscribe.errors import InputError, SetupError
from tests.small_sd3 import P0, P1
from tests.tiny_pipelines.table import SIZE_PX, build, call_of

STEPS = 4


def engine_of(name, pipe=None, swap_pooled=False, call=None, **changes):
    settings = {"size_px": SIZE_PX, "max_sequence_length": 32, "steps": STEPS, "guidance": 3.5} | changes
    call = PipelineCall(pipe or build(name), call=call_of(name) | (call or {}), **settings)
    return PipelineEngine(call, swap_pooled)


def same(one, other) -> bool:
    return bool((np.asarray(one) == np.asarray(other)).all())


@pytest.fixture(scope="module")
def flux():
    return build("FluxPipeline")


@pytest.mark.parametrize(("ks", "calls"), [([0], 4), ([1], 2 + 2), ([3], 4), ([0, 1, 3], 4 + 4 + 2 + 0)])
def test_the_first_prompts_steps_are_computed_once(flux, ks, calls):
    counted = []
    handle = flux.transformer.register_forward_hook(lambda *_: counted.append(1))
    images = engine_of("FluxPipeline", flux).refine(P0, P1, 7, ks)
    handle.remove()
    assert (sorted(images), len(counted)) == (ks, calls)


def test_candidates_do_not_depend_on_each_other(flux):
    engine = engine_of("FluxPipeline", flux)
    together = engine.refine(P0, P1, 7, [3, 0, 1, 2])
    assert all(same(together[k], engine.refine(P0, P1, 7, [k])[k]) for k in together)
    assert same(together[3], engine.generate(P0, 7))


@pytest.mark.parametrize("after", [5, 8, 9])  # calls of the transformer: in the recording, and in each candidate
def test_nothing_stays_on_the_pipeline_after_an_error(flux, after):
    engine, freed = engine_of("FluxPipeline", flux), []
    before, classes = engine.refine(P0, P1, 7, [0, 1, 2]), (type(flux.transformer), type(flux.scheduler))
    counted = iter(range(100))

    def fail(*_):
        if next(counted) == after:
            raise RuntimeError("the test's error")

    handle = flux.transformer.register_forward_pre_hook(fail)
    flux.maybe_free_model_hooks = lambda: freed.append(1)
    try:
        with pytest.raises(RuntimeError, match="the test's error"):
            engine.refine(P0, P1, 7, [0, 1, 2])
    finally:
        handle.remove()
        del flux.maybe_free_model_hooks
    assert (type(flux.transformer), type(flux.scheduler)) == classes
    assert "step" not in vars(flux.scheduler) and freed
    again = engine.refine(P0, P1, 7, [0, 1, 2])
    assert all(same(before[k], again[k]) for k in before)


def test_a_recording_ends_without_decoding_and_frees_the_models(flux):
    decoded, freed, free = [], [], flux.maybe_free_model_hooks
    handle = flux.vae.decoder.register_forward_hook(lambda *_: decoded.append(1))
    flux.maybe_free_model_hooks = lambda: freed.append(free())
    try:
        engine_of("FluxPipeline", flux).refine(P0, P1, 7, [1])
    finally:
        handle.remove()
        del flux.maybe_free_model_hooks
    assert (len(decoded), len(freed)) == (1, 2)


def test_random_numbers_of_the_process_are_no_part_of_an_image():
    """GLM-Image samples tokens of the image from them."""
    engine = engine_of("GlmImagePipeline")
    images = []
    for seed in (1, 2):
        torch.manual_seed(seed)
        state = torch.get_rng_state()
        images.append(engine.refine(P0, P1, 1, [0, 1]))
        assert torch.equal(state, torch.get_rng_state())
    assert all(same(images[0][k], images[1][k]) for k in images[0])


def test_other_latents_for_another_prompt_are_refused(flux, monkeypatch):
    prepare, seen = flux.prepare_latents, iter(range(9))

    def other(*args, **kwargs):
        latents, ids = prepare(*args, **kwargs)
        return latents + next(seen), ids

    monkeypatch.setattr(flux, "prepare_latents", other)
    with pytest.raises(SetupError, match="FluxPipeline starts from other latents for another prompt, .*: choose"):
        engine_of("FluxPipeline", flux).refine(P0, P1, 7, [1])


def test_a_pooled_embedding_that_changes_from_step_to_step_is_refused_unless_swapped():
    def change(_, i, timestep, tensors):
        return {"pooled_prompt_embeds": tensors["pooled_prompt_embeds"] + 1}

    call = {"callback_on_step_end": change, "callback_on_step_end_tensor_inputs": ["pooled_prompt_embeds"]}
    pipe = build("StableDiffusion3Pipeline")
    assert engine_of("StableDiffusion3Pipeline", pipe, swap_pooled=True, call=call).refine(P0, P1, 7, [1])
    with pytest.raises(SetupError, match="pooled embedding of StableDiffusion3Pipeline changes .*: set swap_pooled to"):
        engine_of("StableDiffusion3Pipeline", pipe, swap_pooled=False, call=call).refine(P0, P1, 7, [1])


def test_latents_that_are_not_finite_are_an_error_of_the_image(flux):
    handle = flux.transformer.register_forward_hook(lambda _, args, output: (output[0] * float("nan"),))
    try:
        with pytest.raises(FloatingPointError, match="not finite"):
            engine_of("FluxPipeline", flux).refine(P0, P1, 7, [2])
    finally:
        handle.remove()


def test_fewer_steps_than_k_are_refused(flux):
    with pytest.raises(SetupError, match="FluxPipeline ended after 2 steps, and k is 3: remove .* from `call`"):
        engine_of("FluxPipeline", flux, call={"num_inference_steps": 2}).refine(P0, P1, 7, [3])


def test_wrong_arguments_are_refused(flux):
    with pytest.raises(InputError, match="call: FluxPipeline has no argument 'cfg': it has prompt, "):
        engine_of("FluxPipeline", flux, call={"cfg": 2})
    with pytest.raises(InputError, match="size_px must be a size that the model generates, got 34: it generated 32"):
        engine_of("FluxPipeline", flux, size_px=34).generate(P0, 7)
    with pytest.raises(InputError, match=f"k must be from 0 to {STEPS - 1}"):
        engine_of("FluxPipeline", flux).refine(P0, P1, 7, [STEPS])


def test_a_pipeline_without_steps_is_refused():
    class DecoderPipeline:
        scheduler = SimpleNamespace(step=lambda model_output, timestep, sample: sample)
        components: dict = {"decoder": torch.nn.Identity()}

        def __call__(self, prompt):
            raise AssertionError("it must not run")

    with pytest.raises(SetupError, match=re.escape("DecoderPipeline has no transformer or U-Net with a scheduler")):
        PipelineEngine(PipelineCall(DecoderPipeline(), SIZE_PX, 32, {}, STEPS, 3.5), swap_pooled=False)
