"""Bytes of a capsule's zip as its writer lays them out: headers, directory and end record, rebuilt from what they say.

A zip says most things twice, before each member and in its directory, and holds much that no reader looks at: times,
versions, attributes. The writer (`sealed_zip.py`) leaves none of it open. So a capsule's headers follow from the names,
sizes and checksums alone, and every other byte is a changed one.

Source: PKWARE, APPNOTE.TXT 6.3.10, sections 4.3.7, 4.3.12, 4.3.14 to 4.3.16.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

from detailscribe.capsule.sealed_zip import MODE, UNIX

LOCAL = struct.Struct("<4s5H3L2H")
CENTRAL = struct.Struct("<4s4B4H3L5H2L")
END, PLACE_64, END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")
LOCAL_SIGN, CENTRAL_SIGN, END_SIGN, PLACE_64_SIGN, END_64_SIGN = (
    *(b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06", b"PK\x06\x07", b"PK\x06\x06"),
)
VERSION, VERSION_64 = 20, 45
DATE = 0x21  # 1 January 1980
LIMIT, MOST_16, MOST_32 = 2**31 - 1, 2**16 - 1, 2**32 - 1
NAME_AT = {LOCAL_SIGN: LOCAL.size, CENTRAL_SIGN: CENTRAL.size}
# Fields of a header by the byte that each begins at.
LOCAL_FIELDS = {
    **{0: "signature", 4: "version", 6: "flags", 8: "method", 10: "time", 12: "date", 14: "checksum"},
    **{18: "packed size", 22: "size", 26: "length of the name", 28: "length of the extra field", 30: "name"},
}
CENTRAL_FIELDS = {
    **{0: "signature", 4: "version", 6: "version", 8: "flags", 10: "method", 12: "time", 14: "date", 16: "checksum"},
    **{20: "packed size", 24: "size", 28: "length of the name", 30: "length of the extra field"},
    **{32: "length of the comment", 34: "number of the disk", 36: "attributes", 42: "place", 46: "name"},
}


class Entry(NamedTuple):
    """What a zip says of a member."""

    name: bytes
    method: int
    checksum: int
    packed: int  # bytes
    size: int  # bytes, unpacked
    place: int  # of its header in the file

    @property
    def start(self) -> int:
        """Where its packed bytes begin."""
        return self.place + LOCAL.size + len(self.name)

    @property
    def end(self) -> int:
        """Where its packed bytes end."""
        return self.start + self.packed

    @property
    def shown(self) -> str:
        """Its name in a message."""
        text = self.name.decode("utf-8", "backslashreplace")
        return text if text.isprintable() and len(text) <= 200 else repr(text[:200])


def local_header(entry: Entry) -> bytes:
    """The header before a member's bytes."""
    sizes = entry.checksum, entry.packed, entry.size, len(entry.name), 0
    return LOCAL.pack(LOCAL_SIGN, VERSION, 0, entry.method, 0, DATE, *sizes) + entry.name


def central_header(entry: Entry) -> bytes:
    """The entry of a member in the directory."""
    far = entry.place > LIMIT
    extra = struct.pack("<HHQ", 1, 8, entry.place) if far else b""
    version = VERSION_64 if far else VERSION
    sizes = entry.checksum, entry.packed, entry.size, len(entry.name), len(extra)
    place = MOST_32 if far else entry.place
    fixed = CENTRAL_SIGN, version, UNIX, version, 0, 0, entry.method, 0, DATE
    return CENTRAL.pack(*fixed, *sizes, 0, 0, 0, MODE, place) + entry.name + extra


def end_records(entries: Sequence[Entry], start: int, size: int) -> bytes:
    """The records after a directory of `size` bytes that begins at `start`."""
    count, before = len(entries), b""
    if count > MOST_16 or start > LIMIT or size > LIMIT:
        before = END_64.pack(END_64_SIGN, END_64.size - 12, VERSION_64, VERSION_64, 0, 0, count, count, size, start)
        before += PLACE_64.pack(PLACE_64_SIGN, 0, start + size, 1)
        count, size, start = min(count, MOST_16), min(size, MOST_32), min(start, MOST_32)
    return before + END.pack(END_SIGN, 0, 0, count, count, size, start, 0)


def entries_by_headers(data: bytes) -> list[Entry]:
    """The members in the order of the file, each found after the one before; ends at the first that is none."""
    entries, place = [], 0
    while data[place : place + 4] == LOCAL_SIGN and place + LOCAL.size <= len(data):
        _, _, _, method, _, _, checksum, packed, size, length, _ = LOCAL.unpack_from(data, place)
        entry = Entry(data[place + LOCAL.size : place + LOCAL.size + length], method, checksum, packed, size, place)
        if entry.end > len(data):
            break
        entries.append(entry)
        place = entry.end
    return entries


def entries_by_directory(data: bytes) -> list[Entry]:
    """The members as the directory lists them, in its order; ends at the first entry that is none."""
    if len(data) < END.size:
        return []
    _, _, _, _, count, _, place, _ = END.unpack_from(data, len(data) - END.size)
    at_64 = len(data) - END.size - PLACE_64.size - END_64.size
    if at_64 >= 0 and data[at_64 : at_64 + 4] == END_64_SIGN:
        count, _, place = END_64.unpack_from(data, at_64)[7:]
    entries: list[Entry] = []
    while len(entries) < count and data[place : place + 4] == CENTRAL_SIGN and place + CENTRAL.size <= len(data):
        fields = CENTRAL.unpack_from(data, place)
        checksum, packed, size, length, extra, comment = fields[9:15]
        name_at = place + CENTRAL.size
        at = fields[-1]
        if at == MOST_32 and extra == 12:
            (at,) = struct.unpack_from("<Q", data, name_at + length + 4)
        entries.append(Entry(data[name_at : name_at + length], fields[6], checksum, packed, size, at))
        place = name_at + length + extra + comment
    return entries
