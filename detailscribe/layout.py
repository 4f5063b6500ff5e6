"""Files that the graph starts from: parameters, prompts, shards; moving a scenario to another number of shards.

Each file is written only where its content changes, so that its time means its content and Snakemake plans exactly
the shards that a change touches. Done once at the start by the main process, never by a job.
"""

import contextlib
import fcntl
import json
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.prompts import read_prompts, shard_of, split
from detailscribe.records import Ledger, rows_text, write_if_changed, write_rows
from detailscribe.study import Study

RESULTS = Path("results")
LOOKING = {
    *("--dry-run", "--dryrun", "--lint", "--dag", "--rulegraph", "--filegraph", "--d3dag", "--summary", "-S"),
    *("--detailed-summary", "-D", "--list-rules", "--list", "-l", "--list-target-rules", "--lt", "--list-changes"),
    *("--list-input-changes", "--list-params-changes", "--list-untracked", "--report", "--unlock", "--containerize"),
}


def only_looks(arguments: list[str]) -> bool:
    """Whether a Snakemake command line plans or lists and runs nothing."""
    letters = r"-[npqFkR]*n[npqFkR]*"
    return any(argument.partition("=")[0] in LOOKING or re.fullmatch(letters, argument) for argument in arguments)


def lock(results: Path = RESULTS, wait_for_jobs: bool = False):
    """Take the lock of a results folder; the kernel gives it back however the process ends.

    Args:
        results: The folder.
        wait_for_jobs: Wait for jobs that outlived the run that started them (a scheduler killed alone), so that they
            do not write over newer results.

    Returns:
        The open file to keep, or None where another run has the lock.

    Raises:
        SetupError: the folder cannot be written.
    """
    try:
        results.mkdir(parents=True, exist_ok=True)
        file = open(results / ".lock", "w")  # noqa: SIM115 - held until the process ends
    except PermissionError as error:
        raise SetupError(f"{results.resolve()} cannot be written; correct its rights, or use --directory") from error
    # A file system without locks (some network ones) answers with another error; there nothing guards the folder.
    with contextlib.suppress(OSError):
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.close()
            return None
        if wait_for_jobs:
            with open(results / ".jobs", "a") as jobs:
                try:
                    fcntl.flock(jobs, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    print("Waiting for jobs that an ended run left at work.", file=sys.stderr)
                    fcntl.flock(jobs, fcntl.LOCK_EX)
    return file


@contextlib.contextmanager
def at_work(results: Path = RESULTS) -> Iterator[None]:
    """Mark the results folder as worked on by a job."""
    results.mkdir(parents=True, exist_ok=True)
    with open(results / ".jobs", "a") as jobs:
        with contextlib.suppress(OSError):
            fcntl.flock(jobs, fcntl.LOCK_SH)
        yield


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
    for name, values in study.parameters().items():
        write_if_changed(results / "parameters" / f"{name}.json", _pretty(values))
    for name, folder in study.watched_folders().items():
        files = sorted(path for path in folder.rglob("*") if path.is_file())
        listing = [[str(path.relative_to(folder)), path.stat().st_size, path.stat().st_mtime_ns] for path in files]
        write_if_changed(results / "folders" / f"{name}.json", _pretty(listing))
    for scenario in study.scenarios:
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


def write_prompts(study: Study, scenario: str, results: Path = RESULTS) -> None:
    """Write a scenario's prompts and shards, after moving what is there from another number of shards."""
    records = read_prompts(study.source(scenario))
    folder = results / scenario
    names = study.shards(scenario)
    reshard(folder, names)
    write_if_changed(folder / "prompts.jsonl", rows_text(asdict(record) for record in records))
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
