"""Moving finished work to another number of shards."""

import shutil
from pathlib import Path

from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import write_rows
from detailscribe.study.shards import shard_of


def reshard(folder: Path, names: list[str]) -> None:
    """Move a scenario's finished work to the shards of these names; no image and no score is made anew.

    Ledgers are divided by id and images follow them. Outputs of the old layout go: jobs write them again from the
    ledgers and the exchanges. The old shard files go last, so that a kill in the middle is made good by the next call.
    """
    old = old_shards(folder, names)
    if not old:
        return
    for ledger_folder in sorted({path.parent for path in (folder / "ledgers").rglob("*.jsonl")}):
        _divide(ledger_folder, old, names, folder.parent)
    for shard in old:
        for path in folder.rglob(shard):
            shutil.rmtree(path)
        for path in folder.rglob(f"{shard}.jsonl"):
            if path.parent != folder / "shards":
                path.unlink()
    for shard in old:
        (folder / "shards" / f"{shard}.jsonl").unlink(missing_ok=True)


def old_shards(folder: Path, names: list[str]) -> set[str]:
    return {path.stem for place in ("shards", "ledgers") for path in (folder / place).rglob("*.jsonl")} - set(names)


def _divide(ledger_folder: Path, old: set[str], names: list[str], results: Path) -> None:
    divided: dict[str, dict[tuple[str, str], dict]] = {}
    for shard in sorted(old) + names:  # what the new layout already holds comes last and wins
        for row in Ledger(ledger_folder / f"{shard}.jsonl").rows():
            home = shard_of(row["id"], len(names))
            if row.get("file"):
                source = results / row["file"]
                target = source.parent.parent / home / source.name
                if source.is_file() and source != target:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    source.replace(target)
                row["file"] = str(target.relative_to(results))
            divided.setdefault(home, {})[row["id"], row["key"]] = row
    for shard, rows in divided.items():
        write_rows(ledger_folder / f"{shard}.jsonl", rows.values())
