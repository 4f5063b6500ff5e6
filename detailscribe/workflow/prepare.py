"""Files that the graph starts from: parameters, listings of watched folders, prompts and shards.

A file is written only if its content changes, so that its mtime changes only with its content and Snakemake plans
exactly the shards that a change touches. The main process does this once at the start; a job never does.
"""

import json
import sys
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.atomic import write_if_changed
from detailscribe.files.rows import read_rows
from detailscribe.study.study import Study
from detailscribe.workflow.mtimes import COPIED, clamp_future_mtimes, copied_without_times
from detailscribe.workflow.parameters import stage_parameters
from detailscribe.workflow.run_lock import RESULTS
from detailscribe.workflow.shard_files import old_shards, write_prompts
from detailscribe.workflow.watched import listings


def prepare(study: Study, results: Path = RESULTS, move: bool = True) -> None:
    """Update parameters, listings, and the prompts and shards of every scenario whose prompt file exists.

    Args:
        study: The study.
        results: The folder to write in.
        move: Whether finished work may move to another number of shards. If not, such a scenario is left as it is, and
            a plan shows jobs that will find their work done.

    Raises:
        InputError: a prompt file of the user's is invalid; nothing of that scenario was changed.
    """
    if copied_without_times(results, settle=move):
        print(COPIED, file=sys.stderr)
    clamp_future_mtimes(results)
    for name, values in stage_parameters(study).items():
        write_if_changed(results / "parameters" / f"{name}.json", _pretty_json(values))
    for name, listing in listings(study).items():
        write_if_changed(results / "folders" / f"{name}.json", _pretty_json(listing))
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
            manifest.with_suffix("").mkdir(exist_ok=True)  # a deleted folder must count as changed


def is_incomplete(scenario: Path) -> bool:
    """Whether a scenario's dictionary lacks prompts that were not dropped.

    Its tables would silently cover fewer prompts. Other outputs are checked by the jobs that read them.
    """
    dictionary, dropped, prompts = (scenario / name for name in ("dictionary.jsonl", "dropped.tsv", "prompts.jsonl"))
    if not (dictionary.is_file() and dropped.is_file() and prompts.is_file()):
        return False
    accounted = {line.partition("\t")[0] for line in dropped.read_text(encoding="utf-8").splitlines()}
    try:
        accounted |= {row["id"] for row in read_rows(dictionary)}
    except ValueError:
        return True
    return not {row["id"] for row in read_rows(prompts)} <= accounted


def _pretty_json(value: object) -> str:
    return json.dumps(value, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
