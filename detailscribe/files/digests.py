"""Content digests: canonical JSON, SHA-256 of values and of files."""

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

KEY_LENGTH = 16  # hex characters of a key that go into a file name: 64 bits
_ASSUMED: dict[Path, str] = {}  # SHA-256 of files that are not there, in a replay without images


def canonical_json(value: object) -> str:
    """Canonical JSON of a value: sorted keys, no spaces, non-ASCII characters unescaped."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value: object) -> str:
    """SHA-256 of `canonical_json(value)`, 64 hex characters."""
    return hashlib.sha256(canonical_json(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex characters."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def assume_digests(files: Mapping[Path, str]) -> None:
    """Let recorded digests stand for files that are not there, in this process and its forks."""
    _ASSUMED.update(files)


def assumed_sha256(path: Path) -> str | None:
    """The digest that stands for a file that is not there; None without one."""
    return _ASSUMED.get(path)
