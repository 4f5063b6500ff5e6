"""Page of a comparison: one HTML file in the look of the report, complete, without a network."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2

from detailscribe.capsule.compare.comparison import Comparison
from detailscribe.capsule.compare.conclusion import QUESTION
from detailscribe.capsule.compare.differences import (
    ABSENT,
    INPUTS,
    TEMPLATES,
    Difference,
    Part,
    number_text,
    numbers_text,
)
from detailscribe.capsule.compare.sides import Side
from detailscribe.capsule.compare.verdicts import BETTER, LEVEL, UNDECIDED, WORSE, Cell
from detailscribe.files.atomic import write_text
from detailscribe.report.labels import Labels
from detailscribe.report.prompt_story import word_diff
from detailscribe.report.templates import PAGES, page_template

LABELS = "results/parameters/report.json"
MOST_ROWS = 300  # of a part
LONGEST = 20_000  # letters of a text that is compared word by word
SHORT = 20  # letters; longer texts are compared word by word
MARKS = {BETTER: "▲ better", WORSE: "▼ worse", UNDECIDED: ABSENT}


@dataclass(frozen=True)
class Row:
    """A difference as a row: its values, or both as one text in pieces, and further cells (text, is a number)."""

    difference: Difference
    a: str
    b: str
    pieces: list[tuple[str, str]]
    cells: list[tuple[str, bool]]


@dataclass(frozen=True)
class VerdictCell:
    a: str
    b: str
    title: str
    changed: bool


def write_page(path: Path, comparison: Comparison, sides: Sequence[Side]) -> None:
    """Write the page.

    Args:
        path: The HTML file.
        comparison: What it shows.
        sides: Sides whose labels of metrics the page uses; the first that has some.
    """
    style, script = ((PAGES / name).read_text(encoding="utf-8") for name in ("site.css", "tables.js"))
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    several = len({*comparison.a.scenarios, *comparison.b.scenarios}) > 1
    html = _template().render(
        root="",
        notice="",
        style=style,
        script=script,
        script_digest=f"sha256-{digest}",
        comparison=comparison,
        answer=comparison.conclusion.text.removeprefix(QUESTION).strip(),
        several=several,
        labels=labels_from(sides),
        level=LEVEL,
        parts=[_section(part, several) for part in comparison.parts if part.differences],
        verdicts=list(_verdicts(comparison)),
        orders=_orders(comparison),
        means=_means(comparison),
    )
    write_text(path, html)


def labels_from(sides: Iterable[Side]) -> Labels:
    """Labels of metrics, of the first side that records them in a readable form."""
    for side in sides:
        if LABELS in side:
            labels = side.record(LABELS).get("labels")
            metrics = labels.get("metrics") if isinstance(labels, dict) else None
            if isinstance(metrics, dict):
                return Labels(metrics={name: text for name, text in metrics.items() if isinstance(text, str)})
    return Labels()


def _template() -> jinja2.Template:
    """The page's template, which extends the report's base."""
    loader = jinja2.ChoiceLoader([jinja2.FileSystemLoader(folder) for folder in (Path(__file__).parent, PAGES)])
    return page_template("base.html.j2").environment.overlay(loader=loader).get_template("page.html.j2")


def _section(part: Part, several: bool) -> tuple[Part, list[Row], list[tuple[str, bool]]]:
    counted = any(each.compared is not None for each in part.differences)
    measured = any(each.mean is not None for each in part.differences)
    placed = any(each.places for each in part.differences) and part.name != INPUTS
    numbers = [*(("changed", "compared") if counted else ()), *(("mean difference", "largest") if measured else ())]
    titles = [*(["scenario"] if several else []), "what", "A", "B"]
    columns = [(title, False) for title in titles] + [(title, True) for title in numbers]
    noted = any(each.note for each in part.differences)
    columns += [*([("note", False)] if noted else []), *([("in", False)] if placed else [])]
    rows = []
    for each in part.differences[:MOST_ROWS]:
        cells = [(str(count) if count is not None else "", True) for count in (each.changed, each.compared)] * counted
        cells += [(number_text(value, True), True) for value in (each.mean, each.largest)] * measured
        cells += [(each.note, False)] * noted + [(", ".join(each.places), False)] * placed
        rows.append(Row(each, each.a, each.b, _pieces(each), cells))
    return part, rows, columns


def _pieces(each: Difference) -> list[tuple[str, str]]:
    """Both texts as one with what was removed and added, where that reads better than two."""
    lengths = len(each.a), len(each.b)
    prose = each.part in (INPUTS, TEMPLATES) and ABSENT not in (each.a, each.b)
    return word_diff(each.a, each.b) if prose and SHORT < max(lengths) <= LONGEST else []


def _verdicts(comparison: Comparison) -> Iterable[tuple[str, list[str], list[tuple[str, list[VerdictCell]]]]]:
    """(scenario, metrics, lines): a cell per metric for each method and the one that it is compared with."""
    a, b = (each.verdicts for each in comparison.outcome)
    keys = [key for key in [*a, *(key for key in b if key not in a)] if not key[2].startswith("published ")]
    for scenario in dict.fromkeys(key[0] for key in keys):
        of_scenario = [key for key in keys if key[0] == scenario]
        metrics = list(dict.fromkeys(key[1] for key in of_scenario))
        lines = []
        for what in dict.fromkeys(key[2] for key in of_scenario):
            cells = [_verdict(a.get((scenario, name, what)), b.get((scenario, name, what))) for name in metrics]
            lines.append((what, cells))
        yield scenario, metrics, lines


def _verdict(one: Cell | None, other: Cell | None) -> VerdictCell:
    texts = [MARKS.get(cell.verdict, cell.verdict) if cell else "" for cell in (one, other)]
    numbers = [
        f"{letter}: difference {number_text(cell.difference, True)}, p {number_text(cell.p)}"
        for letter, cell in (("A", one), ("B", other))
        if cell
    ]
    changed = texts[0] != texts[1]
    texts = [text or "none" for text in texts] if changed else texts
    return VerdictCell(texts[0], texts[1], "; ".join(numbers), changed)


def _orders(comparison: Comparison) -> list[tuple[str, str, str, str, str]]:
    a, b = (each.orders for each in comparison.outcome)
    return [(*key, a.get(key, ""), b.get(key, "")) for key in [*a, *(key for key in b if key not in a)]]


def _means(comparison: Comparison) -> list[tuple]:
    a, b = (each.means for each in comparison.outcome)
    rows = []
    for key in [*a, *(key for key in b if key not in a)]:
        one, other = (side[key][0] if key in side else None for side in (a, b))
        change = other - one if one is not None and other is not None else None
        rows.append((*key, *numbers_text(one, other), number_text(change, True)))
    return rows
