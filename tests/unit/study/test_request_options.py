"""Options of requests that no study can use are refused at the start; what changes nothing is not."""

import pytest

from detailscribe.errors import InputError
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
