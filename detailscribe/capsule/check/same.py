"""Comparison of what a replay made with what the capsule holds: bytes, apart from words that were withheld."""

import hashlib
import re

from detailscribe.capsule.layout import WITHHELD

SHOWN = 160  # characters of a line in a message


def difference(made: bytes, sealed: bytes, own_digest: str = "") -> str:
    """Where two files differ first; empty if they are the same.

    Args:
        made: By the replay.
        sealed: In the capsule.
        own_digest: SHA-256 of the study's own file, if words of it were withheld in the capsule.
    """
    if made == sealed or (own_digest and hashlib.sha256(made).hexdigest() == own_digest):
        return ""
    if own_digest and _is_alike(made, sealed):
        return ""
    old, new = sealed.split(b"\n"), made.split(b"\n")
    for number, (one, other) in enumerate(zip(old, new, strict=False), 1):
        if one != other and not (own_digest and _is_alike(other, one)):
            return f"line {number}: {_shown(one, other)} in the capsule, {_shown(other, one)} made from it"
    return f"{len(old) - 1} lines in the capsule, {len(new) - 1} made from it"


def _is_alike(made: bytes, sealed: bytes) -> bool:
    """Whether two texts are the same word by word, where none was withheld."""
    return _words(made, sealed) or _words(sealed, made)


def _words(text: bytes, pattern: bytes) -> bool:
    withheld = re.escape(WITHHELD.encode())
    expression = re.escape(pattern).replace(re.escape(withheld), rb"[^\s]+")
    expression = expression.replace(withheld, rb"[^\s]+")
    return re.fullmatch(expression, text) is not None


def _shown(line: bytes, other: bytes) -> str:
    """The part of a line from shortly before its first difference on."""
    text, against = line.decode("utf-8", "backslashreplace"), other.decode("utf-8", "backslashreplace")
    if not text.isprintable():
        return f"{len(line)} bytes"
    same = next(
        (i for i, (a, b) in enumerate(zip(text, against, strict=False)) if a != b), min(len(text), len(against))
    )
    start = max(0, same - SHOWN // 2)
    cut = text[start : start + SHOWN]
    return f"{'…' if start else ''}{cut}{'…' if start + SHOWN < len(text) else ''}"
