"""Prompts and shards of a scenario on disk, and moving finished work to another number of shards."""

import shutil
from pathlib import Path

from detailscribe.files.atomic import write_if_changed
from detailscribe.files.ledger import Ledger, write_ledger
from detailscribe.files.packing import unpack
from detailscribe.files.rows import to_jsonl
from detailscribe.images.image_file import names_own_image
from detailscribe.prompts.prompt_file import read_prompts, split_into_shards
from detailscribe.study.shards import shard_of
from detailscribe.study.study import Study
from detailscribe.workflow.run_lock import RESULTS


def write_prompts(study: Study, scenario: str, results: Path = RESULTS) -> None:
    """Write a scenario's prompts and shards, after moving finished work from another number of shards."""
    records = read_prompts(study.source(scenario))
    folder = results / scenario
    names = study.shards(scenario)
    reshard(folder, names)
    write_if_changed(folder / "prompts.jsonl", to_jsonl(record.row() for record in records))
    for shard, rows in split_into_shards(records, len(names)).items():
        write_if_changed(folder / "shards" / f"{shard}.jsonl", to_jsonl(rows))


def reshard(folder: Path, names: list[str]) -> None:
    """Move a scenario's finished work to the shards of these names; no image and no score is made again.

    Ledgers are split by id, and images follow them. Outputs of the old layout are deleted: jobs write them again from
    the ledgers and the exchanges. The old shard files are deleted last, so that the next call completes a killed one.
    """
    old = old_shards(folder, names)
    if not old:
        return
    for ledger_folder in sorted({path.parent for path in (folder / "ledgers").rglob("*.jsonl")}):
        _split_ledger(ledger_folder, old, names, folder.parent)
    for shard in old:
        for path in folder.rglob(shard):
            shutil.rmtree(path)
        for path in folder.rglob(f"{shard}.jsonl"):
            if path.parent != folder / "shards":
                path.unlink()
    for shard in old:
        (folder / "shards" / f"{shard}.jsonl").unlink(missing_ok=True)


def old_shards(folder: Path, names: list[str]) -> set[str]:
    """Shards of another layout that a scenario's folder still holds."""
    return {path.stem for place in ("shards", "ledgers") for path in (folder / place).rglob("*.jsonl")} - set(names)


def _split_ledger(ledger_folder: Path, old: set[str], names: list[str], results: Path) -> None:
    rows_by_shard: dict[str, dict[tuple[str, str], dict]] = {}
    scenario, image_set = ledger_folder.parent.parent.parent.name, ledger_folder.name
    if ledger_folder.parent.name == "images":
        unpack(results / scenario / "images" / image_set / shard for shard in old)
    for shard in sorted(old) + names:  # rows of the new layout come last and win
        for row in Ledger(ledger_folder / f"{shard}.jsonl").rows():
            shard_name = shard_of(str(row["id"]), len(names))
            if ledger_folder.parent.name == "images":
                # A row that names anything but its own image here moves nothing and is dropped.
                if not names_own_image(row, scenario, image_set):
                    continue
                source = results / row["file"]
                target = source.parent.parent / shard_name / source.name
                if source.is_file() and source != target:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source.replace(target)
                row["file"] = str(target.relative_to(results))
            rows_by_shard.setdefault(shard_name, {})[row["id"], row["key"]] = row
    for shard, rows in rows_by_shard.items():
        write_ledger(ledger_folder / f"{shard}.jsonl", rows.values())
