"""Unpacking of a study archive: every member is checked before the first file is moved into the folder."""

import tempfile
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.ledger import Ledger, write_ledger
from detailscribe.files.output_records import forget_outputs
from detailscribe.files.packed import is_there
from detailscribe.llm.exchange_store import load_exchange
from detailscribe.operations.archive.extract import cannot_write, extract_members
from detailscribe.operations.archive.members import check_content, is_weight_record
from detailscribe.operations.archive.weight_records import is_usable_record, refuse_other_commits


def unpack_study(archive: Path, folder: Path) -> str:
    """Check an archive and move its files into a folder. Existing files are kept, unless they are damaged.

    Returns:
        A message with the counts.

    Raises:
        InputError: not a study archive, cut off or changed, with an unexpected member, or with a row that names a file
            outside the layout of a study, or of another commit of a model than the folder's; nothing was unpacked.
        SetupError: the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = tempfile.TemporaryDirectory(dir=folder, prefix=".unpacking-")
    except OSError as error:
        raise cannot_write(folder.resolve(), error) from None
    with temporary as name:
        extracted = Path(name)
        members = extract_members(archive, extracted)
        for member in members:
            try:
                check_content(member, extracted / member)
                if "/ledgers/" in member:
                    _remove_unreadable_lines(extracted / member)
            except (ValueError, OSError) as error:
                problem = str(error).replace(f"{extracted}/", "")
                raise InputError(f"{archive}: {member}: {problem}; nothing was unpacked") from None
        refuse_other_commits(archive, extracted, members, folder)
        new = 0
        try:
            # Images before the exchanges that name them.
            for member in sorted(members, key=lambda member: (member.endswith(".json"), member)):
                new += _move(extracted / member, folder / member, folder)
        except OSError as error:
            raise cannot_write(Path(error.filename2 or error.filename or folder), error) from None
    return f"{archive}: {len(members)} files match the manifest, {new} of them are new in this folder"


def _remove_unreadable_lines(path: Path) -> None:
    ledger = Ledger(path)
    if ledger.truncated or ledger.changed:
        write_ledger(path, ledger.rows())


def _move(source: Path, target: Path, folder: Path) -> bool:
    """Move a file into the study; whether it is new there."""
    name = target.relative_to(folder).as_posix()
    if "/ledgers/" in name and target.is_file():
        _merge_ledger(source, target)
        return False
    if is_usable_record(target) if is_weight_record(name) else _is_usable(target):
        return False
    target.parent.mkdir(parents=True, exist_ok=True)
    source.replace(target)
    forget_outputs(folder / "results", [target])
    return True


def _merge_ledger(source: Path, target: Path) -> None:
    """Add the rows that the target does not have yet."""
    ledger = Ledger(target)
    for row in Ledger(source).rows():
        if ledger.get(row["id"], row["key"]) is None:
            ledger.add(row)


def _is_usable(path: Path) -> bool:
    """Whether a file exists and, if it is an exchange, is intact."""
    try:
        return is_there(path) and (path.suffix != ".json" or bool(load_exchange(path)))
    except ValueError:
        return False
