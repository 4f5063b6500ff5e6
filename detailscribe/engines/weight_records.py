"""Records of fetched weights: commit, folder and SHA-256 of every file, and their verification.

`download` fetches a repository of the Hugging Face hub once and writes its record. From then on, the repository's name
and revision mean the recorded commit, and no network is needed. A record is a JSON file in `resources/weights`:
repository, revision, commit, asked (the files requested so far), folder, and files {name: SHA-256}. Imports no torch.
"""

import json
import re
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.digests import file_sha256

RECORDS_FOLDER = Path("resources/weights")
FETCH_AGAIN = "run `snakemake weights -R fetch_weights`"


def weight_record_file(path: str, revision: str) -> Path:
    """File of the record of a repository, or of a file by its URL."""
    name = re.sub(r"[^\w.@-]", "-", path.replace("/", "--") + (f"@{revision}" if revision else ""))
    return RECORDS_FOLDER / f"{name}.json"


def read_weight_record(path: str, revision: str) -> dict | None:
    """The record of a fetched repository, or None."""
    file = weight_record_file(path, revision)
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else None


def resolve_model_path(path: str, revision: str) -> str:
    """The folder of a fetched repository; `path` itself if it was not fetched.

    Checks that the recorded files exist, not their content.

    Raises:
        SetupError: a recorded file is missing.
    """
    record = read_weight_record(path, revision)
    if record is None:
        return path
    for name in record["files"]:
        if not (Path(record["folder"]) / name).is_file():
            raise SetupError(f"the file {name} of {path} is no longer in {record['folder']}: {FETCH_AGAIN}")
    return record["folder"]


def verify_weight_records(folder: Path = RECORDS_FOLDER) -> tuple[int, list[str]]:
    """Compare every fetched file with its recorded digest.

    Returns:
        How many files were checked, and a message for each that is missing or changed.
    """
    checked, problems = 0, []
    for file in sorted(folder.glob("*.json")):
        record = json.loads(file.read_text(encoding="utf-8"))
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
