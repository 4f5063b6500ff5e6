"""Verification of outputs against the digests that their jobs recorded; changed files are moved to results/changed/."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from detailscribe.files.digests import file_sha256
from detailscribe.files.output_records import forget_outputs, record_outputs, recorded_outputs, recorded_sha256
from detailscribe.study.stages import JUDGING_TABLES, REPORT_TABLES, ROW_FOLDERS

CHANGED = "changed"  # folder below results/ for files that were changed by hand
TABLES = ("scores", "main", "strata", "pooled", "truncation", *REPORT_TABLES, *chain(*JUDGING_TABLES.values()))
SHEETS = (".xlsx", ".html")  # raters may fill in a sheet where it was written


def set_aside(results: Path, path: Path) -> Path:
    """Move a changed file below `results/changed/`, and return where to. Nothing that somebody wrote is deleted.

    Its record stays until a job writes the file again, so that another file in its place is changed, too.
    """
    try:
        place = path.relative_to(results)
    except ValueError:
        place = Path(*path.parts[-4:])
    moved = results / CHANGED / place
    moved.parent.mkdir(parents=True, exist_ok=True)
    path.replace(moved)
    return moved


def verify_outputs(results: Path) -> tuple[int, list[str]]:
    """Compare every output with what its job recorded. The next run makes the changed ones again.

    Returns:
        The number of files checked, and a message per changed file.
    """
    checked, problems = 0, []
    for output, sha256 in recorded_outputs(results):
        if _is_written_at_start(output) or ("sheets" in output.parts and output.suffix in SHEETS):
            continue
        checked += 1
        if file_sha256(output) != sha256:
            problems.append(f"{output}: changed since its job wrote it; moved to {set_aside(results, output)}")
            _make_noun_phrases_again(results, output)
    return checked, problems


def record_first_seen(results: Path, scenarios: Iterable[str]) -> int:
    """Record the rows and tables of earlier versions, whose jobs recorded nothing; returns their number."""
    found = [results / "tables" / f"{name}.csv" for name in TABLES]
    for scenario in scenarios:
        folder = results / scenario
        found += [path for each in ROW_FOLDERS for path in (folder / each.folder).rglob("[0-9]*-of-[0-9]*.jsonl")]
        found += [folder / "dictionary.jsonl", folder / "dropped.tsv"]
        found += [folder / "tables" / f"{name}.csv" for name in TABLES]
    new = [path for path in found if path.is_file() and recorded_sha256(results, path) is None]
    record_outputs(results, new)
    return len(new)


def _is_written_at_start(output: Path) -> bool:
    """Whether the start of each run writes the file: it is right by now, whatever a job once recorded."""
    return output.name == "prompts.jsonl" or output.parent.name == "shards"


def _make_noun_phrases_again(results: Path, output: Path) -> None:
    """No target asks for noun phrases, so that a missing file alone is not made again: the count of their tokens is."""
    if output.parent.name == "noun_phrases":
        tokens = output.parent.parent / "tables" / "truncation.csv"
        tokens.unlink(missing_ok=True)
        forget_outputs(results, [tokens])
