"""The one changed byte of a member, found by its checksum and confirmed by its digest."""

import time
import zlib
from collections.abc import Callable, Iterator
from typing import Any

_POLYNOMIAL = 0xEDB88320  # of CRC-32, reflected
SEARCH_S = 4.0  # of a packed member; where it does not suffice, the member is named without the byte


def changed_byte(
    packed: bytes, is_stored: bool, checksum: int, size: int, is_right: Callable[[bytes], bool]
) -> int | None:
    """Place of the byte of a member whose change alone explains its wrong checksum.

    Args:
        packed: The member's bytes in the file.
        is_stored: Whether they are its content as it is.
        checksum: CRC-32 of the right content.
        size: Bytes of the right content.
        is_right: Whether a content with that checksum and size is the right one.

    Returns:
        None if no single byte does, or if it was not found in SEARCH_S.
    """
    if is_stored:
        return _stored_place(packed, checksum, is_right) if len(packed) == size else None
    return _packed_place(packed, checksum, size, is_right)


def _table() -> list[int]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (_POLYNOMIAL if value & 1 else 0)
        table.append(value)
    return table


def _stored_place(content: bytes, checksum: int, is_right: Callable[[bytes], bool]) -> int | None:
    """From the end on, undo one byte of the checksums' difference until it is that of a single changed byte."""
    table = _table()
    by_first = {value >> 24: index for index, value in enumerate(table)}
    changes = {value: index for index, value in enumerate(table) if index}
    difference = zlib.crc32(content) ^ checksum
    for place in range(len(content) - 1, -1, -1):
        if change := changes.get(difference):
            right = bytes([content[place] ^ change])
            if is_right(content[:place] + right + content[place + 1 :]):
                return place
        index = by_first[difference >> 24]
        difference = ((difference ^ table[index]) << 8 | index) & 0xFFFFFFFF
    return None


def _packed_place(packed: bytes, checksum: int, size: int, is_right: Callable[[bytes], bool]) -> int | None:
    """Every other value of every byte, as far as the bytes before it can be unpacked."""
    deadline = time.monotonic() + SEARCH_S
    for place, unpacking, before in _unpackings(packed, size):
        sum_before = zlib.crc32(before)
        for value in range(256):
            attempt = unpacking.copy()
            try:
                content = attempt.decompress(bytes([value]) + packed[place + 1 :], size + 1 - len(before))
            except zlib.error:
                continue
            if not attempt.eof or attempt.unused_data or len(before) + len(content) != size:
                continue
            if zlib.crc32(content, sum_before) == checksum and is_right(before + content):
                return place
        if time.monotonic() > deadline:
            return None
    return None


def _unpackings(packed: bytes, size: int) -> Iterator[tuple[int, Any, bytes]]:
    """Each place with zlib's state before it and the content so far, up to the byte that cannot be unpacked."""
    unpacking, content = zlib.decompressobj(-15), b""
    for place in range(len(packed)):
        yield place, unpacking.copy(), content
        try:
            content += unpacking.decompress(packed[place : place + 1])
        except zlib.error:
            return
        if len(content) > size:
            return
