"""Accelerations in the configuration: where a wrong value is, what stages know of them, what tables say."""

import pytest

from detailscribe.errors import InputError
from detailscribe.study.methods import denoising_steps_by_method
from detailscribe.tables import published
from tests.unit.study.configured import configured_study

LOSSY = ["sd35_large_guided_interval", "sd35_large_cached"]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"guidance_interval": [0.8, 0.2]}, r"image_models: miniature: guidance_interval must be \[first, last\]"),
        ({"guidance_interval": [0.51, 0.52]}, "image_models: miniature: guidance_interval .* holds none of 28 steps"),
        ({"block_cache": 2}, "image_models: miniature: block_cache must be a number from 0"),
    ],
)
def test_a_wrong_value_names_its_place(values, message):
    with pytest.raises(InputError, match=message):
        configured_study(image_models={"miniature": values})


def test_other_pipelines_and_no_guidance():
    with pytest.raises(InputError, match="image_models: flux_dev: block_cache: FluxPipeline runs unmodified"):
        configured_study(image_model="flux_dev", image_models={"flux_dev": {"block_cache": 0.1}})
    with pytest.raises(InputError, match="image_models: sd35_large_guided_interval: .*guidance 1 is off"):
        configured_study(image_model="sd35_large_guided_interval", generation={"guidance": 1})
    configured_study(generation={"guidance": 1})


@pytest.mark.parametrize("name", LOSSY)
def test_a_lossy_profile_says_so_and_its_numbers_are_compared(name):
    study = configured_study(image_model=name)
    assert study.image_model["notice"].startswith("Lossy profile: ")
    assert published.parameters(study)["compare"]["miniature"] is False
    demo = configured_study(image_models={"miniature": {"block_cache": 0.1}})
    assert published.parameters(demo)["compare"]["miniature"] is True


def test_no_other_profile_is_lossy_by_these_keys():
    models = configured_study().config["image_models"]
    assert [name for name, entry in models.items() if {"guidance_interval", "block_cache"} & set(entry)] == LOSSY


@pytest.mark.parametrize("batch", ["candidates", "image"])
def test_reuse_of_first_steps(batch):
    plain = configured_study(image_models={"miniature": {"batch": batch}})
    reusing = configured_study(image_models={"miniature": {"batch": batch, "reuse_first_steps": True}})
    assert plain.machine == {"offload": "none", "batch": batch}
    first_steps = {"image_set": "original-2628670643", "ks": [1, 2, 4]}
    assert reusing.machine == plain.machine | {"first_steps": first_steps}
    steps, fewer = denoising_steps_by_method(plain), denoising_steps_by_method(reusing)
    # DetailScribe: the initial image and four candidates.
    assert (steps["detailscribe"], fewer["detailscribe"]) == (28 + 107, 28 + 102)
    assert {name for name in steps if steps[name] != fewer[name]} == {"detailscribe", "ablation"}
    scratch = {"critics": {"detailscribe": {"after_step": [0]}, "ablation": None}}
    assert (
        "first_steps"
        not in configured_study(image_models={"miniature": {"reuse_first_steps": True}}, **scratch).machine
    )
