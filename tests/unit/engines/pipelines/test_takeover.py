"""Takeover by a refined prompt in every pipeline class that was tried, as a tiny random model.

The reference uses the pipeline alone: it keeps the latents of a run of the first prompt, and puts those after step k
into a whole run of the refined prompt, by the pipeline's own step-end callback where that can replace latents, and
otherwise as the result of the scheduler's step.
"""

import copy
import inspect

import numpy as np
import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before diffusers
from detailscribe.engines.any_pipeline import PipelineEngine
from detailscribe.engines.pipelines.call import PipelineCall
from tests.small_sd3 import P0, P1
from tests.tiny_pipelines.table import PIPELINES, build, call_of, size_of

STEPS, K, SEED = 4, 1, 1
IGNORES_CALLBACK = {"PRXPipeline", "PRXPixelPipeline"}
# Of earlier years, or variants of others, with larger parts.
OLD = {"DreamLiteMobilePipeline", "HunyuanDiTPipeline", "IFPipeline", "Kandinsky3Pipeline", "KandinskyCombinedPipeline"}
OLD |= {"KandinskyV22CombinedPipeline", "LuminaPipeline", "PRXPixelPipeline", "PixArtAlphaPipeline"}
# The pooled embedding by the name that the callback has for it, or by its place in what `encode_prompt` returns.
POOLED = {
    "StableDiffusionXLPipeline": "add_text_embeds",
    "StableDiffusion3Pipeline": "pooled_prompt_embeds",
    "HiDreamImagePipeline": "pooled_prompt_embeds",
    "Kandinsky5T2IPipeline": "prompt_embeds_clip",
    "FluxPipeline": 1,
    "FluxKontextPipeline": 1,
}


def engine_of(name, pipe, swap_pooled=True, **changes):
    settings = {"size_px": size_of(name), "max_sequence_length": 32, "steps": STEPS, "guidance": 3.5}
    call = call_of(name)
    return PipelineEngine(PipelineCall(pipe, **{**settings, "call": call, **changes}), swap_pooled)


def plain(name, pipe, prompt, **more):
    """The image of a call that says all that the engine's does."""
    known = inspect.signature(pipe.__call__).parameters
    usual = {
        "guidance_scale": 3.5,
        "max_sequence_length": 32,
        "max_area": size_of(name) ** 2,
        "guidance_schedule": None,
    }
    usual |= call_of(name)
    arguments = {key: value for key, value in usual.items() if key in known} | more
    size = {"height": size_of(name), "width": size_of(name)}
    torch.manual_seed(SEED)
    generator = torch.Generator("cpu").manual_seed(SEED)
    with torch.no_grad():
        call = {"prompt": prompt, "num_inference_steps": STEPS, "generator": generator, "output_type": "np"}
        result = pipe(**call, **size, **arguments)
    return np.asarray(pipe.numpy_to_pil(result[0])[0])


def by_callback(name, pipe, pooled):
    """The reference by the step-end callback."""
    kept, momentum, guider = {}, {}, getattr(pipe, "guider", None)
    names = ["latents", *([pooled] if isinstance(pooled, str) else [])]
    more = {"callback_on_step_end_tensor_inputs": names} if len(names) > 1 else {}

    def keep(_, i, timestep, tensors):
        kept[i] = {key: tensors[key] for key in names}
        momentum[i] = copy.deepcopy(getattr(guider, "momentum_buffer", None))
        return {}

    def put(_, i, timestep, tensors):
        if i != K:
            return {}
        if guider:
            guider.momentum_buffer = momentum[i]
        return kept[i]

    plain(name, pipe, P0, callback_on_step_end=keep, **more)
    return plain(name, pipe, P1, callback_on_step_end=put, **more)


def by_scheduler(name, pipe, monkeypatch):
    """The reference by the scheduler's results."""
    own, kept = pipe.scheduler.step, []

    def keep(*args, **kwargs):
        kept.append(own(*args, **kwargs))
        return kept[-1]

    def put(*args, **kwargs):
        steps.append(own(*args, **kwargs))
        return kept[K] if len(steps) == K + 1 else steps[-1]

    keep.__signature__ = put.__signature__ = inspect.signature(own)
    for prompt, step in ((P0, keep), (P1, put)):
        steps = []
        monkeypatch.setattr(pipe.scheduler, "step", step)
        image = plain(name, pipe, prompt)
        monkeypatch.undo()
    return image


def reference(name, pipe, monkeypatch, pooled=None):
    if "callback_on_step_end" in inspect.signature(pipe.__call__).parameters and name not in IGNORES_CALLBACK:
        return by_callback(name, pipe, pooled)
    return by_scheduler(name, pipe, monkeypatch)


def share_apart(one, other) -> float:
    return float((np.asarray(one) != np.asarray(other)).mean())


@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=pytest.mark.slow if name in OLD else ()) for name in PIPELINES]
)
def test_the_refined_prompt_takes_over_as_in_the_pipelines_own_runs(name, monkeypatch):
    pipe = build(name)
    engine = engine_of(name, pipe)
    first = engine.generate(P0, SEED)
    images = engine.refine(P0, P1, SEED, [0, K])
    assert share_apart(images[K], reference(name, pipe, monkeypatch)) == 0
    assert share_apart(first, plain(name, pipe, P0)) == share_apart(images[0], plain(name, pipe, P1)) == 0
    assert min(share_apart(images[K], other) for other in (first, images[0])) > 0.01
    assert share_apart(engine.refine(P0, P0, SEED, [K])[K], first) == 0


@pytest.mark.parametrize("name", POOLED)
def test_the_pooled_embedding_of_the_first_prompt_can_be_kept(name, monkeypatch):
    pipe = build(name)
    images = engine_of(name, pipe, swap_pooled=False).refine(P0, P1, SEED, [K])
    if isinstance(place := POOLED[name], int):
        encode = pipe.encode_prompt

        def with_first_pooled(*args, **kwargs):
            mine, first = encode(*args, **kwargs), encode(*args, **(kwargs | {"prompt": P0}))
            return *mine[:place], first[place], *mine[place + 1 :]

        monkeypatch.setattr(pipe, "encode_prompt", with_first_pooled)
    assert share_apart(images[K], by_callback(name, pipe, place)) == 0
    assert share_apart(images[K], engine_of(name, build(name)).refine(P0, P1, SEED, [K])[K]) > 0.01
