"""Verification of results and resources against their recorded digests, so that the next run remakes what changed."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detailscribe.engines.weight_records import verify_weight_records
from detailscribe.files.digests import file_sha256
from detailscribe.files.json_reader import load_json
from detailscribe.files.packed import is_there
from detailscribe.files.packing import take_out
from detailscribe.files.rows import read_rows
from detailscribe.images.image_file import image_problem
from detailscribe.images.manifest import is_foreign
from detailscribe.operations.outputs import made_from_exchange, remove_damaged_outputs, remove_outputs_if
from detailscribe.operations.packing.rescue import rescue_archives
from detailscribe.operations.verify_exchanges import verify_exchanges
from detailscribe.operations.verify_ledgers import verify_ledgers
from detailscribe.operations.verify_outputs import record_first_seen, set_aside, verify_outputs
from detailscribe.study.interacting import SHA256


def verify_study(results: Path, resources: Path, scenarios: Iterable[str]) -> list[str]:
    """Verify resources, exchanges, outputs, ledgers and images; what differs is moved away or removed.

    Whatever a table depends on carries a digest or is covered by one. Files of earlier versions have none: they are
    recorded now, and checked from the next time on.

    Returns:
        A message per problem, and a last one with the counts.
    """
    rescued = rescue_archives(results, resources / "exchanges")
    checked, messages = verify_resources(resources)
    damaged, first_exchanges, problems = verify_exchanges(results, resources / "exchanges")
    outputs, changed = verify_outputs(results)
    checked, first_rows = checked + outputs, 0
    messages = rescued + messages + problems + changed
    for scenario in scenarios:
        messages += remove_damaged_outputs(results, scenario)
        rows, problems = verify_ledgers(results, scenario)
        images, image_problems = verify_images(results, scenario)
        checked, first_rows = checked + images, first_rows + rows
        messages += problems + image_problems
        messages += remove_outputs_if(results, scenario, made_from_exchange(damaged), "made from a damaged exchange")
    first = {"files": record_first_seen(results, scenarios), "rows of ledgers": first_rows}
    named = ", ".join(f"{count} {name}" for name, count in {**first, "exchanges": first_exchanges}.items() if count)
    seen = [f"{named} of an earlier version had no digest; recorded now, checked from here on"] if named else []
    remedy = "; run again to remake them" if messages else ""
    return [*messages, *seen, f"{checked} files and every exchange checked, {len(messages)} problems{remedy}"]


def verify_images(results: Path, scenario: str) -> tuple[int, list[str]]:
    """Check every image that a manifest of the scenario names.

    A file whose bytes changed is moved to `results/{scenario}/changed/`. The folder of a changed or missing file gets
    a new mtime, so that Snakemake runs its job again. A manifest whose rows name each other's images is set aside.

    Returns:
        The number of images checked, and a message per problem.
    """
    checked, problems = 0, []
    for manifest in sorted((results / scenario / "images").glob("*/*.jsonl")):
        rows = read_rows(manifest)
        if foreign := [row for row in rows if is_foreign(manifest, row)]:
            moved = set_aside(results, manifest)
            problems.append(f"{manifest}: {len(foreign)} rows name an image that is not theirs; moved to {moved}")
            continue
        for row in rows:
            if row["status"] != "ok":
                continue
            checked += 1
            if not (problem := image_problem(results, row)):
                continue
            path = results / row["file"]
            if is_there(path):
                take_out(path)
                moved = results / scenario / "changed" / manifest.parent.name / path.name
                moved.parent.mkdir(parents=True, exist_ok=True)
                path.replace(moved)
                problem += f"; moved to {moved}"
            problems.append(f"{path} {problem}")
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
    for name, sha256 in _built_files(digests).items():
        path = digests.parent / name
        checked += 1
        if not path.is_file() or file_sha256(path) != sha256:
            digests.unlink(missing_ok=True)
            problems.append(f"{path}: not as it was built; the miniature is built again")
    fetched, changed = verify_weight_records(resources / "weights")
    return checked + fetched, problems + changed


def _built_files(digests: Path) -> dict[str, str]:
    """The digests of the demo models; empty if they are not built. A table that cannot be read names itself alone."""
    if not digests.is_file():
        return {}
    try:
        table: Any = load_json(digests.read_bytes())
        return {name: sha256 for name, sha256 in table.items() if not Path(name).is_absolute() and ".." not in name}
    except (ValueError, AttributeError):
        return {digests.name: ""}
