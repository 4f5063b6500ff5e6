"""Content digests: canonical JSON, SHA-256 of values and of files."""

import hashlib
import json
from pathlib import Path

KEY_LENGTH = 16  # hex characters of a key that go into a file name: 64 bits


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
