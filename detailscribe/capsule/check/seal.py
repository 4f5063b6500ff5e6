"""Check of every byte of a capsule's zip: headers as its writer lays them out, contents by their digests.

Headers and directory say the same. Where they do not, what fits the content is right and the other is named.
"""

import hashlib
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from detailscribe.capsule.check.changed_byte import changed_byte
from detailscribe.capsule.check.zip_bytes import (
    CENTRAL_FIELDS,
    LOCAL_FIELDS,
    Entry,
    central_header,
    end_records,
    entries_by_directory,
    entries_by_headers,
    local_header,
)
from detailscribe.capsule.layout import CONTENTS, MAX_BYTES, is_member
from detailscribe.capsule.sealed_zip import LEVEL

STORED, DEFLATED = 0, 8
MOST = 20  # changed places that are named
RATIO, ALLOWANCE_BYTES = 200, 2**28  # all members unpacked are at most RATIO times the file and this


class Change(NamedTuple):
    """A changed place of a zip.

    Attributes:
        first: The first byte of the file that may be changed, from 0 on.
        last: The last one; equal to `first` where the byte is known.
        member: Name of the member that it belongs to; empty for the end of the directory.
        what: The place within the zip, in words.
    """

    first: int
    last: int
    member: str
    what: str

    @property
    def place(self) -> str:
        """Its bytes, in words."""
        return f"byte {self.first:,}" if self.first == self.last else f"bytes {self.first:,} to {self.last:,}"


@dataclass
class Seal:
    """What the bytes of a zip are like.

    Attributes:
        changes: What is not as the writer wrote it.
        entries: Its members.
        repacked: Members whose content is right, packed into other bytes than here: by another version of zlib.
        cost: Number of bytes and members that do not fit.
    """

    changes: list[Change] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    repacked: int = 0
    cost: int = 0


def check_seal(data: bytes, digests: Mapping[str, str]) -> Seal:
    """Compare each byte of a zip with what its writer would have written.

    Args:
        data: The file; a memory map serves.
        digests: SHA-256 of the members' right contents, as far as they are known.
    """
    sources = [entries_by_headers(data), entries_by_directory(data)]
    if sources[0] == sources[1]:
        sources.pop()
    seals = [_seal_of(data, entries, digests) for entries in sources if entries]
    return min(seals, key=lambda seal: seal.cost, default=Seal(cost=len(data)))


def _seal_of(data: bytes, entries: list[Entry], digests: Mapping[str, str]) -> Seal:
    seal = Seal(entries=entries)
    _check_headers(data, seal)
    if sum(entry.size for entry in entries) > RATIO * len(data) + ALLOWANCE_BYTES:
        seal.cost += len(data)
        return seal
    other: list[Change] = []
    packed = 0
    for entry in entries:
        packed += entry.method == DEFLATED
        change, is_other = _check_content(data, entry, digests)
        if change and is_other:
            other.append(change)
        elif change:
            seal.changes.append(change)
            seal.cost += 1
        known = not digests or entry.shown in digests or entry.shown == CONTENTS
        if not (known and is_member(entry.shown)):
            seal.cost += 1  # of two names for a member, the other is right
    # One member that is packed otherwise than all others was changed; if most are, another zlib packed them.
    if 2 * len(other) < packed or packed == 1:
        seal.changes += other
        seal.cost += len(other)
    else:
        seal.repacked = len(other)
    seal.changes.sort()
    return seal


def _check_headers(data: bytes, seal: Seal) -> None:
    place = 0
    for entry in seal.entries:
        if entry.place != place:
            seal.cost += abs(entry.place - place)
        _compare(data, entry.place, local_header(entry), entry.shown, "header", LOCAL_FIELDS, seal)
        place = entry.end
    start = place
    for entry in seal.entries:
        expected = central_header(entry)
        _compare(data, place, expected, entry.shown, "directory", CENTRAL_FIELDS, seal)
        place += len(expected)
    expected = end_records(seal.entries, start, place - start)
    _compare(data, place, expected, "", "end of the directory", {}, seal)
    if surplus := len(data) - place - len(expected):
        seal.cost += abs(surplus)
        if surplus > 0:
            seal.changes.append(Change(place + len(expected), len(data) - 1, "", "after the end of the directory"))
        else:
            seal.changes.append(Change(len(data), len(data), "", f"the file is cut off by {-surplus} bytes"))


def _compare(
    data: bytes, place: int, expected: bytes, member: str, what: str, fields: Mapping[int, str], seal: Seal
) -> None:
    actual = data[place : place + len(expected)]
    if actual == expected:
        return
    wrong = [index for index, (one, other) in enumerate(zip(actual, expected, strict=False)) if one != other]
    seal.cost += len(wrong) + len(expected) - len(actual)
    for index in wrong[: max(0, MOST - len(seal.changes))]:
        name = next((name for start, name in sorted(fields.items(), reverse=True) if index >= start), "")
        named = f"{what}, {name}" if name else what
        seal.changes.append(Change(place + index, place + index, member, named))


def _check_content(data: bytes, entry: Entry, digests: Mapping[str, str]) -> tuple[Change | None, bool]:
    """The change of a member's bytes, and whether its content is right all the same."""
    packed, wanted = data[entry.start : entry.end], digests.get(entry.shown)
    content = _unpacked(packed, entry)
    if content is None or zlib.crc32(content) != entry.checksum or len(content) != entry.size:
        return _changed(packed, entry, wanted), False
    if wanted and hashlib.sha256(content).hexdigest() != wanted:
        return Change(entry.start, entry.end - 1, entry.shown, "content, which is not the sealed one"), False
    if entry.method == DEFLATED and (at := _first_difference(packed, content)) is not None:
        return Change(entry.start + at, entry.start + at, entry.shown, "packed bytes, without effect"), True
    return None, False


def content_of(data: bytes, name: str, entries: Iterable[Entry] | None = None) -> bytes | None:
    """The content of a member by its checksum; None if there is none of this name, or if it was changed.

    Args:
        data: The file.
        name: Of the member.
        entries: What the zip holds; by default as its headers or its directory say.
    """
    for source in [entries] if entries is not None else [entries_by_headers(data), entries_by_directory(data)]:
        for entry in source:
            if entry.shown == name:
                content = _unpacked(data[entry.start : entry.end], entry)
                if content is not None and zlib.crc32(content) == entry.checksum:
                    return content
    return None


def _unpacked(packed: bytes, entry: Entry) -> bytes | None:
    if entry.method == STORED:
        return packed if entry.packed == entry.size else None
    if entry.method != DEFLATED or entry.size > MAX_BYTES:
        return None
    unpacking = zlib.decompressobj(-15)
    try:
        content = unpacking.decompress(packed, entry.size + 1)
    except zlib.error:
        return None
    return content if unpacking.eof and not unpacking.unused_data else None


def _changed(packed: bytes, entry: Entry, wanted: str | None) -> Change:
    def is_right(content: bytes) -> bool:
        return wanted is None or hashlib.sha256(content).hexdigest() == wanted

    at = changed_byte(packed, entry.method == STORED, entry.checksum, entry.size, is_right)
    if at is not None:
        return Change(entry.start + at, entry.start + at, entry.shown, f"content, byte {at:,} of {entry.packed:,}")
    return Change(entry.start, max(entry.start, entry.end - 1), entry.shown, "content")


def _first_difference(packed: bytes, content: bytes) -> int | None:
    """Where a member's packed bytes differ from those that its writer makes of the content; None if nowhere."""
    packing = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    expected = packing.compress(content) + packing.flush()
    if expected == packed:
        return None
    pairs = enumerate(zip(packed, expected, strict=False))
    return next((index for index, (one, other) in pairs if one != other), min(len(packed), len(expected)) - 1)
