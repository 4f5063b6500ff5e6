"""Safe reader of a capsule's zip: members by name, straight from the file, nothing extracted and nothing trusted.

`zipfile` parses the directory. What it accepts and a capsule never has is refused before a byte of content is read:
names that lead out of a folder or mean the same file on some system, links, encryption, members that share bytes,
a size beyond what the file can hold, text before or after the archive.
"""

import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from functools import partial
from pathlib import Path
from stat import S_IFMT, S_IFREG
from types import MappingProxyType
from typing import IO, Self

from detailscribe.errors import InputError

MEMBER_BYTES = 2**30  # of one member, unpacked
DIRECTORY_BYTES = 2**28  # of the zip's directory: about two million members
RATIO, ALLOWANCE_BYTES = 200, 2**28  # all members unpacked are at most RATIO times the file and this
CHUNK_BYTES = 2**18
NAME_BYTES = 1000
REFUSED_FLAGS = 0x1 | 0x20 | 0x40 | 0x2000  # encryption, patches, a masked directory
METHODS = (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED)
LOCAL_HEADER_BYTES = 30  # without name and extra field
# End of the directory, and before it in large files the place of a second one with 64-bit numbers.
END, PLACE_64, END_64 = struct.Struct("<4s4H2LH"), struct.Struct("<4sLQL"), struct.Struct("<4sQ2H2L4Q")
REMEDY = "get another copy of it"


class CapsuleReader:
    """The members of a capsule's zip, checked by the directory; a context manager.

    Attributes:
        path: The zip.
        members: Unpacked bytes of each member by name, in the order of the zip.
    """

    def __init__(self, path: Path):
        """Open a zip and check its directory.

        Raises:
            InputError: no such file, no zip, cut off, or a member that no capsule has; names the file and the member.
        """
        self.path = path
        try:
            with open(path, "rb") as file:
                _check_end(path, file)
            self._zip = zipfile.ZipFile(path)
        except FileNotFoundError:
            raise InputError(f"there is no file {path}; correct the path") from None
        except IsADirectoryError:
            raise InputError(f"{path} is a folder; name the zip of a capsule") from None
        except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError, struct.error) as error:
            raise InputError(f"{path} is not a capsule, or cut off ({error}); {REMEDY}") from None
        try:
            self._infos = _checked(path, self._zip)
        except BaseException:
            self._zip.close()
            raise
        self.members: Mapping[str, int] = MappingProxyType({name: each.file_size for name, each in self._infos.items()})

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def read(self, name: str) -> bytes:
        """A member's bytes (`chunks`)."""
        return b"".join(self.chunks(name))

    def chunks(self, name: str) -> Iterator[bytes]:
        """A member's bytes, at most CHUNK_BYTES at a time; checked against length and checksum at the end.

        Raises:
            InputError: no such member, or its bytes are not what the directory says; names the file and the member.
        """
        if name not in self._infos:
            raise InputError(f"{self.path} holds no {name}; {REMEDY}")
        left = self._infos[name].file_size
        try:
            with self._zip.open(self._infos[name]) as file:
                for chunk in iter(partial(_read, file), b""):
                    left -= len(chunk)
                    yield chunk
        except (zipfile.BadZipFile, zlib.error, OSError, EOFError, ValueError, NotImplementedError) as error:
            raise self._changed(name, str(error)) from None
        if left:
            raise self._changed(name, f"{left} bytes are missing")

    def _changed(self, name: str, reason: str) -> InputError:
        return InputError(f"{self.path}: {name} was changed or cut off ({reason}); {REMEDY}")


def _read(file: IO[bytes]) -> bytes:
    return file.read(CHUNK_BYTES)


def _check_end(path: Path, file: IO[bytes]) -> None:
    """The archive ends where the file ends, and its directory is of a size that can be read."""
    size = file.seek(0, 2)
    if size < END.size:
        raise ValueError(f"it has {size} bytes")
    tail = min(size, END.size + PLACE_64.size)
    file.seek(size - tail)
    end = file.read(tail)
    magic, *_, directory, _, comment = END.unpack(end[-END.size :])
    if magic != b"PK\x05\x06" or comment:
        raise ValueError("it does not end as a zip without comment does")
    if end.startswith(b"PK\x06\x07") and tail == END.size + PLACE_64.size:
        file.seek(min(PLACE_64.unpack(end[: PLACE_64.size])[2], size))
        directory = max(directory, END_64.unpack(file.read(END_64.size))[8])
    if directory > min(size, DIRECTORY_BYTES):
        raise ValueError(f"a directory of {directory:,} bytes")


def _checked(path: Path, archive: zipfile.ZipFile) -> dict[str, zipfile.ZipInfo]:
    found: dict[str, zipfile.ZipInfo] = {}
    folded: dict[str, str] = {}
    for info in archive.infolist():
        name = info.orig_filename
        if problem := _name_problem(name) or _kind_problem(info):
            shown = name if len(name) <= 200 else f"{name[:200]}..."
            raise InputError(f"{path} holds {shown!r}, which no capsule has ({problem}); {REMEDY}")
        alike = folded.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if alike != name or name in found:
            raise InputError(f"{path} holds {name} twice{f', once as {alike}' * (alike != name)}; {REMEDY}")
        found[name] = info
    for name in folded.values():
        parts = unicodedata.normalize("NFC", name).casefold().split("/")
        if below := next((p for n in range(1, len(parts)) if (p := "/".join(parts[:n])) in folded), ""):
            raise InputError(f"{path} holds {folded[below]} as a file and as a folder; {REMEDY}")
    unpacked, most = sum(each.file_size for each in found.values()), RATIO * path.stat().st_size + ALLOWANCE_BYTES
    if unpacked > most:
        raise InputError(f"{path} would unpack to {unpacked:,} bytes, more than a capsule of its size can; {REMEDY}")
    _check_places(path, archive, list(found.values()))
    return found


def _name_problem(name: str) -> str:
    """Why a name is none of a plain file inside the folder, on every system; empty if it is."""
    if not name or len(name.encode("utf-8", "replace")) > NAME_BYTES:
        return "no name, or too long a one"
    if not name.isprintable() or "\\" in name or ":" in name:
        return "a sign that some system reads as something else"
    if any(part in ("", ".", "..") or part.endswith((" ", ".")) for part in name.split("/")):
        return "not a path of a file inside it"
    return ""


def _kind_problem(info: zipfile.ZipInfo) -> str:
    """Why a member is no plain file of a readable size; empty if it is."""
    kind = S_IFMT(info.external_attr >> 16)
    if kind not in (0, S_IFREG):
        return "a link, a device or a folder"
    if info.flag_bits & REFUSED_FLAGS or info.compress_type not in METHODS:
        return "encrypted, or packed in a way that capsules are not"
    if info.file_size > MEMBER_BYTES:
        return f"{info.file_size:,} bytes, a member has at most {MEMBER_BYTES:,}"
    if info.compress_type == zipfile.ZIP_STORED and info.file_size != info.compress_size:
        return "two sizes for the same bytes"
    return ""


def _check_places(path: Path, archive: zipfile.ZipFile, infos: list[zipfile.ZipInfo]) -> None:
    """No two members share bytes, and nothing stands before the first one."""
    infos = sorted(infos, key=lambda each: each.header_offset)
    encoding = {True: "utf-8", False: "cp437"}  # of names, by the flag that says so
    ends = [
        each.header_offset
        + LOCAL_HEADER_BYTES
        + len(each.orig_filename.encode(encoding[bool(each.flag_bits & 0x800)]))
        + each.compress_size
        for each in infos
    ]
    starts = [*(each.header_offset for each in infos), archive.start_dir]
    if starts[0] != 0:
        raise InputError(f"{path} does not begin with a member of the capsule; {REMEDY}")
    for info, end, following in zip(infos, ends, starts[1:], strict=True):
        if end > following:
            raise InputError(f"{path}: {info.orig_filename} shares its bytes with what follows it; {REMEDY}")
