"""Records of weights in a study archive: which commit the branch of a model meant, without the folder of its files.

Answers and images are recorded under the commit. A replay elsewhere that does not know it finds none of them.
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from detailscribe.engines.weight_records import (
    COMMIT,
    RECORDS_FOLDER,
    check_weight_record,
    weight_record_file,
)
from detailscribe.errors import InputError, SetupError
from detailscribe.files.json_reader import load_json
from detailscribe.scores.model_weights import weight_sources


def portable_records(folder: Path, temporary: Path) -> list[Path]:
    """Write the records of a study's models whose revision names no commit, without the path of this machine.

    Args:
        folder: The study's folder.
        temporary: Folder for the files that are packed.

    Raises:
        SetupError: a record is damaged.
    """
    written = []
    for repository, revision in sorted(set(_sources(folder / "results" / "parameters"))):
        file = folder / weight_record_file(repository, revision, folder)
        if COMMIT.fullmatch(revision) or not file.is_file():
            continue
        try:
            record = check_weight_record(file)
        except ValueError as error:
            raise SetupError(f"{file} cannot be packed ({error}); run `snakemake verify`") from None
        record.pop("folder", None)
        path = temporary / file.name
        path.write_text(json.dumps(record, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        written.append(path)
    return written


def check_portable_record(path: Path) -> None:
    """Check the record of an archive.

    Raises:
        ValueError: what is wrong; the message does not name the file.
    """
    if "folder" in check_weight_record(path):
        raise ValueError("a record names a folder of another machine")


def refuse_other_commits(archive: Path, extracted: Path, members: Iterable[str], folder: Path) -> None:
    """Compare an archive's records with those of a folder, of which each name can have one only.

    Raises:
        InputError: a branch means another commit there; the message says that nothing was unpacked.
    """
    for member in members:
        if Path(member).parent != RECORDS_FOLDER or not is_usable_record(folder / member):
            continue
        new, old = check_weight_record(extracted / member), check_weight_record(folder / member)
        if new["commit"] != old["commit"]:
            raise InputError(
                f"{archive}: its answers are of {new['repository']} at {new['commit']}, and {folder.resolve()} has "
                f"{old['commit'] or 'no commit'} for {new['revision'] or 'the newest'!r}; unpack into another folder; "
                "nothing was unpacked"
            )


def is_usable_record(path: Path) -> bool:
    """Whether there is a record that is not damaged."""
    try:
        return path.is_file() and bool(check_weight_record(path))
    except ValueError:
        return False


def _sources(parameters: Path) -> Iterator[tuple[str, str]]:
    """Repository (or address) and revision of everything that the study's models are fetched from."""
    for file in sorted(parameters.glob("weights-*.json")):
        try:
            entry: Any = load_json(file.read_bytes())
            sources = weight_sources(entry)
        except (ValueError, TypeError, KeyError, AttributeError):
            continue  # of an earlier version, or edited: the next run writes it again
        for source in sources:
            yield source.get("address") or source["repository"], source.get("revision", "")
