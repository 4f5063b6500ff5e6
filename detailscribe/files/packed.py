"""Packed files: a folder's files in one archive inside it, read as if they were loose files of that folder.

Whether a file that is not there is in an archive is decided here and nowhere else: whoever reads an image, an exchange
or a page of a report asks this module for its bytes. The archive is `packed.zip` in the file's own folder, so that a
change of it is a change of the folder. It is a plain zip of stored members, which any tool opens. A loose file wins
over the member of its name; `files/packing.py` writes archives.
"""

import contextlib
import errno
import hashlib
import os
import struct
import zipfile
import zlib
from collections.abc import Collection
from pathlib import Path
from typing import BinaryIO, NamedTuple

from detailscribe.errors import SetupError
from detailscribe.files.digests import assumed_sha256

ARCHIVE = "packed.zip"
LOCAL_HEADER = struct.Struct("<4s5HLLLHH")  # of a member, before its name: APPNOTE.TXT of the zip format, 4.3.7
SIGNATURE, ENCRYPTED = b"PK\x03\x04", 1  # the beginning of a header; a flag
END_RECORD = struct.Struct("<4s4H2LH")  # of an archive without a comment: 4.3.16
END_SIGNATURE, MANY = b"PK\x05\x06", 0xFFFF
Stamp = tuple[int, int, int]


class Member(NamedTuple):
    """Where a member's header begins in its archive, its size, and whether its bytes are stored as they are."""

    offset: int
    size: int
    is_stored: bool


_indexes: dict[Path, tuple[Stamp, dict[str, Member]]] = {}  # of archives that this process has looked into


def read_bytes(path: str | Path) -> bytes:
    """The bytes of a file, loose or packed.

    Raises:
        FileNotFoundError: it is neither.
        SetupError: the archive of its folder is damaged.
    """
    path = Path(path)
    for _ in range(2):  # packed, or unpacked, between the two looks
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            return path.read_bytes()
        if (data := _packed_bytes(path)) is not None:
            return data
    raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))


def is_there(path: Path) -> bool:
    """Whether a file is there, loose or packed."""
    return path.is_file() or path.name in _index(path.parent) or path.is_file()


def size_of(path: Path) -> int:
    """The size of a file in bytes, loose or packed (`read_bytes`)."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return path.stat().st_size
    member = _index(path.parent).get(path.name)
    return path.stat().st_size if member is None else member.size


def modified_ns(path: Path) -> int:
    """When a file, or the archive that holds it, was written; nanoseconds."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        return path.stat().st_mtime_ns
    return (path if path.name not in _index(path.parent) else path.parent / ARCHIVE).stat().st_mtime_ns


def sha256_of(path: str | Path) -> str:
    """SHA-256 of a file's bytes, loose or packed, 64 hex characters (`read_bytes`); of none, the assumed one."""
    return assumed_sha256(Path(path)) or hashlib.sha256(read_bytes(path)).hexdigest()


def packed_names(folder: Path) -> Collection[str]:
    """Names of the files in a folder's archive; none without one."""
    return _index(folder).keys()


def files_in(folder: Path) -> list[Path]:
    """Files of a folder, loose or packed, sorted; without hidden ones and the archive itself."""
    names = set(packed_names(folder))
    if folder.is_dir():
        names |= {entry.name for entry in os.scandir(folder) if entry.is_file()}
    return [folder / name for name in sorted(names - {ARCHIVE}) if not name.startswith(".")]


def damaged(archive: Path, reason: object) -> SetupError:
    """The error of an archive that cannot be read."""
    return SetupError(f"{archive} is damaged ({reason}): run `snakemake verify`, which saves what it holds")


def read_member(file: BinaryIO, member: Member) -> bytes:
    """The bytes of a stored member of an open archive.

    Raises:
        ValueError: the archive does not hold them where its index says.
    """
    file.seek(member.offset)
    header = file.read(LOCAL_HEADER.size)
    if len(header) < LOCAL_HEADER.size or not header.startswith(SIGNATURE):
        raise ValueError(f"no member at byte {member.offset}")
    *_, name_length, extra_length = LOCAL_HEADER.unpack(header)
    file.seek(name_length + extra_length, os.SEEK_CUR)
    data = file.read(member.size)
    if len(data) < member.size:
        raise ValueError(f"the member at byte {member.offset} is cut off")
    return data


def _packed_bytes(path: Path) -> bytes | None:
    archive = path.parent / ARCHIVE
    while True:
        member = _index(path.parent).get(path.name)
        if member is None:
            return None
        try:
            with open(archive, "rb") as file:
                if _stamp(os.fstat(file.fileno())) != _indexes[archive][0]:
                    continue  # written anew since its index was read
                if member.is_stored:
                    return read_member(file, member)
                with zipfile.ZipFile(file) as opened:  # another tool wrote it
                    return opened.read(path.name)
        except FileNotFoundError:
            return None
        except (ValueError, zipfile.BadZipFile, NotImplementedError, RuntimeError, zlib.error) as error:
            raise damaged(archive, error) from None


def _index(folder: Path) -> dict[str, Member]:
    archive = folder / ARCHIVE
    try:
        stamp = _stamp(archive.stat())
    except (FileNotFoundError, NotADirectoryError):
        return {}
    known = _indexes.get(archive)
    if known is None or known[0] != stamp:
        try:
            with open(archive, "rb") as file, zipfile.ZipFile(file) as opened:
                index = {info.filename: _member(info) for info in opened.infolist()}
                _check_count(file, len(index))
        except FileNotFoundError:
            return {}
        except (zipfile.BadZipFile, ValueError, struct.error, NotImplementedError) as error:
            raise damaged(archive, error) from None
        known = _indexes[archive] = (stamp, index)
    return known[1]


def _member(info: zipfile.ZipInfo) -> Member:
    is_stored = info.compress_type == zipfile.ZIP_STORED and not info.flag_bits & ENCRYPTED
    if is_stored and info.file_size != info.compress_size:
        raise ValueError(f"two sizes of {info.filename}")
    return Member(info.header_offset, info.file_size, is_stored)


def _check_count(file: BinaryIO, count: int) -> None:
    """Compare the number of members with that of the end record, which `zipfile` does not."""
    file.seek(-END_RECORD.size, os.SEEK_END)
    signature, *_, named, _, _, comment_length = END_RECORD.unpack(file.read(END_RECORD.size))
    if signature == END_SIGNATURE and not comment_length and named not in (count, MANY):
        raise ValueError(f"{count} members of {named}")


def _stamp(stat: os.stat_result) -> Stamp:
    return stat.st_ino, stat.st_size, stat.st_mtime_ns
