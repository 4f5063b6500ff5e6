"""Checking a results folder against its own digests, so that the next run remakes what changed."""

import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from detailscribe.engines.weight_records import verify_weight_records
from detailscribe.files.digests import file_sha256
from detailscribe.files.rows import read_rows
from detailscribe.images.image_set import is_intact
from detailscribe.study.interacting import SHA256
from detailscribe.study.stages import ROW_FOLDERS


def verify_rows(results: Path, scenario: str) -> list[str]:
    """Check that every output of a shard can be read and holds the prompts of its shard; what does not is removed.

    Returns:
        A sentence for each that was removed.
    """
    problems = []
    for path in _outputs(results / scenario):
        shard = results / scenario / "shards" / path.name
        if not shard.is_file():
            continue
        try:
            ids = Counter(row["id"] for row in read_rows(path))
            wanted = {row["id"] for row in read_rows(shard)}
            problem = (
                "" if set(ids) == wanted and len(set(ids.values())) <= 1 else "other rows than its shard's prompts"
            )
        except (ValueError, KeyError, TypeError) as error:
            problem = f"cannot be read ({error})"
        if problem:
            path.unlink()
            problems.append(f"{path}: {problem}; removed")
    return problems


def verify_images(results: Path, scenario: str) -> tuple[int, list[str]]:
    """Check every image that a manifest of the scenario names.

    A file whose bytes changed is moved to `results/{scenario}/changed/`. The folder of a changed or missing file gets
    a new time, which is what makes Snakemake run its job again.

    Returns:
        How many images were checked, and a sentence for each that is not as it was made.
    """
    checked, problems = 0, []
    for manifest in sorted((results / scenario / "images").glob("*/*.jsonl")):
        for row in read_rows(manifest):
            if row["status"] != "ok":
                continue
            checked += 1
            if is_intact(results, row):
                continue
            path = results / row["file"]
            if path.is_file():
                kept = results / scenario / "changed" / manifest.parent.name / path.name
                kept.parent.mkdir(parents=True, exist_ok=True)
                path.replace(kept)
                problems.append(f"{path}: bytes changed; moved to {kept}")
            else:
                problems.append(f"{path}: missing")
            path.parent.mkdir(parents=True, exist_ok=True)
            os.utime(path.parent)
    return checked, problems


def verify_resources(resources: Path) -> tuple[int, list[str]]:
    """Check the InterActing files, the miniature and fetched weights; of the first two, what changed is removed, and
    fetched or built again.

    Returns:
        How many files were checked, and a sentence for each that is not as it was.
    """
    checked, problems = 0, []
    for name, sha256 in SHA256.items():
        path = resources / "interacting" / name
        if path.is_file():
            checked += 1
            if file_sha256(path) != sha256:
                path.unlink()
                problems.append(f"{path}: not as published; removed")
    digests = resources / "miniature" / "digests.json"
    table = json.loads(digests.read_text(encoding="utf-8")) if digests.is_file() else {}
    for name, sha256 in table.items():
        path = digests.parent / name
        checked += 1
        if not path.is_file() or file_sha256(path) != sha256:
            digests.unlink(missing_ok=True)
            problems.append(f"{path}: not as it was built; the miniature is built again")
    fetched, changed = verify_weight_records(resources / "weights")
    return checked + fetched, problems + changed


def remove_outputs_if(results: Path, scenario: str, unwanted: Callable[[dict], bool]) -> list[Path]:
    """Remove the outputs of a scenario that hold an unwanted row; the next run makes them again, row by row."""
    removed = []
    for path in _outputs(results / scenario):
        if any(unwanted(row) for row in read_rows(path)):
            path.unlink()
            removed.append(path)
    return removed


def made_from_exchange(exchanges: set[str]) -> Callable[[dict], bool]:
    """Tells rows that were made from one of these exchanges."""

    def unwanted(row: dict) -> bool:
        named = row.get("exchange") or []
        return bool(exchanges & set([named] if isinstance(named, str) else named))

    return unwanted


def is_failed(row: dict) -> bool:
    """Tells rows whose work failed, as opposed to answers that were refused or could not be read."""
    return row["status"] == "failed"


def _outputs(folder: Path) -> list[Path]:
    return sorted(path for each in ROW_FOLDERS for path in (folder / each.folder).rglob("*.jsonl"))
