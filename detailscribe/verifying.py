"""Checking a results folder against its own digests, so that the next run remakes what changed."""

import json
import os
from pathlib import Path

from detailscribe.images import is_intact
from detailscribe.interacting import SHA256
from detailscribe.records import file_sha256, read_rows

WITH_EXCHANGES = ("decompositions", "critiques", "rewrites", "scores")


def verify_images(results: Path, scenario: str) -> tuple[int, list[str]]:
    """Check every image that a manifest of the scenario names.

    A file whose bytes changed is moved to `results/{scenario}/changed/`. The folder of a changed or missing file gets
    a new time, which is what makes Snakemake run its job again.

    Returns:
        How many images were checked, and a sentence for each that is not as it was made.
    """
    checked, problems = 0, []
    for manifest in sorted((results / scenario / "images").glob("*/*.jsonl")):
        try:
            rows = read_rows(manifest)
        except ValueError as error:
            manifest.unlink()
            problems.append(f"{error}; removed")
            continue
        for row in rows:
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
    """Check the InterActing files and the miniature; what changed is removed, and fetched or built again.

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
    return checked, problems


def drop_rows_of(results: Path, scenario: str, exchanges: set[str]) -> list[Path]:
    """Remove the outputs of a scenario that hold a row made from one of these exchanges; they are asked for again."""
    removed = []
    for place in WITH_EXCHANGES:
        for path in sorted((results / scenario / place).rglob("*.jsonl")):
            named = {name for row in read_rows(path) for name in _exchanges(row)}
            if named & exchanges:
                path.unlink()
                removed.append(path)
    return removed


def drop_failed(results: Path, scenario: str) -> list[Path]:
    """Remove the outputs of a scenario that hold a `failed` row, so that the next run tries those rows again."""
    removed = []
    for path in sorted((results / scenario).rglob("*.jsonl")):
        place = path.relative_to(results / scenario).parts[0]
        if place in (*WITH_EXCHANGES, "images") and any(row["status"] == "failed" for row in read_rows(path)):
            path.unlink()
            removed.append(path)
    return removed


def _exchanges(row: dict) -> list[str]:
    value = row.get("exchange")
    return value if isinstance(value, list) else [value] if value else []
