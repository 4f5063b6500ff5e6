"""Keys of images, as recorded: finished images of existing configurations keep them.

Recorded before accelerations were added. Later only candidates of one batch got new keys, when they were decoded alone,
and the demo's model, when it got a new world and the room of its prompts.
"""

import pytest

from detailscribe.engines.acceleration.options import KEYS
from detailscribe.images.recipes import ImageRecipes, first_image_key
from detailscribe.methods.generate import requests_from_text
from detailscribe.workflow.parameters import stage_parameters
from tests.refining import requests_from_critiques
from tests.unit.study.configured import configured_study

RECORDS = [{"id": "a", "prompt": "A fox and a parrot."}]
CRITIQUES = {"a": {"status": "ok", "reason": "", "refined_prompt": "A fox and a parrot, whole."}}
# By image model: of the initial image, and of the candidates in the order of their k.
RECORDED: dict[str, list[str]] = {
    "flux_dev": ["26af97dd15ac2275", "c3a6f40e546a5327", "808923c2a2745631", "78187217a55e4809", "534832217064f787"],
    "miniature": ["de15cdf1880eacf6", "98d25d67de5dad4a", "fa1b5ec49e4f21f7", "48c756caa3c79638", "ad35161efcb146f9"],
    "qwen_image": ["dc981e26842899b4", "c95fa349a8d1c1ee", "5a509371629b6964", "48036dd675d399a9", "bda717318f42bd21"],
    "sd35_large_exact": [
        "29e64902d213451c",
        "41e21bd6e25c79ac",
        "d3e79042a8c79757",
        "f33a1e0fda0cce87",
        "de807517dc39e097",
    ],
    "sd35_large_fast": [
        "a99e836a4596b6c7",
        "02bd2d0b826b9a80",
        "1f81b6f0c7cf90b7",
        "4b102bf8f106483e",
        "adf9f634563c4dd3",
    ],
    "sd35_large_faster": [
        "5a22bdcbb1533d23",
        "b5fd3dc3c873b4c3",
        "048c951963a6c1d2",
        "b3aca7604f8d8905",
        "3398272bcd0f214b",
    ],
    "sd35_large_paper": [
        "21660e168ff558aa",
        "6def1f432a53aea6",
        "62884385f9fefa78",
        "798d84cd857c76c7",
        "c2b9f07250c79eca",
    ],
    "sd35_medium": ["1834c2a9b13e1de3", "37c4a7597ff8345a", "1af7aaf00dd38675", "e7b981aa791cf0cd", "0feb5669b1ac9ecc"],
    "sd3_medium": ["bb7793f1fdea5204", "666e415c90c57f0b", "a263d6c087271667", "c80f67afbdc4fe4b", "d30382d25bcb4999"],
}


def keys(image_model: str, **changes) -> list[str]:
    """First 16 characters of the keys of the initial image and of DetailScribe's candidates."""
    study = configured_study(image_model=image_model, image_models={image_model: changes})
    parameters = stage_parameters(study)
    first = parameters[f"generate-{study.seeds[0]}"]
    refined = parameters["refine-detailscribe"]
    requests = requests_from_text(RECORDS, None, study.originals()[0], ImageRecipes(first))
    requests += requests_from_critiques(RECORDS, CRITIQUES, ImageRecipes(refined))
    return [request.key[:16] for request in requests]


@pytest.fixture(autouse=True)
def identity(monkeypatch):
    """Keys do not depend on what weights are on this machine."""
    monkeypatch.setattr(
        "detailscribe.images.recipes.model_identity", lambda model: f"{model['path']}@{model['revision']}"
    )


@pytest.mark.parametrize("name", RECORDED)
def test_keys_of_existing_configurations(name):
    assert keys(name) == RECORDED[name]
    off = {"guidance_interval": [0, 1], "block_cache": 0, "reuse_first_steps": False}
    if "flux" not in name and "qwen" not in name:
        assert keys(name, **off) == RECORDED[name]


@pytest.mark.parametrize("name", ["sd35_large_exact", "sd35_large_paper"])
def test_each_lossy_setting_has_keys_of_its_own(name):
    ways = [{"guidance_interval": [0, 0.8]}, {"guidance_interval": [0, 0.7]}, {"block_cache": 0.08}]
    every = [keys(name), *(keys(name, **way) for way in ways), keys(name, **ways[0], **ways[2])]
    assert len({key for each in every for key in each}) == sum(map(len, every))


def test_reuse_has_keys_of_its_own_where_it_changes_bytes():
    exact, reusing = keys("sd35_large_exact"), keys("sd35_large_exact", reuse_first_steps=True)
    assert reusing[0] == exact[0]
    assert not set(reusing[1:]) & set(exact[1:])
    assert keys("sd35_large_paper", reuse_first_steps=True) == keys("sd35_large_paper")


def test_latents_have_the_key_of_the_initial_image():
    for name in ("sd35_large_reuse", "sd35_large_paper"):
        study = configured_study(image_model=name)
        parameters = stage_parameters(study)
        first = ImageRecipes(parameters[f"generate-{study.seeds[0]}"])
        [initial] = requests_from_text(RECORDS, None, study.originals()[0], first)
        candidates = requests_from_critiques(RECORDS, CRITIQUES, ImageRecipes(parameters["refine-detailscribe"]))
        switched = [request for request in candidates if "refined_prompt" in request.recipe]
        assert {first_image_key(request) for request in switched} == {initial.key} == {first_image_key(initial)}


def test_a_class_whose_takeover_changed_has_other_keys_for_switched_images_alone():
    model, refiners = {"pipeline": "GlmImagePipeline"}, {"switch": {"refiner": "prompt_switch", "text": "ablation"}}
    study = configured_study(image_model="flux_dev", image_models={"flux_dev": model}, refiners=refiners)
    parameters = stage_parameters(study)
    numbered = {name for name, values in parameters.items() if values.get("takeover")}
    assert numbered == {"refine-detailscribe", "refine-ablation", "refine-switch"}, "jobs that draw again"
    recipes = ImageRecipes(parameters["refine-detailscribe"])
    found = {each.k: each.recipe.get("takeover") for each in requests_from_critiques(RECORDS, CRITIQUES, recipes)}
    assert found == {0: None, 1: 2, 2: 2, 4: 2}, "k = 0 is a full run"


def test_no_acceleration_is_a_parameter_unless_it_is_set():
    for name in RECORDED:
        for values in stage_parameters(configured_study(image_model=name)).values():
            assert not set(KEYS) & set(values)
            assert not set(KEYS) & set(values.get("model") or {})
