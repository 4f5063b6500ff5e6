"""Readings by probability that are refused before anything is asked: endpoints, options and quirks that give none."""

import pytest

from detailscribe.errors import InputError
from detailscribe.study.judging.probabilities import NO_PROBABILITIES
from detailscribe.study.validation import REFUSED
from tests.unit.llm.served_helpers import ENDPOINT as SERVED
from tests.unit.study.configured import configured_study

SERVER = {
    **{"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "key_env": "", "in_flight": 1, "timeout_s": 1},
    **{"max_retries": 0, "input_usd_per_million": 2.0, "output_usd_per_million": 8.0},
}
ENDPOINTS = {"server": SERVER, "own": SERVED, "other": SERVED | {"kind": "transformers"}}


def study(judge, **changes):
    entry = {"endpoint": "server", "model": "some-model", "reading": "expected"} | judge
    return configured_study(judges={"main": entry}, endpoints=ENDPOINTS, **changes)


@pytest.mark.parametrize(
    ("judge", "changes", "said"),
    [
        (
            {"endpoint": "offline"},
            {},
            "which the offline mock does not give (endpoint 'offline'); set `reading: sampled`",
        ),
        ({"endpoint": "other"}, {}, "which transformers does not give (endpoint 'other'); set `reading:"),
        (
            {},
            {"quirks": {"judge_parsing": "released"}},
            "the released code reads no token probabilities; set `reading:",
        ),
        ({"options": {"logprobs": False}}, {}, "options: logprobs: False asks for no probabilities; remove it"),
        ({"options": {"top_logprobs": 4}}, {}, "options: top_logprobs: 4 does not hold the 5 marks of the scale"),
        ({"options": {"top_logprobs": "many"}}, {}, "options: top_logprobs: 'many' does not hold"),
        ({"options": {"top_logprobs": True}}, {}, "options: top_logprobs: True does not hold"),
        ({"endpoint": "nowhere"}, {}, "judges: main: endpoint: 'nowhere' is not one of endpoints"),
        ({"reading": "p_yes"}, {}, "reading: 'p_yes' does not go with scale grade; set sampled or expected"),
    ],
)
def test_what_gives_no_probabilities_is_refused_before_anything_is_asked(judge, changes, said):
    with pytest.raises(InputError) as error:
        study(judge, **changes)
    assert str(error.value).startswith("judges: main: ") and said in str(error.value)


@pytest.mark.parametrize(
    "judge",
    [
        {},
        {"endpoint": "own"},
        {"reply": "structured"},
        {"scale": "yes_no", "reading": "p_yes", "options": {"top_logprobs": 2}},
        {"options": {"logprobs": True, "top_logprobs": 5}},
        {"reading": "sampled", "endpoint": "offline", "options": {"logprobs": False}},
    ],
)
def test_what_may_give_them_is_accepted(judge):
    assert study(judge).judging["main"].reading == judge.get("reading", "expected")


def test_the_programs_without_probabilities_are_those_that_refuse_the_option():
    assert sorted(NO_PROBABILITIES) == sorted(name for name, options in REFUSED.items() if "logprobs" in options)
