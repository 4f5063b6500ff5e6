"""Reading a capsule's zip: what is there comes back, and what no capsule has is refused by name before it is read."""

import io
import stat
import struct
import warnings
import zipfile
import zlib

import pytest

from detailscribe.capsule import reader
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError

REMEDY_WORDS = "get another copy of it"
GOOD = {
    "capsule.json": b"{}",
    "study/results/demo/prompts.jsonl": b'{"id": "a"}\n' * 50,
    "study/figures/é.png": b"\x89PNG",
}


def zip_of(members, kind=0o100644, method=zipfile.ZIP_DEFLATED) -> bytes:
    data = io.BytesIO()
    with warnings.catch_warnings(action="ignore"), zipfile.ZipFile(data, "w") as archive:
        for name, content in members:
            info = zipfile.ZipInfo(name)
            info.filename = info.orig_filename = name  # as it is: ZipInfo cuts names at NUL
            info.compress_type, info.external_attr = method, kind << 16
            archive.writestr(info, content)
    return data.getvalue()


def patched(data: bytes, signature: bytes, offset: int, layout: str, value: int) -> bytes:
    """The zip with a field of its last record of a kind changed."""
    place = data.rindex(signature) + offset
    return data[:place] + struct.pack(layout, value) + data[place + struct.calcsize(layout) :]


LOCAL, CENTRAL, END = b"PK\x03\x04", b"PK\x01\x02", b"PK\x05\x06"
PLAIN = zip_of(GOOD.items())
STORED = zip_of(GOOD.items(), method=zipfile.ZIP_STORED)
TWO = zip_of([("a", b"1" * 40), ("b", b"2" * 40)], method=zipfile.ZIP_STORED)
HOSTILE = {
    "empty": (b"", "is not a capsule, or cut off"),
    "text": (b"no zip at all" * 20, "is not a capsule, or cut off"),
    "cut off": (PLAIN[:-1], "is not a capsule, or cut off"),
    "cut in the middle": (PLAIN[: len(PLAIN) // 2], "is not a capsule, or cut off"),
    "text after it": (PLAIN + b"x", "is not a capsule, or cut off"),
    "text before it": (b"#!/bin/sh\n" + PLAIN, "does not begin with a member"),
    "a comment": (patched(PLAIN, END, 20, "<H", 3) + b"abc", "without comment"),
    "no members": (zip_of([]), "holds no capsule.json"),
    "the folder above": (zip_of([("../x", b"")]), "'../x', which no capsule has"),
    "the folder above, later": (zip_of([("study/../../x", b"")]), "not a path of a file inside it"),
    "an absolute path": (zip_of([("/etc/passwd", b"")]), "not a path of a file inside it"),
    "a drive": (zip_of([("C:/x", b"")]), "some system reads as something else"),
    "a backslash": (zip_of([("..\\x", b"")]), "some system reads as something else"),
    "a NUL": (zip_of([("a\0b", b"")]), "some system reads as something else"),
    "a control character": (zip_of([("a\x1b[2Jb", b"")]), "some system reads as something else"),
    "the other direction": (zip_of([("a\u202egnp.exe", b"")]), "some system reads as something else"),
    "a folder": (zip_of([("study/", b"")]), "not a path of a file inside it"),
    "a name that Windows cuts": (zip_of([("capsule.json.", b"")]), "not a path of a file inside it"),
    "a long name": (zip_of([("a" * 2000, b"")]), "too long"),
    "the same name": (zip_of([("a", b"1"), ("a", b"2")]), "holds a twice"),
    "the same name in capitals": (zip_of([("a", b"1"), ("A", b"2")]), "holds A twice, once as a"),
    "the same name, other code points": (zip_of([("é", b"1"), ("e\u0301", b"2")]), "twice, once as é"),
    "a file as a folder": (zip_of([("a/b", b"1"), ("A", b"2")]), "holds A as a file and as a folder"),
    "a link": (zip_of([("a", b"/etc/passwd")], kind=stat.S_IFLNK | 0o777), "a link, a device or a folder"),
    "a device": (zip_of([("a", b"")], kind=stat.S_IFCHR | 0o666), "a link, a device or a folder"),
    "a mode of a folder": (zip_of([("a", b"")], kind=stat.S_IFDIR | 0o755), "a link, a device or a folder"),
    "encrypted": (patched(PLAIN, CENTRAL, 8, "<H", 1), "encrypted, or packed in a way"),
    "packed otherwise": (zip_of([("a", b"x" * 99)], method=zipfile.ZIP_BZIP2), "encrypted, or packed in a way"),
    "a huge member": (patched(PLAIN, CENTRAL, 24, "<L", 2**31), "2,147,483,648 bytes"),
    "two sizes": (patched(STORED, CENTRAL, 24, "<L", 5), "two sizes for the same bytes"),
    "shared bytes": (patched(TWO, CENTRAL, 42, "<L", 0), "shares its bytes"),
    "a huge directory": (patched(PLAIN, END, 12, "<L", 2**29), "is not a capsule, or cut off"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_what_no_capsule_has_is_refused_before_it_is_read(tmp_path, case):
    data, words = HOSTILE[case]
    path = tmp_path / "c.zip"
    path.write_bytes(data)
    with pytest.raises(InputError) as raised, CapsuleReader(path) as capsule:
        capsule.read("capsule.json")
    assert words in str(raised.value)
    assert str(path) in str(raised.value) and REMEDY_WORDS in str(raised.value) and "\x1b" not in str(raised.value)
    assert sorted(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_every_member_comes_back(tmp_path, method):
    path = tmp_path / "c.zip"
    path.write_bytes(zip_of(GOOD.items(), method=method))
    with CapsuleReader(path) as capsule:
        assert dict(capsule.members) == {name: len(content) for name, content in GOOD.items()}
        assert {name: capsule.read(name) for name in capsule.members} == GOOD


def test_a_large_member_comes_in_pieces(tmp_path):
    content, path = bytes(range(256)) * 5000, tmp_path / "c.zip"
    path.write_bytes(zip_of([("a", content)]))
    with CapsuleReader(path) as capsule:
        pieces = list(capsule.chunks("a"))
    assert b"".join(pieces) == content and max(map(len, pieces)) <= reader.CHUNK_BYTES < len(content)


def test_no_file(tmp_path):
    with pytest.raises(InputError, match="there is no file .*none.zip"):
        CapsuleReader(tmp_path / "none.zip")


CHANGES = {
    "a byte of the content": lambda data: data.replace(b"1" * 40, b"1" * 39 + b"3"),
    "its checksum": lambda data: patched(data, CENTRAL, 16, "<L", zlib.crc32(b"2" * 40) ^ 1),
    "a length beyond the content": lambda data: patched(patched(data, CENTRAL, 24, "<L", 41), CENTRAL, 20, "<L", 41),
    "its name in one of two places": lambda data: data.replace(b"b" + b"2" * 40, b"c" + b"2" * 40),
}


@pytest.mark.parametrize("case", CHANGES)
def test_a_member_that_was_changed_is_named(tmp_path, case):
    path = tmp_path / "c.zip"
    path.write_bytes(CHANGES[case](TWO))
    with (
        pytest.raises(InputError, match=r"c\.zip: [ab] (was changed|shares its bytes)"),
        CapsuleReader(path) as capsule,
    ):
        for name in capsule.members:
            capsule.read(name)


def test_a_bomb_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(reader, "ALLOWANCE_BYTES", 1000)
    path = tmp_path / "c.zip"
    path.write_bytes(zip_of([("a", b"0" * 10**6)]))
    with pytest.raises(InputError, match="would unpack to 1,000,000 bytes"):
        CapsuleReader(path)


def test_a_zip_with_64_bit_numbers(tmp_path):
    """More members than 16 bits count have a second directory end, whose own size is bounded, too."""
    path, names = tmp_path / "c.zip", [f"{number:05}" for number in range(2**16 + 5)]
    data = zip_of(((name, b"") for name in names), method=zipfile.ZIP_STORED)
    path.write_bytes(data)
    with CapsuleReader(path) as capsule:
        assert list(capsule.members) == names
    path.write_bytes(patched(data, b"PK\x06\x06", 40, "<Q", 2**40))
    with pytest.raises(InputError, match="a directory of 1,099,511,627,776 bytes"):
        CapsuleReader(path)
