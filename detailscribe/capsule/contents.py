"""`capsule.json`: what a capsule holds, what it leaves out, and the digest of each of its files."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from detailscribe.capsule.layout import FORMAT

CHECK = "check"


@dataclass
class Contents:
    """What is known of a capsule while it is made; the names are those of `capsule.json` (`layout`).

    Attributes:
        date: Newest date of an exchange.
        left_out: Reasons by member, or by what it is.
        cleaned: SHA-256 of the study's own file by member.
    """

    images: str
    report: bool
    scenarios: list[str]
    unfinished: dict[str, list[str]]
    exchanges: int = 0
    date: str = ""
    code: dict[str, str] = field(default_factory=dict)
    left_out: dict[str, str] = field(default_factory=dict)
    cleaned: dict[str, str] = field(default_factory=dict)


def contents_json(contents: Contents, files: Mapping[str, dict]) -> bytes:
    """The bytes of `capsule.json`.

    Args:
        contents: Of the capsule.
        files: {name: sha256, bytes} of its other members.
    """
    value = {"format": FORMAT, **vars(contents), "files": dict(files), CHECK: ""}
    text = json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n"
    return text.replace(f'\n "{CHECK}": ""', f'\n "{CHECK}": "{_digest(text)}"', 1).encode()


def contents_check(data: bytes) -> str:
    """The digest that `capsule.json` should carry as its `check`.

    Args:
        data: Its bytes.
    """
    text = data.decode()
    start = text.find(f'\n "{CHECK}": "')
    end = text.find('"', start + len(f'\n "{CHECK}": "'))
    return _digest(f'{text[:start]}\n "{CHECK}": ""{text[end + 1 :]}') if 0 <= start < end else ""


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
