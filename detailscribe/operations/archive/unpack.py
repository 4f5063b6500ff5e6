"""Unpacking of a study archive: every member is checked before the first file is moved into the folder."""

import json
import tarfile
import tempfile
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.digests import file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.llm.exchange_store import load_exchange
from detailscribe.operations.archive.members import FORMAT, MANIFEST, MEMBER


def unpack_study(archive: Path, folder: Path) -> str:
    """Check an archive and move its files into a folder. Existing files are kept, unless they are damaged.

    Returns:
        A message with the counts.

    Raises:
        InputError: not a study archive, cut off or changed, or with an unexpected member; nothing was unpacked.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-") as name:
        extracted = Path(name)
        members = _extract(archive, extracted)
        _check_exchanges(archive, extracted, members)
        new = 0
        # Images before the exchanges that name them.
        for member in sorted(members, key=lambda member: (member.endswith(".json"), member)):
            source, target = extracted / member, folder / member
            if "/ledgers/" in member and target.is_file():
                _merge_ledger(source, target)
            elif not _is_usable(target):
                target.parent.mkdir(parents=True, exist_ok=True)
                source.replace(target)
                new += 1
    return f"{archive}: {len(members)} files match the manifest, {new} of them are new in this folder"


def _extract(archive: Path, folder: Path) -> list[str]:
    """Extract an archive into an empty folder and compare it with its manifest; returns the members' names."""
    entries: dict[str, dict] = {}
    try:
        with tarfile.open(archive, "r:gz") as tar:
            members = iter(tar)
            first = next(members, None)
            data = tar.extractfile(first) if first and first.name == MANIFEST and first.isfile() else None
            if data is None:
                raise InputError(f"{archive} is not a study archive: it does not begin with {MANIFEST}")
            manifest = json.loads(data.read())
            for member in members:
                if not (member.isfile() and MEMBER.fullmatch(member.name)):
                    raise InputError(
                        f"{archive} holds {member.name!r}, which is not part of a study; nothing was unpacked"
                    )
                tar.extract(member, folder, filter="data")
                path = folder / member.name
                entries[member.name] = {"sha256": file_sha256(path), "bytes": path.stat().st_size}
    except FileNotFoundError:
        raise InputError(f"there is no file {archive}") from None
    except InputError:
        raise
    except (tarfile.TarError, EOFError, OSError, ValueError, KeyError) as error:
        raise InputError(f"{archive} cannot be read ({error}); nothing was unpacked") from None
    files = manifest.get("files") if isinstance(manifest, dict) and manifest.get("format") == FORMAT else None
    if not isinstance(files, dict):
        raise InputError(f"{archive} was packed by another version; nothing was unpacked")
    if different := sorted(name for name in entries.keys() | files if entries.get(name) != files.get(name)):
        raise InputError(f"{archive}: {different[0]} differs from the manifest; nothing was unpacked")
    return list(entries)


def _check_exchanges(archive: Path, folder: Path, members: list[str]) -> None:
    for member in members:
        if member.startswith("resources/exchanges/") and member.endswith(".json"):
            try:
                load_exchange(folder / member)
            except ValueError as error:
                raise InputError(f"{archive}: {error}; nothing was unpacked") from None


def _merge_ledger(source: Path, target: Path) -> None:
    """Add the rows that the target does not have yet."""
    ledger = Ledger(target)
    for row in Ledger(source).rows():
        if ledger.get(row["id"], row["key"]) is None:
            ledger.add(row)


def _is_usable(path: Path) -> bool:
    """Whether a file exists and, if it is an exchange, is intact."""
    try:
        return path.is_file() and (path.suffix != ".json" or bool(load_exchange(path)))
    except ValueError:
        return False
