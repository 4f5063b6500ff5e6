"""Members of a capsule as files of a study's folder: only what a capsule may hold, each compared with its digest."""

import hashlib
import shutil
from collections.abc import Collection, Mapping
from pathlib import Path

from detailscribe.capsule.layout import STUDY, kind_of
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError, SetupError


def unpack_study(reader: CapsuleReader, folder: Path, files: Mapping[str, dict], without: Collection[str] = ()) -> None:
    """Write the members of `study/` into an empty folder.

    Args:
        reader: The capsule.
        folder: Empty, or not there yet.
        files: {member: sha256, bytes} of `capsule.json`.
        without: Members that are left out, without `study/`.

    Raises:
        InputError: a member that no capsule has, or that is not the sealed one; the folder is not empty.
        SetupError: the folder cannot be written, or the disk has no room.
    """
    members = [name for name in reader.members if name.startswith(STUDY) and name.removeprefix(STUDY) not in without]
    _check_folder(folder, sum(reader.members[name] for name in members))
    for name in members:
        if kind_of(name) is None or name not in files:
            raise InputError(f"{reader.path} holds {name}, which no capsule has; get another copy of it")
        write_member(reader, name, folder, files[name]["sha256"])


def write_member(reader: CapsuleReader, name: str, folder: Path, sha256: str) -> None:
    """Write one member of `study/` into a folder.

    Raises:
        InputError: its content is not the sealed one.
        SetupError: it cannot be written.
    """
    path, digest = folder / name.removeprefix(STUDY), hashlib.sha256()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, "xb") as file:
            for chunk in reader.chunks(name):
                digest.update(chunk)
                file.write(chunk)
    except OSError as error:
        raise _cannot_write(path, error) from None
    if digest.hexdigest() != sha256:
        raise InputError(
            f"{reader.path}: {name} is not the sealed file; `make capsule-verify FILE={reader.path}` says more"
        )


def _check_folder(folder: Path, needed: int) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if any(folder.iterdir()):
            raise InputError(f"{folder} is not empty; name another folder")
        free = shutil.disk_usage(folder).free
    except OSError as error:
        raise _cannot_write(folder, error) from None
    if needed > free:
        raise SetupError(f"a replay needs {needed:,} bytes, and {folder.resolve()} has {free:,}; make room there")


def _cannot_write(path: Path, error: OSError) -> SetupError:
    reason = error.strerror or error
    return SetupError(f"{path} cannot be written ({reason}); make room, or name another folder with --folder")
