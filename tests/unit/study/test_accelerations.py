"""Accelerations in the configuration: where a wrong value is, what stages know of them, what tables say."""

import pytest

from detailscribe.errors import InputError
from detailscribe.study.methods import denoising_steps_by_method
from detailscribe.tables import published
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.study.configured import CONFIG, configured_study

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


CRITIC = CONFIG["critics"]["detailscribe"]
SWITCH = {"refiner": "prompt_switch", "text": "gpt_refine", "after_step": [3, 6]}
SEARCH = {"refiner": "noise_search", "verifier": "clip_score"}
ALONE = {"detailscribe": None, "ablation": None}
TEXT_ALONE = {"gpt_refine": {"after_step": "none"}}


@pytest.mark.parametrize(
    ("changes", "ks", "reusing"),
    [
        ({}, [1, 2, 4], {"detailscribe", "ablation"}),
        ({"refiners": {"switch": SWITCH}}, [1, 2, 3, 4, 6], {"detailscribe", "ablation", "switch"}),
        ({"critics": ALONE | TEXT_ALONE, "refiners": {"switch": SWITCH}}, [3, 6], {"switch"}),  # the only switch
        ({"critics": ALONE, "refiners": {"switch": SWITCH | {"after_step": [0]}}}, [], set()),
        ({"critics": ALONE, "refiners": {"switch": SWITCH | {"image_model": "sd35_medium"}}}, [], set()),
        ({"critics": ALONE, "refiners": {"switch": SWITCH | {"of": "gpt_refine"}}}, [], set()),
        # Of moved noise, which refine_near draws.
        ({"critics": ALONE, "refiners": {"search": SEARCH, "switch": SWITCH | {"of": "search"}}}, [], set()),
        ({"critics": ALONE | {"last": CRITIC | {"of": "search"}}, "refiners": {"search": SEARCH}}, [], set()),
        ({"critics": {"last": CRITIC | {"of": "detailscribe-k1"}}}, [1, 2, 4], {"detailscribe", "ablation"}),
    ],
)
def test_who_reuses_first_steps_is_the_same_everywhere(changes, ks, reusing):
    changes = changes | {"human": {"methods": ["sd"]}}
    study = configured_study(image_models={"miniature": {"batch": "candidates", "reuse_first_steps": True}}, **changes)
    assert study.machine.get("first_steps", {}).get("ks", []) == ks
    files = {name.removeprefix("refine-"): values for name, values in stage_parameters(study).items()}
    assert {name for name, values in files.items() if values.get("reuse_first_steps")} == reusing
    assert {each["switch"] for each in study.steps_by_set.values() if each.get("reuses_steps")} == reusing
    plain = configured_study(image_models={"miniature": {"batch": "candidates"}}, **changes)
    assert plain.machine == {"offload": "none", "batch": "candidates"}
    assert not any(each.get("reuses_steps") for each in plain.steps_by_set.values())
