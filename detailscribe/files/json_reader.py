"""Bounded JSON decoder: foreign bytes to a value; nesting depth, digits, constants, repeated keys, half characters.

`json.loads` guarded by ValueError alone is not enough for text of others: it raises RecursionError for deep nesting,
turns `1e999` into infinity, reads integers that no float can hold, lets the last of two equal keys win, and returns
half surrogate pairs that no file can be written with.
"""

import codecs
import json
import math
from functools import cache
from typing import Any, NoReturn

MAX_DEPTH = 100  # levels of arrays and objects
MAX_DIGITS = 400  # characters of a number; a float holds up to 309 digits before its point


def load_json(
    data: bytes | str, allow_nonfinite: bool = False, unique_keys: bool = False, mend_text: bool = False
) -> object:
    """The value of a JSON text.

    Args:
        data: The text; bytes are UTF-8, with or without a byte order mark.
        allow_nonfinite: Whether `NaN`, `Infinity` and numbers beyond the range of a float are read.
        unique_keys: Whether an object that has a key twice is refused.
        mend_text: Whether bytes that are not UTF-8 become U+FFFD and halves of surrogate pairs a question mark,
            instead of being refused.

    Raises:
        ValueError: a short reason: invalid UTF-8 or JSON, nested deeper than `MAX_DEPTH`, a number of more than
            `MAX_DIGITS` digits, a number that is not finite, a key twice, or half a surrogate pair.
    """
    text = _decoded(data, mend_text)
    try:
        value = _decoder(allow_nonfinite, unique_keys).decode(text)
    except RecursionError:
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels") from None
    except json.JSONDecodeError as error:
        raise ValueError(f"invalid JSON: {error}") from None
    if text.count("[") + text.count("{") > MAX_DEPTH and _deeper_than(value, MAX_DEPTH):
        raise ValueError(f"nested deeper than {MAX_DEPTH} levels")
    return _without_halves(value, mend_text) if "\\ud" in text or "\\uD" in text else value


@cache
def _decoder(allow_nonfinite: bool, unique_keys: bool) -> json.JSONDecoder:
    return json.JSONDecoder(
        parse_int=_int,
        parse_float=None if allow_nonfinite else _float,
        parse_constant=None if allow_nonfinite else _refuse_constant,
        object_pairs_hook=_unique if unique_keys else None,
    )


def _decoded(data: bytes | str, mend_text: bool) -> str:
    if isinstance(data, str):
        return data.removeprefix("\ufeff")
    try:
        return data.removeprefix(codecs.BOM_UTF8).decode("utf-8", "replace" if mend_text else "strict")
    except UnicodeDecodeError as error:
        raise ValueError(f"invalid UTF-8 at byte {error.start}") from None


def _int(digits: str) -> int:
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    return int(digits)


def _float(digits: str) -> float:
    number = float(digits)
    if len(digits) > MAX_DIGITS:
        raise ValueError(f"a number of more than {MAX_DIGITS} digits")
    if not math.isfinite(number):
        raise ValueError(f"a number that is not finite ({digits})")
    return number


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"a number that is not finite ({name})")


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        names = [name for name, _ in pairs]
        repeated = next(name for name in names if names.count(name) > 1)
        raise ValueError(f"the key {repeated[:60]!r} stands there twice")
    return value


def _deeper_than(value: object, levels: int) -> bool:
    """Whether a value has more levels of lists and objects; level by level, so that its depth costs no stack."""
    inner = [value] if isinstance(value, dict | list) else []
    for _ in range(levels):
        inner = [
            child
            for each in inner
            for child in (each.values() if isinstance(each, dict) else each)
            if isinstance(child, dict | list)
        ]
        if not inner:
            return False
    return bool(inner)


def _without_halves(value: Any, mend: bool) -> Any:
    """A value whose texts can be written as UTF-8."""
    if isinstance(value, str):
        try:
            value.encode()
        except UnicodeEncodeError:
            if not mend:
                raise ValueError("half a surrogate pair, which is no character") from None
            return value.encode("utf-8", "replace").decode()
        return value
    if isinstance(value, list):
        return [_without_halves(each, mend) for each in value]
    if isinstance(value, dict):
        return {_without_halves(name, mend): _without_halves(each, mend) for name, each in value.items()}
    return value
