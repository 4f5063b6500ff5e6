"""Editing engine: tiny FLUX.1 Kontext and Qwen-Image-Edit against plain calls of the pipelines, and its errors."""

import importlib
import inspect

import numpy as np
import PIL.Image
import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before diffusers
from detailscribe.engines.load import load_editor
from detailscribe.engines.pipelines.call import PipelineCall
from detailscribe.engines.pipelines.editing import EditingEngine
from detailscribe.errors import InputError, SetupError
from tests.small_sd3 import entry
from tests.tiny_pipelines import editing

SETTINGS = {"steps": 2, "guidance": 3.5, "swap_pooled": False}
SIZE_PX = 32
WHOLE, BRANCH = "The fox and the parrot whole.", "A narrow branch."


def picture(shade=0):
    pixels = np.random.default_rng(shade).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    return PIL.Image.fromarray(pixels)


def engine_of(name, pipe, **changes):
    settings = {"size_px": SIZE_PX, "max_sequence_length": 32, "steps": 2, "guidance": 3.5}
    return EditingEngine(PipelineCall(pipe, **{**settings, "call": editing.CALLS[name], **changes}))


@pytest.fixture(params=editing.CALLS)
def named(request, monkeypatch):
    """A class and its pipeline; Qwen-Image-Edit sees images of about 32 x 32 pixels, and not of 1024 x 1024."""
    pipe = editing.build(request.param)
    module = importlib.import_module(type(pipe).__module__)
    if own := getattr(module, "calculate_dimensions", None):
        monkeypatch.setattr(module, "calculate_dimensions", lambda area, ratio: own(SIZE_PX**2, ratio))
    return request.param, pipe


def test_an_edit_is_a_plain_call_of_the_pipeline(named):
    name, pipe = named
    engine = engine_of(name, pipe)
    edited = engine.edit(picture(), WHOLE, 7)
    known = inspect.signature(pipe.__call__).parameters
    usual = {"guidance_scale": 3.5, "max_sequence_length": 32, "max_area": SIZE_PX**2, **editing.CALLS[name]}
    with torch.no_grad():
        plain = pipe(
            image=picture(),
            prompt=WHOLE,
            height=SIZE_PX,
            width=SIZE_PX,
            num_inference_steps=2,
            generator=torch.Generator("cpu").manual_seed(7),
            **{key: value for key, value in usual.items() if key in known},
        ).images[0]
    assert (edited.size, edited.mode) == ((SIZE_PX, SIZE_PX), "RGB")
    assert (np.asarray(edited) == np.asarray(plain)).all()
    others = [engine.edit(picture(1), WHOLE, 7), engine.edit(picture(), BRANCH, 7), engine.edit(picture(), WHOLE, 8)]
    assert all((np.asarray(edited) != np.asarray(other)).mean() > 0.01 for other in others)
    assert (np.asarray(edited) == np.asarray(engine.edit(picture().convert("RGBA"), WHOLE, 7))).all()


def test_wrong_arguments_and_images_that_are_not_finite_are_errors(named):
    name, pipe = named
    with pytest.raises(InputError, match=f"call: {name} has no argument 'strength': it has image, prompt, "):
        engine_of(name, pipe, call={"strength": 0.5})
    with pytest.raises(InputError, match="size_px must be a size that the model generates, got 34: it generated 32"):
        engine_of(name, pipe, size_px=34).edit(picture(), WHOLE, 7)
    with torch.no_grad():
        pipe.vae.decoder.conv_in.weight.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="not finite"):
        engine_of(name, pipe).edit(picture(), WHOLE, 7)


def test_an_editor_is_loaded_from_its_entry(tmp_path):
    name = "FluxKontextPipeline"
    pipe = editing.build(name)
    pipe.save_pretrained(tmp_path)
    model = entry(tmp_path, pipeline=name, batch="image", size_px=SIZE_PX, max_sequence_length=32)
    loaded = load_editor(model | {"call": editing.CALLS[name]}, SETTINGS).edit(picture(), WHOLE, 7)
    assert (np.asarray(loaded) == np.asarray(engine_of(name, pipe).edit(picture(), WHOLE, 7))).all()
    with pytest.raises(SetupError, match="FluxPipeline edits no image .* its call has no argument image: choose Flux"):
        load_editor(model | {"pipeline": "FluxPipeline"}, SETTINGS)
