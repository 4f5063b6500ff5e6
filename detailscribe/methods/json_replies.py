"""JSON objects in a reply: within text, in a code fence, or the whole reply; bounded in time and depth."""

import json
import re
from typing import Any

MAX_FAILURES = 100  # places that look like an object and are none; every one costs at most the length of the text

_DECODER = json.JSONDecoder(strict=False)  # models write line breaks into strings
_BEGINS = re.compile(r'\{\s*["}]')
_FENCE = re.compile(r"```[\w+-]{0,20}(?=\s)")


def json_objects(text: str) -> list[tuple[int, int, dict]]:
    """The outermost JSON objects of a text in their order, each with its place: `text[start:end]`."""
    found: list[tuple[int, int, dict]] = []
    position = failures = 0
    while failures < MAX_FAILURES and (begin := _BEGINS.search(text, position)):
        try:
            value, end = _DECODER.raw_decode(text, begin.start())
        except (ValueError, RecursionError):
            failures += 1
            position = begin.start() + 1
        else:
            found.append((begin.start(), end, value))
            position = end
    return found


def begins_as_json(text: str) -> bool:
    """Whether a text opens with an object, in a code fence or without: if it holds none, it was cut or is broken."""
    return _BEGINS.match(unfenced(text)) is not None


def unfenced(text: str) -> str:
    """A text without the code fence around all of it."""
    text = text.strip()
    if fence := _FENCE.match(text):
        inside = text[fence.end() :].removesuffix("```").strip()
        return text if "```" in inside else inside
    return text


def value_of(value: Any, name: str) -> Any:
    """The value of a key of an object, or of the last object within it that has the key; None without one."""
    last = None
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, dict) and name in each:
            if each is value:
                return each[name]
            last = each[name] if last is None else last
        if isinstance(each, dict | list):
            waiting += each.values() if isinstance(each, dict) else each
    return last


def texts_of(value: Any) -> list[str]:
    """The texts of a JSON value, in their order."""
    found: list[str] = []
    waiting = [value]
    while waiting:
        each = waiting.pop()
        if isinstance(each, str):
            found.append(each)
        elif isinstance(each, dict | list):
            waiting += reversed(list(each.values()) if isinstance(each, dict) else each)
    return found
