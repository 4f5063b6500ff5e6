"""Faults of a configuration: a sentence each, with the key, the value, and what is allowed."""

from copy import deepcopy

import pytest
from snakemake.exceptions import WorkflowError
from snakemake.utils import validate

from detailscribe.workflow.user_input.config_faults import MOST, config_faults
from tests.paths import REPOSITORY
from tests.unit.llm.served_helpers import ENDPOINT
from tests.unit.study.configured import CONFIG

SCHEMA = REPOSITORY / "config" / "config.schema.yaml"
PLACE = "endpoints: local: "


def faults(**changes) -> list[str]:
    return config_faults({**deepcopy(CONFIG), **changes}, SCHEMA)


def of_endpoint(**changes) -> list[str]:
    entry = {key: value for key, value in {**ENDPOINT, **changes}.items() if value != "absent"}
    return faults(endpoints={**CONFIG["endpoints"], "local": entry})


ENDPOINTS = [
    ({"kind": "VLLM"}, "kind: 'VLLM' is not one of openai, offline, vllm, llama_cpp, transformers; did you mean vllm?"),
    ({"kind": 5}, "kind: 5 is not one of openai, offline, vllm"),
    ({"kind": "absent"}, "it needs the key kind"),
    ({"kind": "openai"}, "kind openai needs the keys base_url, key_env"),
    ({"version": "absent"}, "kind vllm needs the key version; version: the version of vllm that answers (vllm"),
    (
        {"revision": "absent"},
        "kind vllm needs the key revision; revision: the commit of the weights; for files of your",
    ),
    ({"in_flight": "absent", "in_fligth": 2}, "'in_fligth' is no key here; did you mean in_flight?"),
    ({"version": 0.33}, "version: 0.33 is a number; write a text, in quotes (Version of the server, as it tells it)"),
    ({"version": None}, "version: null is null; write a text (Version"),
    ({"version": True}, "version: true is a truth value; write a text"),
    ({"model": ""}, "model: '' is empty (Weights of a server"),
    ({"modle": "x"}, "'modle' is no key here; did you mean model?"),
    ({"xyz": 1}, "'xyz' is no key here; the keys are kind, model, revision"),
    ({"command": 5}, "command: 5 is a whole number; write a text or a list (How the server is started"),
    ({"command": []}, "command: [] is empty"),
    ({"command": ["vllm", 5]}, "command: 1: 5 is a whole number; write a text, in quotes"),
    ({"in_flight": 0}, "in_flight: 0 is less than 1 (Concurrent calls"),
    ({"in_flight": 10**12}, "in_flight: 1000000000000 is more than 100000"),
    ({"timeout_s": 0}, "timeout_s: 0 is not more than 0"),
    ({"timeout_s": 1e308}, "timeout_s: 1e+308 is more than"),
    ({"timeout_s": "x" * 500}, "timeout_s: 'xxxx"),
    ({"options": {"context": 1e30}}, "options: context: 1e+30 is more than 100000000"),
    ({"options": {"tensor_parallel": 10**9}}, "options: tensor_parallel: 1000000000 is more than 1024"),
    (
        {"options": {"image_tokens": True}},
        "options: image_tokens: true is a truth value; write a whole number or a map",
    ),
    ({"options": {"image_tokens": -5}}, "options: image_tokens: -5 is less than 1"),
    ({"options": {"flags": 5}}, "options: flags: 5 is a whole number; write a mapping {key: value}"),
    ({"key_env": ["sk-abc"]}, "key_env: ['sk-abc'] is a list; write a text"),
    ({"base_url": ["http://u:secret@x"]}, "base_url: ['http://x'] is a list"),
]


@pytest.mark.parametrize(("changes", "said"), ENDPOINTS, ids=range(len(ENDPOINTS)))
def test_a_fault_of_an_endpoint_is_one_sentence(changes, said):
    [sentence] = of_endpoint(**changes)
    assert sentence.startswith(PLACE + said) and "\n" not in sentence and "secret" not in sentence
    assert len(sentence) < 450


OTHERS = [
    ({"unknown_key": 1}, "the configuration: 'unknown_key' is no key here"),
    ({"sedes": [1]}, "the configuration: 'sedes' is no key here; did you mean seeds?"),
    ({"seeds": []}, "seeds: [] is empty"),
    ({"budget": {"in_tables": True}}, "budget: it needs the key equal_compute"),
    ({"seeds": [1, 1]}, "seeds: [1, 1] has an entry twice"),
    (
        {"scenarios": {"a b": "x"}},
        "scenarios: 'a b' does not have the form ^[a-z][a-z0-9_]*$ (A name that is also used",
    ),
    ({"scenarios": {"a" * 101: "x"}}, "scenarios: 'aaaa"),
    ({"scenarios": {"a": {"file": "x", "shards": 0}}}, "scenarios: a: shards: 0 is less than 1"),
    ({"scenarios": {"a": 5}}, "scenarios: a: 5 is a whole number; write a text or a mapping"),
    ({"exchanges": "liv"}, "exchanges: 'liv' is not one of live, replay; did you mean live?"),
    ({"budget_usd": "x"}, "budget_usd: 'x' is a text; write a number or null"),
    ({"endpoints": 5}, "endpoints: 5 is a whole number; write a mapping"),
]


@pytest.mark.parametrize(("changes", "said"), OTHERS, ids=range(len(OTHERS)))
def test_a_fault_anywhere_is_one_sentence(changes, said):
    [sentence] = faults(**changes)
    assert sentence.startswith(said)


def test_several_faults_are_several_sentences_up_to_a_number():
    assert len(of_endpoint(kind="VLLM", in_flight=0, version=5)) == 3
    many = of_endpoint(**{f"key{number}": 1 for number in range(MOST + 3)})
    assert len(many) == MOST + 1 and many[-1] == "and 3 more faults"


def test_it_finds_a_fault_where_snakemake_does_and_nowhere_else():
    assert faults() == [] == of_endpoint()
    for changes, _ in ENDPOINTS:
        entry = {key: value for key, value in {**ENDPOINT, **changes}.items() if value != "absent"}
        with pytest.raises(WorkflowError):
            validate({**CONFIG, "endpoints": {"local": entry}}, str(SCHEMA), set_default=False)


@pytest.mark.parametrize(
    ("entry", "sentence"),
    [
        ({"module": "vqa_score"}, "metrics: seen: it needs the key model"),
        (
            {"module": "vqa_score", "model": "a/b", "precison": "bf16"},
            "'precison' is no key here; did you mean precision?",
        ),
        (
            {"module": "vqa_score", "model": "a/b", "normalised": "no"},
            "normalised: 'no' is a text; write true or false",
        ),
        ({"module": "vqa_score", "model": "a/b", "question": "?"}, "question: '?' does not have the form"),
        ({"module": "preference.hps_v3", "model": "a/b", "precision": "nf4"}, "'nf4' is not one of bf16, fp32"),
        ({"module": "preference.hps_v2", "model": "a/b", "files": "x"}, "'files' is no key here; did you mean file?"),
        ({"module": "pick_score", "anything": 1}, ""),
        ({"module": "my_metrics/sharpness.py", "side": 256}, ""),
    ],
)
def test_keys_of_a_shipped_metric_are_checked_and_those_of_others_are_its_own(entry, sentence):
    found = faults(metrics={"seen": entry})
    assert len(found) == bool(sentence) and all(sentence in each for each in found)


@pytest.mark.parametrize(
    ("changes", "is_said"),
    [
        ({"seeds": ["11"]}, True),
        ({"generation": CONFIG["generation"] | {"swap_pooled": "True"}}, True),
        ({"generation": CONFIG["generation"] | {"guidance": "4.5"}}, True),
        ({"generation": CONFIG["generation"] | {"steps": "many"}}, False),
        ({"shards": "2"}, False),  # Snakemake reads a number at the top
    ],
)
def test_numbers_that_the_command_line_made_texts_are_told_to_go_into_a_file(changes, is_said):
    (fault,) = faults(**changes)
    assert fault.endswith("write it into a config file") == is_said
