"""Extraction of a study archive: members are checked by their headers before a byte of them is written.

`tarfile` parses headers only: its own extraction follows links and trusts names, and its filters are missing in
Python 3.11.0 to 3.11.3.
"""

import gzip
import hashlib
import shutil
import tarfile
import zlib
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import IO, Any

from detailscribe.errors import InputError, SetupError
from detailscribe.files.json_reader import load_json
from detailscribe.operations.archive.members import FORMATS, MANIFEST, MAX_BYTES, MEMBER

CHUNK_BYTES = 2**18  # of a read; also of what a header may announce as its own continuation


class _BoundedGzip(gzip.GzipFile):
    """A gzip file that no header makes read much at once."""

    def read(self, size: int | None = -1) -> bytes:
        if size is None or size < 0 or size > CHUNK_BYTES:
            raise tarfile.ReadError(f"a header of more than {CHUNK_BYTES} bytes")
        return super().read(size)


def extract_members(archive: Path, folder: Path) -> list[str]:
    """Extract an archive into an empty folder and compare it with its manifest; returns the members' names.

    Raises:
        InputError: not a study archive, cut off or changed, or with an unexpected member.
        SetupError: the folder cannot be written, or the disk has no room.
    """
    done: dict[str, None] = {}
    try:
        with (
            open(archive, "rb") as file,
            _BoundedGzip(fileobj=file) as data,
            tarfile.open(fileobj=data, mode="r:") as tar,
        ):
            members = iter(tar)
            entries = _read_manifest(archive, tar, members)
            _check_room(archive, folder, entries)
            for member in members:
                _check_header(archive, member, entries, done)
                source = tar.extractfile(member)
                assert source is not None  # a regular file
                _copy(archive, source, folder / member.name, entries[member.name])
                done[member.name] = None
    except FileNotFoundError:
        raise InputError(f"there is no file {archive}") from None
    except (InputError, SetupError):
        raise
    except (tarfile.TarError, zlib.error, EOFError, OSError, ValueError, RecursionError, OverflowError) as error:
        raise InputError(f"{archive} cannot be read ({error}); nothing was unpacked") from None
    if missing := sorted(entries.keys() - done):
        raise InputError(f"{archive}: {missing[0]} differs from the manifest; nothing was unpacked")
    return list(done)


def _read_manifest(archive: Path, tar: tarfile.TarFile, members: Iterator[tarfile.TarInfo]) -> dict[str, dict]:
    first = next(members, None)
    file = tar.extractfile(first) if first and first.name == MANIFEST and _is_plain(first) else None
    if first is None or file is None or first.size > MAX_BYTES:
        raise InputError(f"{archive} is not a study archive: it does not begin with {MANIFEST}")
    try:
        manifest: Any = load_json(b"".join(iter(partial(file.read, CHUNK_BYTES), b"")))
    except ValueError as error:
        raise InputError(f"{archive}: its {MANIFEST} cannot be read ({error}); nothing was unpacked") from None
    files = manifest.get("files") if isinstance(manifest, dict) and manifest.get("format") in FORMATS else None
    if not isinstance(files, dict):
        raise InputError(f"{archive} was packed by another version; nothing was unpacked")
    for name, entry in files.items():
        if not MEMBER.fullmatch(name):
            raise _not_of_a_study(archive, name)
        size = entry.get("bytes") if isinstance(entry, dict) and isinstance(entry.get("sha256"), str) else None
        if type(size) is not int or not 0 <= size <= MAX_BYTES:
            raise InputError(f"{archive}: {name} has a wrong entry in the manifest; nothing was unpacked")
    return files


def _check_room(archive: Path, folder: Path, entries: dict[str, dict]) -> None:
    needed = sum(entry["bytes"] for entry in entries.values())
    free = shutil.disk_usage(folder).free
    if needed > free:
        raise SetupError(
            f"{archive} needs {needed:,} bytes, and {folder.parent.resolve()} has {free:,}; make room there"
        )


def _check_header(archive: Path, member: tarfile.TarInfo, entries: dict[str, dict], done: dict[str, None]) -> None:
    if not (_is_plain(member) and MEMBER.fullmatch(member.name)):
        raise _not_of_a_study(archive, member.name)
    if member.name in done:
        raise InputError(f"{archive} holds {member.name} twice; nothing was unpacked")
    if member.name not in entries or member.size != entries[member.name]["bytes"]:
        raise InputError(f"{archive}: {member.name} differs from the manifest; nothing was unpacked")


def _is_plain(member: tarfile.TarInfo) -> bool:
    """Whether a member is a file with its content: no link, device, folder or sparse file."""
    return member.type in (tarfile.REGTYPE, tarfile.AREGTYPE) and not member.issparse()


def _not_of_a_study(archive: Path, name: str) -> InputError:
    shown = name if len(name) <= 200 else f"{name[:200]}..."
    return InputError(f"{archive} holds {shown!r}, which is not part of a study; nothing was unpacked")


def _copy(archive: Path, source: IO[bytes], target: Path, entry: dict) -> None:
    digest, left = hashlib.sha256(), entry["bytes"]
    with _create(target) as file:
        while left and (chunk := source.read(min(CHUNK_BYTES, left))):
            left -= len(chunk)
            digest.update(chunk)
            try:
                file.write(chunk)
            except OSError as error:
                raise cannot_write(target, error) from None
    if left or digest.hexdigest() != entry["sha256"]:
        raise InputError(f"{archive}: {target.name} differs from the manifest; nothing was unpacked")


def _create(target: Path) -> IO[bytes]:
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        return open(target, "xb", buffering=0)
    except OSError as error:
        raise cannot_write(target, error) from None


def cannot_write(path: Path, error: OSError) -> SetupError:
    """The error of a file or folder that cannot be written."""
    return SetupError(
        f"{path} cannot be written ({error.strerror or error}); make room, correct the permissions, or choose another "
        "folder"
    )
