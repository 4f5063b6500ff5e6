"""Seeded mutation of JSON values and of bytes."""

import copy
import gzip
import json
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

Path = tuple[str | int, ...]
DEEP = 100_000  # brackets of a document that no recursive parser reads


def odd_value(random: Random) -> Any:
    """A JSON value that a field of another type does not expect."""
    return random.choice(
        [
            *(None, True, False, 0, -1, 1.5, -7.25, 20.0, 2**63, 10**30, 10**400, 1e308, float("nan"), float("inf")),
            *("", " ", "x", "1", "-1", "NaN", "null", "\x00", "\ud800", "\u2028", "é\ufffe", "x" * 10_000, "../../x"),
            *([], {}, [[]], [None], [{}], {"": ""}, {"error": "no"}, {"message": {"content": 1}}, nested(40)),
        ]
    )


def nested(levels: int) -> list:
    """Lists in lists."""
    value: list = []
    for _ in range(levels):
        value = [value]
    return value


def paths(value: Any, path: Path = ()) -> Iterator[Path]:
    """Paths of all values inside a JSON value, itself included."""
    yield path
    if isinstance(value, dict):
        for key in value:
            yield from paths(value[key], (*path, key))
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from paths(item, (*path, index))


def at(value: Any, path: Path) -> Any:
    """The value at a path."""
    for step in path:
        value = value[step]
    return value


def put(value: Any, path: Path, new: Any) -> Any:
    """A copy of a JSON value with another value at a path."""
    if not path:
        return new
    result = copy.deepcopy(value)
    at(result, path[:-1])[path[-1]] = new
    return result


def mutated(value: Any, random: Random, times: int = 1) -> Any:
    """A copy of a JSON value with `times` random changes: fields replaced, removed, renamed, wrapped or repeated."""
    for _ in range(times):
        value = _mutate_once(copy.deepcopy(value), random)
    return value


def _mutate_once(value: Any, random: Random) -> Any:
    path = random.choice(list(paths(value)))
    change = random.choice(["replace", "replace", "remove", "rename", "wrap", "repeat", "text"])
    old = at(value, path)
    parent = at(value, path[:-1]) if path else None
    if change == "remove" and parent is not None:
        del parent[path[-1]]
        return value
    if change == "rename" and isinstance(parent, dict):
        parent[random.choice([str(path[-1]).upper(), f"{path[-1]}_", "", "error", "code"])] = parent.pop(path[-1])
        return value
    if change == "wrap":
        return put(value, path, random.choice([[old], {"value": old}, {"text": old}, [old, old]]))
    if change == "repeat" and isinstance(old, list):
        return put(value, path, old * random.choice([0, 2, 50]))
    if change == "text":
        return put(value, path, json.dumps(old))
    return put(value, path, odd_value(random))


def damaged(data: bytes, random: Random) -> bytes:
    """Bytes cut, flipped, filled, or packed."""
    changes: list[Callable[[], bytes]] = [
        lambda: data[: random.randrange(len(data) + 1)],
        lambda: flipped(data, random, random.choice([1, 1, 1, 5, 50])),
        lambda: data[: (at := random.randrange(len(data) + 1))] + random.randbytes(random.choice([1, 9])) + data[at:],
        lambda: b"[" * DEEP + data,
        lambda: b'{"a":' * DEEP + data,
        lambda: data + data,
        lambda: gzip.compress(data),
        lambda: data.decode("utf-8", "replace").encode("utf-16"),
        lambda: b"\xff\xfe" + data,
        lambda: b"",
        lambda: random.randbytes(random.choice([1, 100, 5000])),
    ]
    return random.choice(changes)()


def flipped(data: bytes, random: Random, count: int) -> bytes:
    """Bytes with some of them changed."""
    result = bytearray(data)
    for _ in range(count if result else 0):
        result[random.randrange(len(result))] ^= random.randrange(1, 256)
    return bytes(result)


def to_json(value: Any) -> bytes:
    """A JSON document, with NaN, Infinity and lone surrogates as Python writes them."""
    return json.dumps(value).encode("utf-8")
