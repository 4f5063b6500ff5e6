"""Every way in which loading an image model can fail, and what the precisions are."""

import json
import shutil

import pytest
import torch

from detailscribe.errors import InputError, SetupError
from detailscribe.loading import load_engine
from tests.unit.test_diffusion import GENERATION, entry

HUB = "no-such-owner/no-such-model"


@pytest.fixture
def model(miniature):
    return entry(miniature / "sd3")


@pytest.mark.skipif(torch.cuda.is_available(), reason="about machines without a card")
@pytest.mark.parametrize("precision", ["nf4", "fp16", "fp8"])
def test_some_precisions_need_a_card(model, precision):
    with pytest.raises(SetupError, match=f"{precision} needs a CUDA card"):
        load_engine(model | {"precision": precision}, GENERATION)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"path": "resources/models/nothing"}, "no model folder at 'resources/models/nothing'"),
        ({"path": HUB}, "not on this machine and the hub was not reached"),
        ({"pipeline": "FluxPipeline", "batch": "image"}, "holds a StableDiffusion3Pipeline, not a FluxPipeline"),
    ],
)
def test_models_that_cannot_be_had(model, changes, sentence):
    with pytest.raises(SetupError, match=sentence) as caught:
        load_engine(model | changes, GENERATION)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"precision": "int8"}, "precision must be one of fp32, bf16, fp16, nf4, fp8, got 'int8'"),
        ({"size_px": 72}, "size_px must be a multiple of 16 for this model, got 72"),
        ({"size_px": 0}, "size_px must be a multiple of 16"),
        ({"max_sequence_length": 513}, "max_sequence_length must be from 1 to 512, got 513"),
        ({"call": {"prompt_3": "a"}}, "call is for other pipelines"),
        ({"pipeline": "FluxPipeline"}, "FluxPipeline runs as it is, each image on its own: set batch to image"),
    ],
)
def test_values_outside_their_range(model, changes, sentence):
    with pytest.raises(InputError, match=sentence):
        load_engine(model | changes, GENERATION)


def test_damaged_folders(miniature, tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(SetupError, match=r"has no file model_index\.json"):
        load_engine(entry(tmp_path / "empty"), GENERATION)

    folder = shutil.copytree(miniature / "sd3", tmp_path / "sd3")
    index = folder / "model_index.json"
    right = index.read_text()
    index.write_text(json.dumps(json.loads(right) | {"_class_name": "FluxPipeline"}))
    with pytest.raises(SetupError, match="holds a FluxPipeline"):
        load_engine(entry(folder), GENERATION)
    index.write_text(right[:20])
    with pytest.raises(SetupError, match="cannot be read"):
        load_engine(entry(folder), GENERATION)
    index.write_text(right)

    torn = folder / "transformer" / "diffusion_pytorch_model.safetensors"
    torn.write_bytes(torn.read_bytes()[:5000])
    with pytest.raises(SetupError, match="could not be loaded") as caught:
        load_engine(entry(folder), GENERATION)
    torn.unlink()
    with pytest.raises(SetupError, match="could not be loaded"):
        load_engine(entry(folder), GENERATION)
    assert "\n" not in str(caught.value)
