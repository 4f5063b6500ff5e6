"""Outputs of shards that must be made again: damaged ones, and those with failed or unwanted rows, are removed."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path

from detailscribe.files.rows import read_rows
from detailscribe.operations.costs import exchanges_of
from detailscribe.operations.verify_outputs import remove_what_asks_for, set_aside
from detailscribe.study.stages import KEY_OF_FOLDER, ROW_FOLDERS, UNEQUAL, folder_of

OUTPUT = re.compile(r"\d{3,}-of-\d{3,}\.jsonl")  # other files in these folders are the user's


def remove_damaged_outputs(results: Path, scenario: str) -> list[str]:
    """Check that every output of a shard can be read and covers the prompts of its shard; set it aside otherwise.

    Returns:
        A message per file that was set aside, or removed with one that it was made from.
    """
    problems = []
    for path in outputs_of(results / scenario):
        if not path.is_file():
            continue  # made from one that was set aside
        shard = results / scenario / "shards" / path.name
        try:
            folder = folder_of(path)
            rows = read_rows(path, KEY_OF_FOLDER[folder])
            ids = Counter(row["id"] for row in rows)
            if folder == "images":
                [(row["status"], row["file"]) for row in rows]  # a KeyError otherwise
            expected = {row["id"] for row in read_rows(shard)} if shard.is_file() else set(ids)
            alike = folder in UNEQUAL or len(set(ids.values())) <= 1
            complete = set(ids) == expected and alike
            problem = "" if complete else "its rows are not those of its shard's prompts"
        except (ValueError, KeyError, TypeError) as error:
            problem = f"cannot be read ({error})"
        if problem:
            problems.append(f"{path}: {problem}; removed to {set_aside(results, path)}")
            problems += remove_what_asks_for(results, path)
    return problems


def remove_outputs_if(results: Path, scenario: str, is_unwanted: Callable[[dict], bool], reason: str) -> list[str]:
    """Remove the outputs of a scenario that hold an unwanted row; the next run makes them again, row by row.

    Returns:
        A message with the reason per removed file.
    """
    messages = []
    for path in outputs_of(results / scenario):
        if path.is_file() and any(is_unwanted(row) for row in read_rows(path)):
            path.unlink()
            messages += [f"{path}: {reason}; removed", *remove_what_asks_for(results, path)]
    return messages


def made_from_exchange(exchanges: set[str]) -> Callable[[dict], bool]:
    """A function that tells whether a row was made from one of these exchanges."""
    return lambda row: not exchanges.isdisjoint(exchanges_of([row]))


def outputs_of(folder: Path) -> list[Path]:
    """Outputs of the shards in a scenario's folder, sorted."""
    found = (path for each in ROW_FOLDERS for path in (folder / each.folder).rglob("*.jsonl"))
    return sorted(path for path in found if OUTPUT.fullmatch(path.name) and path.is_file())
