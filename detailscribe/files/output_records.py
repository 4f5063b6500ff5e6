"""Records of outputs: SHA-256 of each file that a job finished, in `results/.outputs/`, for `verify` to compare.

A record is no output and no input: Snakemake never sees one. A copied folder takes its records along.
"""

import contextlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from detailscribe.files.atomic import write_text
from detailscribe.files.digests import canonical_json, file_sha256
from detailscribe.files.json_reader import load_json

FOLDER = ".outputs"  # below results/, with the paths of the outputs from the study's folder
SUFFIX = ".json"


def record_outputs(results: Path, outputs: Iterable[Path]) -> None:
    """Record files as they are now; files outside the study's folder and missing ones are passed over."""
    for output in outputs:
        record = _record_path(results, output)
        if record and output.is_file():
            write_text(record, canonical_json({"sha256": file_sha256(output)}) + "\n")


def forget_outputs(results: Path, outputs: Iterable[Path]) -> None:
    """Remove the records of files that are about to be written."""
    for output in outputs:
        if record := _record_path(results, output):
            record.unlink(missing_ok=True)


def recorded_sha256(results: Path, output: Path) -> str | None:
    """The recorded digest of a file; None if there is no record that can be read."""
    record = _record_path(results, output)
    with contextlib.suppress(OSError, ValueError, KeyError, TypeError):
        values: Any = load_json(record.read_bytes()) if record else None
        return str(values["sha256"])
    return None


def recorded_outputs(results: Path) -> Iterator[tuple[Path, str]]:
    """Every existing file that has a record, sorted, with its recorded digest."""
    folder = results / FOLDER
    for path in sorted(folder.rglob(f"*{SUFFIX}")):
        output = results.parent / path.relative_to(folder).with_suffix("")
        if not path.name.startswith(".") and output.is_file() and (sha256 := recorded_sha256(results, output)):
            yield output, sha256


def _record_path(results: Path, output: Path) -> Path | None:
    with contextlib.suppress(ValueError):
        inside = output.relative_to(results.parent)
        if ".." not in inside.parts:
            return results / FOLDER / f"{inside}{SUFFIX}"
    return None
