"""Packing of a folder's files into its archive, and back, so that a kill at any time loses none (`files/packed.py`).

The archive is complete, synced and renamed before a loose file is removed; loose files are written and synced before
an archive is removed. Members have no times, owners or compression: the same files give the same bytes. A folder keeps
its mtime, which Snakemake compares, and gives it to its archive.
"""

import contextlib
import mmap
import os
import re
import zipfile
import zlib
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.atomic import atomic_write
from detailscribe.files.packed import ARCHIVE, LOCAL_HEADER, SIGNATURE, packed_names, read_bytes

BEGINNING = (1980, 1, 1, 0, 0, 0)  # the earliest time of a zip
HAS_NO_SIZE = 8  # flag of a member whose header lacks its size
MEMBER_NAME = re.compile(rb"[A-Za-z0-9_][A-Za-z0-9_.-]{0,254}")  # images, exchanges, pages


def pack(files: Mapping[Path, Iterable[str]]) -> int:
    """Move loose files of some folders into the archives there, beside the members that these have.

    A file that is written while it is packed stays loose, and wins.

    Args:
        files: Names of the files by folder; what is not there is passed over.

    Returns:
        The number of files.

    Raises:
        SetupError: the archive of a folder is damaged, or does not hold what was written into it.
    """
    loose = {
        folder: {name: _state(folder / name) for name in names if is_packable(name) and (folder / name).is_file()}
        for folder, names in files.items()
    }
    loose = {folder: states for folder, states in loose.items() if states}
    _write({folder: {*packed_names(folder), *states} for folder, states in loose.items()})
    for folder, states in loose.items():
        with _mtime_kept(folder):
            for name, state in states.items():
                if _state(folder / name) == state:
                    (folder / name).unlink()
    return sum(map(len, loose.values()))


def unpack(folders: Iterable[Path]) -> int:
    """Write every packed file of some folders back as a loose one, and remove the archives; returns their number.

    Raises:
        SetupError: an archive is damaged.
    """
    folders, count = [folder for folder in folders if (folder / ARCHIVE).is_file()], 0
    for folder in folders:
        with _mtime_kept(folder):
            for name in filter(is_packable, packed_names(folder)):
                if not (folder / name).exists():
                    _write_loose(folder / name, read_bytes(folder / name))
                count += 1
    if folders:
        os.sync()
    for folder in folders:
        with _mtime_kept(folder):
            (folder / ARCHIVE).unlink(missing_ok=True)
    return count


def drop(folder: Path, names: Iterable[str]) -> None:
    """Remove members from a folder's archive, without them once it is empty."""
    members = set(packed_names(folder))
    if members.isdisjoint(gone := set(names)):
        return
    with _mtime_kept(folder):
        if members <= gone:
            (folder / ARCHIVE).unlink()
        else:
            _write({folder: members - gone})


def take_out(path: Path) -> None:
    """Make a packed file a loose one, so that it can be moved; nothing is done for any other file."""
    if path.name != ARCHIVE and path.name in packed_names(path.parent):
        if not path.is_file():
            with _mtime_kept(path.parent):
                _write_loose(path, read_bytes(path))
        drop(path.parent, [path.name])


def is_packable(name: str) -> bool:
    """Whether a name is that of a file directly in a folder, and neither hidden nor the archive itself."""
    return name == Path(name).name and not name.startswith(".") and name != ARCHIVE


def archive_problem(folder: Path) -> str:
    """What is wrong with a folder's archive; empty if every member is what was written, or if there is none."""
    if not (folder / ARCHIVE).is_file():
        return ""
    try:
        packed_names(folder)
        with zipfile.ZipFile(folder / ARCHIVE) as opened:
            changed = opened.testzip()
    except SetupError as error:
        return str(error)
    except (zipfile.BadZipFile, OSError, EOFError, ValueError, NotImplementedError, RuntimeError, zlib.error) as error:
        return f"{folder / ARCHIVE} is damaged ({error})"
    return f"{folder / ARCHIVE} is damaged ({changed} was changed)" if changed else ""


def rescue(folder: Path) -> tuple[list[str], list[str]]:
    """Write the members of a damaged archive that are still to be found as loose files; the archive stays.

    They are looked for by the archive's index and by their own headers, so that damage to one hides no other member.

    Returns:
        Names of the files that were written with the bytes that were packed, and of those whose bytes differ.
    """
    loose = {path.name for path in folder.iterdir()}
    intact: list[str] = []
    changed: dict[str, tuple[int, int]] = {}
    with _mtime_kept(folder), open(folder / ARCHIVE, "rb") as file:
        if not os.fstat(file.fileno()).st_size:
            return [], []
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            for name, crc, begin, end in chain(_indexed(folder / ARCHIVE), _headed(data)):
                if not is_packable(name) or name in loose:
                    continue
                if len(data[begin:end]) == end - begin and zlib.crc32(data[begin:end]) == crc:
                    _write_loose(folder / name, data[begin:end])
                    intact.append(name)
                    loose.add(name)
                else:
                    changed.setdefault(name, (begin, end))
            for name, (begin, end) in changed.items():
                if name not in loose:
                    _write_loose(folder / name, data[begin:end])
    return sorted(intact), sorted(changed.keys() - set(intact))


def _indexed(archive: Path) -> Iterator[tuple[str, int, int, int]]:
    """Name, checksum, begin and end of each stored member of an archive's index; none if it cannot be read."""
    with (
        contextlib.suppress(zipfile.BadZipFile, OSError, ValueError, NotImplementedError),
        zipfile.ZipFile(archive) as opened,
    ):
        for info in opened.infolist():
            begin = info.header_offset + LOCAL_HEADER.size + len(info.orig_filename.encode())
            if info.compress_type == zipfile.ZIP_STORED:
                yield info.filename, info.CRC, begin, begin + info.file_size


def _headed(data: mmap.mmap) -> Iterator[tuple[str, int, int, int]]:
    """The same of each stored member whose header can be read."""
    at = data.find(SIGNATURE)
    while 0 <= at <= len(data) - LOCAL_HEADER.size:
        _, _, flags, method, _, _, crc, _, size, name_length, extra_length = LOCAL_HEADER.unpack_from(data, at)
        begin = at + LOCAL_HEADER.size
        name, begin = data[begin : begin + name_length], begin + name_length + extra_length
        is_member = method == zipfile.ZIP_STORED and not flags & HAS_NO_SIZE and MEMBER_NAME.fullmatch(name)
        if is_member and begin + size <= len(data):
            yield name.decode(), crc, begin, begin + size
        is_intact = is_member and zlib.crc32(data[begin : begin + size]) == crc
        at = data.find(SIGNATURE, begin + size if is_intact else at + 1)


def _write(members: Mapping[Path, Iterable[str]]) -> None:
    """Write the archives of folders anew with these files, loose or packed; they replace the old ones once on disk."""
    if not members:
        return
    with contextlib.ExitStack() as unfinished:
        renames = {}
        for folder, names in members.items():
            with _mtime_kept(folder):
                renames[folder] = unfinished.enter_context(contextlib.ExitStack())
                _fill(renames[folder].enter_context(atomic_write(folder / ARCHIVE)), folder, names)
        os.sync()
        for folder, rename in renames.items():
            with _mtime_kept(folder):
                rename.close()
    os.sync()


def _fill(temporary: Path, folder: Path, names: Iterable[str]) -> None:
    """Write an archive of these files of a folder and read it again."""
    checks = {}
    with zipfile.ZipFile(temporary, "w") as archive:
        for name in sorted(names):
            data = read_bytes(folder / name)
            info = zipfile.ZipInfo(name, BEGINNING)
            info.external_attr = 0o644 << 16
            archive.writestr(info, data)
            checks[name] = zlib.crc32(data)
    with zipfile.ZipFile(temporary) as archive:
        if archive.testzip() or {info.filename: info.CRC for info in archive.infolist()} != checks:
            raise SetupError(f"{folder / ARCHIVE} is not what was written: check the disk; nothing was removed")


def _write_loose(path: Path, data: bytes) -> None:
    with atomic_write(path) as temporary:
        temporary.write_bytes(data)


def _state(path: Path) -> tuple[int, int, int]:
    stat = path.stat()
    return stat.st_ino, stat.st_size, stat.st_mtime_ns


@contextlib.contextmanager
def _mtime_kept(folder: Path) -> Iterator[None]:
    """Keep the mtime of a folder; its archive gets the same, or keeps a later one."""
    before, archive = folder.stat().st_mtime_ns, folder / ARCHIVE
    latest = max(before, archive.stat().st_mtime_ns if archive.is_file() else before)
    try:
        yield
    finally:
        if archive.is_file():
            os.utime(archive, ns=(latest, latest))
        os.utime(folder, ns=(before, before))
