"""Outputs of shards that must be made again: damaged ones, and those with failed or unwanted rows, are removed."""

from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

from detailscribe.files.rows import read_rows
from detailscribe.operations.costs import exchanges_of
from detailscribe.study.stages import ROW_FOLDERS


def remove_failed(results: Path, scenarios: Iterable[str]) -> list[str]:
    """Remove damaged outputs, and outputs with a failed row; the next run retries these rows and keeps the others.

    Returns:
        A message per removed file, and a last one with their number.
    """
    messages = []
    for scenario in scenarios:
        messages += remove_damaged_outputs(results, scenario)
        removed = remove_outputs_if(results, scenario, is_failed)
        messages += [f"{path}: has failed rows; removed" for path in removed]
    return [*messages, f"{len(messages)} files removed"]


def remove_damaged_outputs(results: Path, scenario: str) -> list[str]:
    """Check that every output of a shard can be read and covers the prompts of its shard; remove it otherwise.

    Returns:
        A message per removed file.
    """
    problems = []
    for path in _outputs(results / scenario):
        shard = results / scenario / "shards" / path.name
        if not shard.is_file():
            continue
        try:
            ids = Counter(row["id"] for row in read_rows(path))
            expected = {row["id"] for row in read_rows(shard)}
            complete = set(ids) == expected and len(set(ids.values())) <= 1
            problem = "" if complete else "its rows are not those of its shard's prompts"
        except (ValueError, KeyError, TypeError) as error:
            problem = f"cannot be read ({error})"
        if problem:
            path.unlink()
            problems.append(f"{path}: {problem}; removed")
    return problems


def remove_outputs_if(results: Path, scenario: str, is_unwanted: Callable[[dict], bool]) -> list[Path]:
    """Remove the outputs of a scenario that hold an unwanted row; the next run makes them again, row by row."""
    removed = []
    for path in _outputs(results / scenario):
        if any(is_unwanted(row) for row in read_rows(path)):
            path.unlink()
            removed.append(path)
    return removed


def made_from_exchange(exchanges: set[str]) -> Callable[[dict], bool]:
    """A function that tells whether a row was made from one of these exchanges."""
    return lambda row: not exchanges.isdisjoint(exchanges_of([row]))


def is_failed(row: dict) -> bool:
    """Whether the work of a row failed, as opposed to a refused or unparsed answer."""
    return row["status"] == "failed"


def _outputs(folder: Path) -> list[Path]:
    return sorted(path for each in ROW_FOLDERS for path in (folder / each.folder).rglob("*.jsonl"))
