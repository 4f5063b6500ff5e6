"""Tables of two sides, row by row: every CSV file, the dropped prompts, and what people marked."""

from __future__ import annotations

from collections import Counter
from pathlib import PurePosixPath

from detailscribe.capsule.compare.differences import ABSENT, TABLES, Difference, Part, is_withheld, of_both
from detailscribe.capsule.compare.sides import Side

RATER = "rater"  # column of names that a capsule replaces by codes
SUFFIXES = (".csv", ".tsv")


def compare_tables(a: Side, b: Side, scenarios: set[str]) -> Part:
    """Tables of the scenarios that both sides have, and of the whole study.

    Raters count by the order in which they appear, since a capsule has codes for their names.
    """
    part = Part(TABLES)
    files = sorted({file for side in (a, b) for file in side.files if file.endswith(SUFFIXES)})
    for file in files:
        names = PurePosixPath(file).parts
        scenario = "" if names[1] == "tables" else names[1]
        if scenario and scenario not in scenarios:
            continue
        part.add(_compared(a, b, file, scenario), 1)
    return part


def _compared(a: Side, b: Side, file: str, scenario: str) -> list[Difference]:
    item = file.removeprefix(f"results/{scenario}/" if scenario else "results/")
    if file not in a or file not in b:
        texts = of_both(lambda side: f"{len(side.table(file)[1])} rows" if file in side else ABSENT, a, b)
        return [Difference(TABLES, scenario, item, *texts, "only one side has it")]
    if file in b.same:
        return []
    (columns_a, rows_a), (columns_b, rows_b) = a.table(file), b.table(file)
    common = [name for name in columns_a if name in columns_b]
    withheld = {name for name in common if any(is_withheld(row[name]) for row in (*rows_a, *rows_b))}
    common = [name for name in common if name not in withheld]
    counts = [Counter(_cells(rows, common)) for rows in (rows_a, rows_b)]
    changed = max((counts[0] - counts[1]).total(), (counts[1] - counts[0]).total())
    notes = [
        f"{len(names)} columns only in {letter}: {', '.join(names[:5])}"
        for letter, names in (("A", _without(columns_a, columns_b)), ("B", _without(columns_b, columns_a)))
        if names
    ]
    if not changed and not notes and list(counts[0]) == list(counts[1]):
        return []
    notes += ["rows in another order"] if not changed and not notes else []
    notes += [f"not compared, as words are withheld: {', '.join(sorted(withheld))}"] if withheld else []
    texts = of_both(lambda rows: f"{len(rows)} rows", rows_a, rows_b)
    total = max(len(rows_a), len(rows_b))
    return [Difference(TABLES, scenario, item, *texts, "; ".join(notes), changed, total)]


def _cells(rows: list[dict[str, str]], columns: list[str]) -> list[tuple[str, ...]]:
    codes: dict[str, str] = {}
    if RATER in columns:
        for row in rows:
            codes.setdefault(row[RATER], f"rater {len(codes) + 1}")
    return [tuple(codes[row[name]] if name == RATER else row[name] for name in columns) for row in rows]


def _without(columns: list[str], common: list[str]) -> list[str]:
    return [name for name in columns if name not in common]
