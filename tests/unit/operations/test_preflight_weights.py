"""Preflight of weights: gated repositories without a token, and local folders that nothing fetches."""

import huggingface_hub
import pytest

from detailscribe.operations.preflight_weights import missing_folders, missing_token
from detailscribe.scores.model_weights import hub_weights
from tests.unit.llm.served_helpers import ENDPOINT
from tests.unit.study.configured import CONFIG, configured_study


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def test_gated_weights_ask_for_a_token_before_they_are_fetched(monkeypatch):
    study = configured_study(image_model="sd35_large_fast")
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: None)
    sentence = missing_token(study, hub_weights(study))
    assert sentence.startswith(
        "accept the licence at https://huggingface.co/stabilityai/stable-diffusion-3.5-large and"
    )
    assert "HF_TOKEN" in sentence
    assert missing_token(study, ["score-clip_score"]) == "" == missing_token(configured_study(), ["model"])
    monkeypatch.setattr(huggingface_hub, "get_token", lambda: "x")
    assert missing_token(study, hub_weights(study)) == ""


def test_local_folders_of_weights_that_are_missing_are_named(tmp_path):
    assert missing_folders(configured_study()) == [], "the demo builds its models"
    own = CONFIG["image_models"]["sd35_large_fast"] | {"path": "/none/sd", "revision": "1"}
    roles = {"decompose": {"endpoint": "own", "model": "m"}}
    served = {"own": ENDPOINT | {"model": "/none/qwen"}, "unused": ENDPOINT | {"model": "/none/other"}}
    study = configured_study(image_models={"own": own}, image_model="own", endpoints=served, roles=roles)
    assert [line.partition(":")[0] for line in missing_folders(study)] == [
        "There is no folder '/none/sd' of weights",
        "Endpoint 'own'",
    ]
    repository = configured_study(image_model="sd35_large_fast", endpoints={"own": ENDPOINT}, roles=roles)
    assert missing_folders(repository) == [], "others are fetched"
