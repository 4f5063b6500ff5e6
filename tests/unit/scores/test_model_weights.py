"""Weights of a study's models: what is fetched from the hub, under which name, and what is not."""

import os
import subprocess
import sys

import pytest

from detailscribe.engines.download import SERVED_FILES
from detailscribe.engines.weight_records import read_weight_record, verify_weight_records
from detailscribe.errors import SetupError
from detailscribe.scores.model_weights import hub_weights, model_folders, unpinned_problem
from detailscribe.study.served import locate_weights
from tests.hub_server import COMMIT, REPOSITORY, HubServer
from tests.paths import REPOSITORY as PACKAGE
from tests.unit.study.configured import configured_study

PRICES = {"input_usd_per_million": 0, "output_usd_per_million": 0}
SERVED = {"kind": "vllm", "version": "1", "in_flight": 2, "timeout_s": 9, "max_retries": 0, **PRICES}
VLLM = SERVED | {"model": "lab/seeing", "revision": "main"}
GGUF = SERVED | {"kind": "llama_cpp", "model": "lab/small-GGUF", "revision": "main"}
GGUF |= {"file": "Q4/small-00001-of-00003.gguf", "projector": "mmproj.gguf"}


def roles(endpoint: str, **changes) -> dict:
    names = ("decompose", "critique", "refine", "rewrite")
    return {"roles": {name: {"endpoint": changes.get(name, endpoint), "model": "seeing"} for name in names}}


def test_the_default_study_has_no_entry_of_a_served_or_a_second_model():
    assert hub_weights(configured_study()) == {}
    assert set(model_folders(configured_study())) == {
        "model",
        "score-clip_score",
        "score-image_reward",
        "score-blip_vqa",
    }


def test_endpoints_that_a_stage_asks_have_one_entry_per_repository_and_revision():
    endpoints = {"one": VLLM, "two": VLLM | {"options": {"thinking": False}}, "unused": VLLM | {"model": "lab/other"}}
    study = configured_study(endpoints={**endpoints, "small": GGUF}, **roles("two", critique="one", refine="small"))
    entries = hub_weights(study)
    assert set(entries) == {"endpoint-one", "endpoint-small"}
    assert entries["endpoint-one"] == {
        **{"repository": "lab/seeing", "revision": "main", "files": SERVED_FILES},
        "required": ["*.safetensors", "config.json"],
    }
    assert entries["endpoint-small"]["files"] == ["Q4/small-?????-of-00003.gguf", "mmproj.gguf"]


def test_models_on_this_machine_are_not_fetched(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "models").mkdir()
    folder = VLLM | {"model": "models", "revision": "mine"}
    file = GGUF | {"model": "nowhere/yet.gguf"}
    study = configured_study(endpoints={"folder": folder, "file": file}, **roles("folder", critique="file"))
    assert hub_weights(study) == {}


def test_a_second_image_model_has_an_entry_of_its_own_unless_its_weights_are_those_of_the_first():
    study = configured_study(image_model="sd35_large_paper", external={"more": {"image_model": "qwen_image"}})
    assert hub_weights(study)["model-qwen_image"] == {"path": "Qwen/Qwen-Image", "revision": "main"}
    study = configured_study(image_model="sd35_large_paper", external={"more": {"image_model": "sd35_large_exact"}})
    assert [name for name in hub_weights(study) if name.startswith("model")] == ["model"]
    assert model_folders(study)["model"].startswith("stabilityai/")


def test_a_branch_needs_a_recorded_commit_before_a_job_may_serve_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    study = configured_study(endpoints={"one": VLLM, "pinned": VLLM | {"revision": "a" * 40}}, **roles("one"))
    assert "run `snakemake weights` first" in unpinned_problem(study, "one")
    assert unpinned_problem(study, "pinned") == unpinned_problem(study, "offline") == ""


@pytest.fixture
def hub(tmp_path, monkeypatch):
    folder = tmp_path / "hub"
    for name in ("config.json", "chat_template.jinja", "merges.txt", "model-1.safetensors", "pytorch_model.bin"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    for name in ("consolidated.safetensors", "original/model.safetensors", "Q4/small-00001-of-00002.gguf"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(name)
    (folder / "Q4" / "small-00002-of-00002.gguf").write_text("second")
    (folder / "Q8.gguf").write_text("other")
    monkeypatch.chdir(tmp_path)
    with HubServer(folder) as server:
        environment = {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        yield {**os.environ, **environment, "PYTHONPATH": str(PACKAGE)}


def fetched(hub: dict, endpoint: dict) -> set[str]:
    """Names of the files that a process of its own fetches for an endpoint, and records."""
    [entry] = hub_weights(configured_study(endpoints={"one": endpoint}, **roles("one"))).values()
    return fetch(hub, f"model_weights.fetch_model_weights({entry!r})")


def fetch(hub: dict, call: str) -> set[str]:
    code = f"from detailscribe.engines import download\nfrom detailscribe.scores import model_weights\nprint({call})"
    run = subprocess.run([sys.executable, "-c", code], env=hub, capture_output=True, text=True)
    if run.returncode:
        raise SetupError(run.stderr.splitlines()[-1])
    record = read_weight_record(REPOSITORY, "main")
    assert record["commit"] == COMMIT and COMMIT in run.stdout
    return set(record["files"])


def test_a_server_gets_all_that_it_reads_and_no_second_format(hub):
    assert fetched(hub, VLLM | {"model": REPOSITORY}) == {
        *("config.json", "chat_template.jinja", "merges.txt", "model-1.safetensors")
    }
    assert verify_weight_records() == (4, [])


def test_a_gguf_file_comes_with_its_parts_and_only_those(hub):
    entry = GGUF | {"model": REPOSITORY, "file": "Q4/small-00001-of-00002.gguf", "projector": ""}
    parts = {"Q4/small-00001-of-00002.gguf", "Q4/small-00002-of-00002.gguf"}
    assert fetched(hub, entry) == parts
    assert locate_weights(entry).model.endswith(f"/{COMMIT}/Q4/small-00001-of-00002.gguf")
    assert unpinned_problem(configured_study(endpoints={"one": entry}, **roles("one")), "one") == ""


def test_a_missing_file_is_named(hub):
    with pytest.raises(SetupError, match=rf"{REPOSITORY} has no file absent\.gguf at {COMMIT}: correct the config"):
        fetched(hub, GGUF | {"model": REPOSITORY, "file": "Q8.gguf", "projector": "absent.gguf"})


def test_a_pattern_after_an_exclamation_mark_leaves_files_out(hub):
    call = f"download.fetch_repository('{REPOSITORY}', 'main', ['*.safetensors', '!original/*'])"
    assert fetch(hub, call) == {"model-1.safetensors", "consolidated.safetensors"}
