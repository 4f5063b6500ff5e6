"""The bounded JSON decoder: what it refuses, and what it reads."""

import pytest

from detailscribe.files.json_reader import MAX_DEPTH, load_json

REFUSED = {
    "invalid JSON": "{",
    "nothing": "",
    "invalid UTF-8": b'"\xff"',
    "UTF-16": '{"a": 1}'.encode("utf-16"),
    "deeper than the interpreter's stack": "[" * 200_000,
    "deeper than the interpreter's stack, closed": "[" * 200_000 + "]" * 200_000,
    "objects deeper than the interpreter's stack": '{"a":' * 200_000,
    "one level too deep": "[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1),
    "one level of objects too deep": '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1),
    "a long number": "1" * 401,
    "a number that Python itself refuses": "1" * 5_000,
    "a long negative number": "-" + "1" * 401,
    "a long fraction": "0." + "1" * 401,
    "a number beyond a float": "1e999",
    "NaN": '{"a": NaN}',
    "Infinity": "[Infinity]",
    "negative infinity": "[-Infinity]",
    "half a surrogate pair": '"\\ud83d"',
    "the other half": '{"\\uDE00": 1}',
}


@pytest.mark.parametrize("data", REFUSED.values(), ids=REFUSED)
def test_what_cannot_be_believed_is_a_value_error_with_a_short_reason(data):
    with pytest.raises(ValueError, match=r".") as error:
        load_json(data)
    assert len(str(error.value)) < 200


READ = {
    "levels up to the limit": ("[" * MAX_DEPTH + "]" * MAX_DEPTH, None),
    "brackets inside a text": ('"' + "[" * 500 + '"', "[" * 500),
    "many small objects": ("[" + ",".join(["{}"] * 500) + "]", [{}] * 500),
    "byte order mark": (b'\xef\xbb\xbf{"a": 1}', {"a": 1}),
    "byte order mark in a text": ("\ufeff1", 1),
    "long number within the limit": ("1" * 400, int("1" * 400)),
    "a pair of surrogates": ('"\\ud83d\\ude00"', "\U0001f600"),
    "a backslash before u": ('"\\\\ud83d"', "\\ud83d"),
    "the last of two keys": ('{"a": 1, "a": 2}', {"a": 2}),
    "line separators inside a text": ('"a\u2028b"', "a\u2028b"),
}


@pytest.mark.parametrize(("data", "value"), READ.values(), ids=READ)
def test_what_is_within_the_bounds_is_read(data, value):
    read = load_json(data)
    assert value is None or read == value


def test_a_key_twice_is_named_where_keys_are_unique():
    with pytest.raises(ValueError, match="'prompt'"):
        load_json('[{"id": 1, "prompt": "a", "prompt": "b"}]', unique_keys=True)


def test_numbers_that_are_not_finite_are_read_on_request():
    assert load_json("[Infinity, 1e999]", allow_nonfinite=True) == [float("inf")] * 2


def test_text_is_mended_on_request():
    assert load_json(b'["a\xffb", "\\ud83dc"]', mend_text=True) == ["a\ufffdb", "?c"]
