"""Records of fetched weights: commit, folder and SHA-256 of every file, and their verification.

`download` fetches a repository of the Hugging Face hub once and writes its record. From then on, the repository's name
and revision mean the recorded commit, and no network is needed. A record is a JSON file in `resources/weights`:
repository, revision, commit, asked (the files requested so far), folder, and files {name: SHA-256}. One that came with an
archive has no folder: the commit is known, the files are not on this machine. Imports no torch.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from detailscribe.errors import SetupError
from detailscribe.files.digests import file_sha256
from detailscribe.files.json_reader import load_json

RECORDS_FOLDER = Path("resources/weights")
FETCH_AGAIN = "run `snakemake weights -R fetch_weights`"
COMMIT, SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")
KEYS = {"repository", "revision", "commit", "asked", "files"}


def weight_record_file(path: str, revision: str) -> Path:
    """File of the record of a repository, or of a file by its URL."""
    name = re.sub(r"[^\w.@-]", "-", path.replace("/", "--") + (f"@{revision}" if revision else ""))
    return RECORDS_FOLDER / f"{name}.json"


def read_weight_record(path: str, revision: str) -> dict | None:
    """The record of a fetched repository, or None.

    Raises:
        SetupError: the record is damaged.
    """
    file = weight_record_file(path, revision)
    if not file.is_file():
        return None
    try:
        return _read(file)
    except ValueError as error:
        raise SetupError(f"{file}: {error}; delete it and {FETCH_AGAIN}") from None


def are_weights_here(path: str, revision: str) -> bool:
    """Whether a repository was fetched to this machine."""
    record = read_weight_record(path, revision)
    return record is not None and bool(record.get("folder"))


def check_weight_record(file: Path) -> dict:
    """Read a record whose every value is checked; the file name must be that of its repository and revision.

    Raises:
        ValueError: what is wrong; the message does not name the file.
    """
    record = _read(file)
    if not KEYS <= record.keys() <= KEYS | {"folder"}:
        raise ValueError(f"not a record of weights: it has the keys {', '.join(sorted(record))[:80]}")
    texts = [record[key] for key in ("repository", "revision", "commit")] + [record.get("folder", "")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("repository, revision, commit or folder is not a text")
    if file.name != weight_record_file(*texts[:2]).name:
        raise ValueError(f"it is of {record['repository'][:80]!r} at {record['revision'][:80]!r}, unlike its name")
    if record["commit"] and not COMMIT.fullmatch(record["commit"]):
        raise ValueError(f"{record['commit'][:80]!r} is not a commit")
    asked, files = record["asked"], record["files"]
    if not (isinstance(asked, list) and all(isinstance(each, str) for each in asked)):
        raise ValueError("asked is not a list of file names")
    if not (isinstance(files, dict) and files):
        raise ValueError("it names no file")
    for name, sha256 in files.items():
        if not _is_inside(name) or not (isinstance(sha256, str) and SHA256.fullmatch(sha256)):
            raise ValueError(f"{name[:80]!r} has a path that leads out of its repository, or no SHA-256")
    return record


def _read(file: Path) -> dict:
    value: Any = load_json(file.read_bytes())
    if not (isinstance(value, dict) and isinstance(value.get("commit"), str)):
        raise ValueError("damaged: it names no commit")
    return value


def _is_inside(name: str) -> bool:
    path = PurePosixPath(name)
    return bool(path.parts) and not path.is_absolute() and ".." not in path.parts and "\\" not in name


def resolve_model_path(path: str, revision: str) -> str:
    """The folder of a fetched repository; `path` itself if it was not fetched.

    Checks that the recorded files exist, not their content.

    Raises:
        SetupError: a recorded file is missing, or the record came with an archive.
    """
    record = read_weight_record(path, revision)
    if record is None:
        return path
    if not record.get("folder"):
        raise SetupError(
            f"the weights of {path} at {record['commit']}, which an archive recorded, are not on this machine: run "
            "`snakemake weights`"
        )
    for name in record["files"]:
        if not (Path(record["folder"]) / name).is_file():
            raise SetupError(f"the file {name} of {path} is no longer in {record['folder']}: {FETCH_AGAIN}")
    return record["folder"]


def verify_weight_records(folder: Path = RECORDS_FOLDER) -> tuple[int, list[str]]:
    """Compare every fetched file with its recorded digest. Of a record that came with an archive, the form is checked.

    Returns:
        How many files were checked, and a message for each that is missing or changed.
    """
    checked, problems = 0, []
    for file in sorted(folder.glob("*.json")):
        try:
            record = check_weight_record(file)
        except ValueError as error:
            problems.append(f"{file}: {error}; delete it and {FETCH_AGAIN}")
            continue
        if not record.get("folder"):
            checked += 1
            continue
        for name, sha256 in record["files"].items():
            checked += 1
            path = Path(record["folder"]) / name
            if not path.is_file():
                problems.append(f"{path}: no longer there; {FETCH_AGAIN}")
            elif file_sha256(path) != sha256:
                problems.append(changed_file_message(path))
    return checked, problems


def changed_file_message(path: Path) -> str:
    """Message for a file that differs from its record: delete the blob itself, not the cache's symlink to it."""
    return f"{path.resolve()}: not as it was fetched; delete it and {FETCH_AGAIN}"
