"""Verification of outputs against the digests that their jobs recorded; changed files are moved to results/changed/."""

from collections.abc import Iterable
from itertools import chain
from pathlib import Path

from detailscribe.files.digests import file_sha256
from detailscribe.files.output_records import forget_outputs, record_outputs, recorded_outputs, recorded_sha256
from detailscribe.files.packing import take_out
from detailscribe.files.rows import read_rows
from detailscribe.study.stages import JUDGING_TABLES, REPORT_TABLES, ROW_FOLDERS, folder_of

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
    take_out(path)
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
            problems += remove_what_asks_for(results, output)
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


def remove_what_asks_for(results: Path, output: Path) -> list[str]:
    """Remove what was made from a file that is gone and that no target asks for, so that the next run makes both again.

    These files are noun phrases, of which a table counts the tokens, and parts, of which judges hold the values: where
    nothing is to be made from it, Snakemake does not miss a file.

    Returns:
        A message per removed file; one that was changed by hand is set aside.
    """
    made: list[Path] = []
    if folder_of(output) == "noun_phrases":
        made = [output.parent.parent / "tables" / "truncation.csv"]
    elif folder_of(output) == "parts":
        scores = sorted(output.parent.parent.glob(f"scores/judge-*/{output.name}"))
        made = [path for path in scores if _is_about_parts(path)]
    messages = []
    for path in [path for path in made if path.is_file()]:
        place = "removed"
        if recorded_sha256(results, path) in (None, file_sha256(path)):
            path.unlink()
            forget_outputs(results, [path])
        else:
            place = f"moved to {set_aside(results, path)}"
        messages.append(f"{path}: made from {output}, which is made again; {place}")
    return messages


def _is_about_parts(scores: Path) -> bool:
    """Whether a judge was asked about parts. A file that cannot be read is the matter of `remove_damaged_outputs`."""
    try:
        return any("parts" in row for row in read_rows(scores))
    except ValueError:
        return False
