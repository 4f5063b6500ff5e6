"""Records of fetched weights: commit, folder and SHA-256 of every file, and their verification.

`download` fetches a repository of the Hugging Face hub once and writes its record. From then on, the repository's name
and revision mean the recorded commit, and no network is needed. A record is a JSON file in `resources/weights`:
repository, revision, commit, asked (the files requested so far), folder, and files {name: SHA-256}. One that came with
an archive has no folder: the commit is known, the files are not on this machine. Imports no torch.
"""

import re
from pathlib import Path, PurePosixPath
from typing import Any

from detailscribe.errors import SetupError
from detailscribe.files.digests import digest, file_sha256
from detailscribe.files.json_reader import load_json

RECORDS_FOLDER = Path("resources/weights")
FETCH_AGAIN = "run `snakemake weights -R fetch_weights`"
COMMIT, SHA256 = re.compile("[0-9a-f]{40}"), re.compile("[0-9a-f]{64}")
KEYS = {"repository", "revision", "commit", "asked", "files"}


def weight_record_file(path: str, revision: str, root: Path = Path()) -> Path:
    """File of the record of a repository, or of a file by its URL.

    The branches `x/y` and `x-y` have files of their own, but where a record of `x/y` has the name that both had before.

    Args:
        root: Folder of the study.
    """
    plain, distinct = _file_names(path, revision)
    if distinct == plain or _names(root / RECORDS_FOLDER / plain, path, revision):
        return RECORDS_FOLDER / plain
    return RECORDS_FOLDER / distinct


def _file_names(path: str, revision: str) -> tuple[str, str]:
    """Names that the file of a record may have: the plain one, and one with a digest if another branch shares that."""
    stem = path.replace("/", "--") + (f"@{revision}" if revision else "")
    plain = re.sub(r"[^\w.@-]", "-", stem)
    mark = "" if not revision or plain.endswith(f"@{revision}") else f"-{digest(revision)[:8]}"
    return f"{plain}.json", f"{plain}{mark}.json"


def _names(file: Path, path: str, revision: str) -> bool:
    """Whether a file is a record of this repository and revision."""
    try:
        record = _read(file)
    except (OSError, ValueError):
        return False
    return (record.get("repository", path), record.get("revision", revision)) == (path, revision)


def read_weight_record(path: str, revision: str) -> dict | None:
    """The record of a fetched repository, or None: there is none, or the file is that of another branch.

    Raises:
        SetupError: the record is damaged.
    """
    file = weight_record_file(path, revision)
    if not file.is_file():
        return None
    try:
        record = {"asked": [], "files": {}, **_read(file)}
        _check_values(record)
    except (OSError, ValueError) as error:
        raise SetupError(f"{file}: {error}; delete it and {FETCH_AGAIN}") from None
    others = record.get("repository", path), record.get("revision", revision)  # absent in old records
    return record if others == (path, revision) else None


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
    _check_values(record)
    if not record["files"]:
        raise ValueError("it names no file")
    if file.name not in _file_names(record["repository"], record["revision"]):
        raise ValueError(f"it is of {record['repository'][:80]!r} at {record['revision'][:80]!r}, unlike its name")
    if record["commit"] and not COMMIT.fullmatch(record["commit"]):
        raise ValueError(f"{record['commit'][:80]!r} is not a commit")
    for name, sha256 in record["files"].items():
        if not _is_inside(name) or not SHA256.fullmatch(sha256):
            raise ValueError(f"{name[:80]!r} has a path that leads out of its repository, or no SHA-256")
    return record


def _check_values(record: dict) -> None:
    texts = [record.get(key, "") for key in ("repository", "revision", "commit", "folder")]
    if not all(isinstance(text, str) for text in texts):
        raise ValueError("damaged: repository, revision, commit or folder is not a text")
    asked, files = record.get("asked"), record.get("files")
    if not (isinstance(asked, list) and all(isinstance(each, str) for each in asked)):
        raise ValueError("damaged: asked is not a list of file names")
    if not (isinstance(files, dict) and all(isinstance(each, str) for each in files.values())):
        raise ValueError("damaged: it names no files with their SHA-256")


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
