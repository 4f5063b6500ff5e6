"""Options of requests that no study can use are refused at the start; what changes nothing is not."""

import copy
import datetime
import re

import pytest

from detailscribe.errors import InputError
from detailscribe.study.request_options import check_options
from tests.unit.study.configured import CONFIG, configured_study

FUNCTION = {"type": "function", "function": {"name": "f"}}
ENTRIES = [("roles", "critique"), ("judges", "main"), ("external", "hosted")]


@pytest.mark.parametrize(("group", "name"), ENTRIES)
@pytest.mark.parametrize(
    ("options", "remedy"),
    [
        ({"stream": True}, "in parts"),
        ({"stream": "yes"}, "in parts"),
        ({"stream_options": {"include_usage": True}}, "in parts"),
        ({"partial_images": 2}, "in parts"),
        ({"n": 2}, "several answers"),
        ({"n": "1"}, "several answers"),
        ({"n": 0}, "several answers"),
        ({"messages": []}, "into the template"),
        ({"model": "other"}, "in `model`"),
        ({"prompt": "a cat"}, "that of the study"),
        ({"functions": []}, "nobody calls"),
        ({"tools": [FUNCTION]}, "nobody calls"),
        ({"modalities": ["text", "audio"]}, "sound"),
    ],
)
def test_an_option_that_no_study_can_use_is_refused(group, name, options, remedy):
    [option] = options
    with pytest.raises(InputError, match=rf"^{group}: {name}: options: {option}: .*{remedy}") as error:
        configured_study(**{group: {name: {"options": options}}})
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(("group", "name"), ENTRIES)
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"stream": False, "n": 1},
        {"stream": None, "n": None, "seed": None},
        {"temperature": 0, "seed": 0, "max_tokens": 5, "logprobs": True},
        {"tools": [{"type": "web_search"}], "tool_choice": "none"},
        {"modalities": ["text"], "response_format": {"type": "text"}},
    ],
)
def test_other_options_are_not(group, name, options):
    study = configured_study(**{group: {name: {"options": options}}})
    assert options.items() <= study.config[group][name]["options"].items()


@pytest.mark.parametrize(
    ("draws", "options", "refused"),
    [
        (3, {"seed": 0}, True),
        (2, {"seed": 7}, True),
        (1, {"seed": 0}, False),
        (3, {}, False),
        (3, {"seed": None}, False),
    ],
)
def test_draws_with_one_seed_are_one_draw(draws, options, refused):
    judge = {"judges": {"main": CONFIG["judges"]["main"] | {"draws": draws, "options": options}}}
    if not refused:
        assert configured_study(**judge)
        return
    with pytest.raises(InputError, match=r"judges: main: options: seed: \d makes its \d draws one draw"):
        configured_study(**judge)


LOOP: list = []
LOOP.append(LOOP)
NO_JSON = [
    ("since", datetime.date(2026, 1, 2), "since: datetime.date(2026, 1, 2) is a date"),
    ("raw", b"x", "raw: b'x' is a bytes"),
    ("stop", {"a"}, "stop: {'a'} is a set"),
    ("top_p", float("nan"), "top_p: nan is a float"),
    ("logit_bias", {50256: -100, "7": 1}, "logit_bias: the key 50256 is no text; write it in quotes"),
    ("deep", {"in": [{"since": datetime.date(2026, 1, 2)}]}, "deep: in: since: datetime.date(2026, 1, 2) is a date"),
    ("loop", LOOP, "loop: nested deeper than 32 levels"),
    (1, 2, "the key 1 is no text"),
]


@pytest.mark.parametrize("place", ["roles: critique: options", "judges: main: options", "image_models: sd3: call"])
@pytest.mark.parametrize(("key", "value", "message"), NO_JSON, ids=[str(key) for key, _, _ in NO_JSON])
def test_an_option_that_json_does_not_hold_is_refused_by_its_key(place, key, value, message):
    group, name, entry = place.split(": ")
    config = copy.deepcopy(CONFIG)
    config[group].setdefault(name, dict(config[group][next(iter(config[group]))]))[entry] = {key: value}
    with pytest.raises(InputError, match=f"^{re.escape(f'{place}: {message}')}"):
        check_options(config)
