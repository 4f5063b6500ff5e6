"""Comparison as text for a terminal and as CSV: the answer first, then what differs, then what is the same."""

from __future__ import annotations

import shutil
import textwrap
from pathlib import Path

from detailscribe.capsule.compare.comparison import Comparison, SideFacts
from detailscribe.capsule.compare.conclusion import QUESTION
from detailscribe.capsule.compare.differences import (
    RANKINGS,
    SCORES,
    Difference,
    Part,
    excerpts,
    float_of,
    number_text,
    plain,
)
from detailscribe.files.rows import write_csv

MOST = 5  # lines of a part
WIDEST, NARROWEST, NOT_KNOWN = 160, 80, 120  # letters of a line; the last where there is no terminal
COLUMNS = [
    *("part", "scenario", "item", "a", "b", "changed", "compared", "mean_difference", "largest_difference"),
    *("note", "places"),
]
FORMULA = ("=", "+", "-", "@", "\t", "\r")  # with which a spreadsheet takes a text for a formula


def terminal_text(comparison: Comparison) -> str:
    """The comparison in words; `is the conclusion the same?` is the first line."""
    width = min(WIDEST, max(NARROWEST, shutil.get_terminal_size((NOT_KNOWN, 24)).columns))
    lines = [comparison.conclusion.text, ""]
    lines += [f"  {letter}  {_side(facts)}" for letter, facts in (("A", comparison.a), ("B", comparison.b))]
    for hint in comparison.hints:
        lines += ["", *textwrap.wrap(f"Note: {hint}", width, initial_indent="  ", subsequent_indent="  ")]
    differing = [part for part in comparison.parts if part.differences]
    same = [f"{part.title.lower()} ({part.compared:,})" for part in comparison.parts if not part.differences]
    several = len({*comparison.a.scenarios, *comparison.b.scenarios}) > 1
    for part in differing:
        lines += ["", f"{part.title}: {part.changed:,} of {part.compared:,} differ", *_lines(part, several, width)]
    if same:
        lines += ["", f"The same: {', '.join(same)}" if differing else f"Nothing differs: {', '.join(same)}"]
    return "\n".join(plain(line) for line in lines) + "\n"


def write_table(path: Path, comparison: Comparison) -> None:
    """Write every difference as a row of a CSV file, after a row with the answer and one per part with its counts."""
    places = {"a": comparison.a.place, "b": comparison.b.place}
    rows: list[dict] = [{"part": "conclusion", "item": QUESTION, "note": comparison.conclusion.text, **places}]
    rows += [{"part": part.name, "changed": part.changed, "compared": part.compared} for part in comparison.parts]
    rows += [_row(each) for each in comparison.differences]
    write_csv(path, COLUMNS, [{name: _cell(row.get(name, "")) for name in COLUMNS} for row in rows])


def _row(each: Difference) -> dict:
    numbers = {"mean_difference": each.mean, "largest_difference": each.largest}
    return vars(each) | {
        "places": "; ".join(each.places),
        **{name: "" if value is None else f"{value:.9g}" for name, value in numbers.items()},
    }


def _cell(value: object) -> object:
    """A cell that no spreadsheet takes for a formula."""
    if isinstance(value, str) and value.startswith(FORMULA) and float_of(value) is None:
        return f"'{value}"
    return "" if value is None else value


def _side(facts: SideFacts) -> str:
    scenarios = ", ".join(f"{name}: {count:,} prompt{'s' * (count != 1)}" for name, count in facts.scenarios.items())
    notes = [scenarios, f"code {facts.code}" if facts.code else "", f"newest answer {facts.date}" if facts.date else ""]
    return f"{facts.place}  ({facts.kind}; {'; '.join(filter(None, notes))})"


def _lines(part: Part, several: bool, width: int) -> list[str]:
    """The first differences of a part in columns; of scores those with the most rows."""
    shown = part.differences
    if part.name == SCORES:
        shown = sorted(shown, key=lambda each: -(each.changed or 0))
    rows = [_cells(each, several, width) for each in shown[:MOST]]
    first, second = (min(max(len(row[column]) for row in rows), width // 2) for column in (0, 1))
    lines = []
    for item, change, note in rows:
        line = f"    {item:<{first}}  {change:<{second}}"
        if note and len(line) + 2 + len(note) > width:
            lines += [line.rstrip(), f"        {plain(note, width - 8)}"]
        else:
            lines.append(f"{line}  {note}".rstrip())
    if more := len(part.differences) - len(rows):
        lines.append(f"    … and {more:,} more, which --table FILE lists")
    return lines


def _cells(each: Difference, several: bool, width: int) -> tuple[str, str, str]:
    """What differs, from what to what, and what else is known of it."""
    item = f"{each.scenario} {each.item}" if several and each.scenario else each.item
    counts = f"{each.changed:,} of {each.compared:,}" if each.changed is not None and each.compared is not None else ""
    means = [f"mean {number_text(each.mean, True)}"] if each.mean is not None else []
    means += [f"largest {number_text(each.largest, True)}"] if each.largest else []
    places = f"{each.places[0]} and {len(each.places) - 1} more" if len(each.places) > 1 else "".join(each.places)
    change = " → ".join(excerpts(each.a, each.b, width // 4))
    notes = [counts, ", ".join(means), plain(each.note), places]
    if each.part == RANKINGS and each.note:
        change, notes = plain(each.note, width // 2), []
    elif each.a == each.b:
        change, notes = notes[0], notes[1:]
    return plain(item, width // 2), change, "; ".join(filter(None, notes))
