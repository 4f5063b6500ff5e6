"""Files that the graph starts from: parameters, prompts, shards; moving a scenario to another number of shards.

Each file is written only where its content changes, so that its time means its content and Snakemake plans exactly
the shards that a change touches. Done once at the start by the main process, never by a job.
"""

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.atomic import write_if_changed
from detailscribe.files.rows import read_rows, to_jsonl
from detailscribe.images.import_table import files_of
from detailscribe.prompts.prompt_file import read_prompts
from detailscribe.study.shards import split
from detailscribe.study.study import Study
from detailscribe.workflow.reshard import old_shards, reshard
from detailscribe.workflow.run_lock import RESULTS


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
    clamp_future_mtimes(results)
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
        if move and is_incomplete(results / scenario):
            (results / scenario / "dictionary.jsonl").unlink()
        source = study.source(scenario)
        if source.is_file() and (move or not old_shards(results / scenario, study.shards(scenario))):
            try:
                write_prompts(study, scenario, results)
            except InputError:
                if not study.is_generated(scenario):
                    raise
                source.unlink()  # a rule makes it again
        for manifest in (results / scenario / "images").glob("*/*.jsonl"):
            manifest.with_suffix("").mkdir(exist_ok=True)  # a folder deleted whole must be seen as changed


def is_incomplete(scenario: Path) -> bool:
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


def clamp_future_mtimes(results: Path, resources: Path = Path("resources")) -> None:
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
    write_if_changed(folder / "prompts.jsonl", to_jsonl(record.row() for record in records))
    for shard, rows in split(records, len(names)).items():
        write_if_changed(folder / "shards" / f"{shard}.jsonl", to_jsonl(rows))


def _pretty(value) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
