"""Files that the graph starts from: parameters, prompts, shards; moving a scenario to another number of shards.

Each file is written only where its content changes, so that its time means its content and Snakemake plans exactly
the shards that a change touches. Done once at the start by the main process, never by a job.
"""

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.importing import files_of
from detailscribe.locks import RESULTS
from detailscribe.prompts import read_prompts, shard_of, split
from detailscribe.records import Ledger, read_rows, rows_text, write_if_changed, write_rows
from detailscribe.study import Study


def prepare(study: Study, results: Path = RESULTS, move: bool = True) -> None:
    """Bring parameters, prompts and shards of every scenario whose prompt file is there up to date.

    Args:
        study: The study.
        results: The folder to write in.
        move: Whether finished work may move to another number of shards. Without, such a scenario is left alone, and a
            plan shows jobs that will find their work done.

    Raises:
        InputError: a prompt file of the user's is broken; nothing of that scenario was touched.
    """
    settle_times(results)
    for name, values in study.parameters().items():
        write_if_changed(results / "parameters" / f"{name}.json", _pretty(values))
    for name, folder in study.watched_folders().items():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        listing = [[str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        write_if_changed(results / "folders" / f"{name}.json", _pretty(listing))
    for name, table in study.watched_tables().items():
        files = [path for path in files_of(table) if path.is_file()]
        listing = [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        write_if_changed(results / "folders" / f"{name}.json", _pretty(listing))
    for scenario in study.scenarios:
        if move and is_cut_off(results / scenario):
            (results / scenario / "dictionary.jsonl").unlink()
        source = study.source(scenario)
        if source.is_file() and (move or not _old_shards(results / scenario, study.shards(scenario))):
            try:
                write_prompts(study, scenario, results)
            except InputError:
                if not study.is_made(scenario):
                    raise
                source.unlink()  # a rule makes it again
        for manifest in (results / scenario / "images").glob("*/*.jsonl"):
            manifest.with_suffix("").mkdir(exist_ok=True)  # a folder deleted whole must be seen as changed


def is_cut_off(scenario: Path) -> bool:
    """Whether a scenario's dictionary lacks prompts that were not dropped; its tables would be of fewer prompts, and
    nobody would know. Other outputs are checked by those that read them."""
    dictionary, dropped, prompts = (scenario / name for name in ("dictionary.jsonl", "dropped.tsv", "prompts.jsonl"))
    if not (dictionary.is_file() and dropped.is_file() and prompts.is_file()):
        return False
    accounted = {line.partition("\t")[0] for line in dropped.read_text(encoding="utf-8").splitlines()}
    try:
        accounted |= {row["id"] for row in read_rows(dictionary)}
    except ValueError:
        return True
    return not {row["id"] for row in read_rows(prompts)} <= accounted


def settle_times(results: Path, resources: Path = Path("resources")) -> None:
    """Bring the times of files that Snakemake compares out of the future, all by the same amount.

    After a clock was set back, a changed parameter would else be written with a time before that of what was made from
    the old one, and seem to be done.
    """
    times = {path: path.stat() for path in _compared(results, resources)}
    ahead = max((stat.st_mtime_ns for stat in times.values()), default=0) - time.time_ns()
    if ahead > 0:
        for path, stat in times.items():
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - ahead))


def _compared(results: Path, resources: Path) -> Iterator[Path]:
    """Files and folders whose times decide what runs; not single images, which are thousands a folder."""
    for place, folders, files in os.walk(results):
        folder, depth = Path(place), len(Path(place).relative_to(results).parts)
        if depth == 3 and folder.parts[-2] == "images":
            yield from (folder / name for name in folders)
            folders.clear()
        if depth == 1:
            folders[:] = [name for name in folders if name not in ("ledgers", "changed")]
        yield from (folder / name for name in files if not name.startswith("."))
    for place in ("miniature/digests.json", "interacting/*", "written/*"):
        yield from resources.glob(place)


def write_prompts(study: Study, scenario: str, results: Path = RESULTS) -> None:
    """Write a scenario's prompts and shards, after moving what is there from another number of shards."""
    records = read_prompts(study.source(scenario))
    folder = results / scenario
    names = study.shards(scenario)
    reshard(folder, names)
    write_if_changed(folder / "prompts.jsonl", rows_text(record.row() for record in records))
    for shard, rows in split(records, len(names)).items():
        write_if_changed(folder / "shards" / f"{shard}.jsonl", rows_text(rows))


def reshard(folder: Path, names: list[str]) -> None:
    """Move a scenario's finished work to the shards of these names; no image and no score is made anew.

    Ledgers are divided by id and images follow them. Outputs of the old layout go: jobs write them again from the
    ledgers and the exchanges. The old shard files go last, so that a kill in the middle is made good by the next call.
    """
    old = _old_shards(folder, names)
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


def _old_shards(folder: Path, names: list[str]) -> set[str]:
    return {path.stem for place in ("shards", "ledgers") for path in (folder / place).rglob("*.jsonl")} - set(names)


def _pretty(value) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"


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
