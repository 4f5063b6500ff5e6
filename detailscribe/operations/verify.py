"""Verification of results and resources against their recorded digests, so that the next run remakes what changed."""

import json
import os
from collections.abc import Iterable
from pathlib import Path

from detailscribe.engines.weight_records import verify_weight_records
from detailscribe.files.digests import file_sha256
from detailscribe.files.rows import read_rows
from detailscribe.images.image_file import is_intact
from detailscribe.llm.exchange_store import damaged_exchanges
from detailscribe.operations.outputs import made_from_exchange, remove_damaged_outputs, remove_outputs_if
from detailscribe.study.interacting import SHA256


def verify_study(results: Path, resources: Path, scenarios: Iterable[str]) -> list[str]:
    """Verify resources, exchanges, and the outputs and images of some scenarios; damaged files are removed or moved.

    Returns:
        A message per problem, and a last one with the counts.
    """
    checked, messages = verify_resources(resources)
    damaged = damaged_exchanges(resources / "exchanges")
    for path, problem in damaged:
        messages.append(f"{path}: {problem}; removed")
        path.unlink()
    for scenario in scenarios:
        messages += remove_damaged_outputs(results, scenario)
        images, problems = verify_images(results, scenario)
        checked += images
        messages += problems
        removed = remove_outputs_if(results, scenario, made_from_exchange({path.stem for path, _ in damaged}))
        messages += [f"{path}: made from a damaged exchange; removed" for path in removed]
    remedy = "; run again to remake them" if messages else ""
    return [*messages, f"{checked} files and every exchange checked, {len(messages)} problems{remedy}"]


def verify_images(results: Path, scenario: str) -> tuple[int, list[str]]:
    """Check every image that a manifest of the scenario names.

    A file whose bytes changed is moved to `results/{scenario}/changed/`. The folder of a changed or missing file gets
    a new mtime, so that Snakemake runs its job again.

    Returns:
        The number of images checked, and a message per changed or missing image.
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
                moved = results / scenario / "changed" / manifest.parent.name / path.name
                moved.parent.mkdir(parents=True, exist_ok=True)
                path.replace(moved)
                problems.append(f"{path}: bytes changed; moved to {moved}")
            else:
                problems.append(f"{path}: missing")
            path.parent.mkdir(parents=True, exist_ok=True)
            os.utime(path.parent)
    return checked, problems


def verify_resources(resources: Path) -> tuple[int, list[str]]:
    """Check the InterActing files, the demo models and fetched weights.

    Changed files of the first two are removed and made again by the next run.

    Returns:
        The number of files checked, and a message per changed or missing file.
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
