"""Scores of two sides: per metric and method how many differ, their mean difference, and the largest one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from detailscribe.capsule.compare.differences import (
    ABSENT,
    SCORES,
    Difference,
    Part,
    numbers_text,
    of_both,
)
from detailscribe.capsule.compare.paired_rows import Key, PairedRows, differing, files_below, names_below, paired_rows
from detailscribe.capsule.compare.sides import Side
from detailscribe.files.rows import SCORE_KEY
from detailscribe.study.judging.judges import GEOMETRIC

METHODS = "results/parameters/tabulate.json"
Sides = tuple[dict[Key, dict], dict[Key, dict]]
OTHER_IMAGES = "images of no method"


@dataclass(frozen=True)
class ScoreChange:
    """Scores of one metric on the images of one method, as far as both sides have them; differences are B minus A."""

    changed: int
    compared: int
    mean: float | None
    largest: float | None
    largest_of: str
    statuses: int


def compare_scores(a: Side, b: Side, ids: dict[str, set[str]]) -> Part:
    """Scores per metric and method, over the prompts that both sides have.

    A method's scores are those of the images that it chooses from, so that methods share some; the part counts each
    once.
    """
    part = Part(SCORES)
    methods = methods_of(b) or methods_of(a)
    for scenario, common in ids.items():
        folder = f"results/{scenario}/scores"
        for name in names_below(a, b, folder):
            path = f"{folder}/{name}"
            rows = paired_rows(a, b, files_below(a, path), files_below(b, path), SCORE_KEY)
            for metric, column in ((name, "score"), (f"{name}-{GEOMETRIC}", GEOMETRIC)):
                _add_metric(part, scenario, metric, column, rows, common, methods)
    return part


def methods_of(side: Side) -> dict[str, list[str]]:
    """The image sets that each method of a side's tables chooses from."""
    methods = side.record(METHODS).get("methods") if METHODS in side else None
    return {
        str(each["name"]): [str(name) for name in each["candidates"]]
        for each in (methods if isinstance(methods, list) else [])
        if isinstance(each, dict) and "name" in each and isinstance(each.get("candidates"), list)
    }


def _add_metric(
    part: Part,
    scenario: str,
    metric: str,
    column: str,
    rows: PairedRows,
    ids: set[str],
    methods: Mapping[str, list[str]],
) -> None:
    sides = _with(rows.a, ids, column), _with(rows.b, ids, column)
    if not any(sides):
        return
    found: list[Difference] = []
    common, alone = sides[0].keys() & sides[1].keys(), sides[0].keys() ^ sides[1].keys()
    changed = {key for key in common if _differs(sides[0][key], sides[1][key], column)}
    if alone:
        counts = len(sides[0].keys() - sides[1].keys()), len(sides[1].keys() - sides[0].keys())
        texts = of_both(lambda count: f"{count} scores" if count else ABSENT, *counts)
        found.append(Difference(SCORES, scenario, metric, *texts, "only one side has them", len(alone)))
    named = {name for names in methods.values() for name in names}
    others = sorted({key[1] for key in common} - named)
    for method, image_sets in {**methods, **({OTHER_IMAGES: others} if others else {})}.items():
        keys = [key for key in rows.a if key in common and key[1] in image_sets]
        if change := _change(keys, changed, sides, column):
            found.append(_difference(scenario, f"{metric} of {method}", change, keys, sides, column))
    part.add(found, len(sides[0].keys() | sides[1].keys()), len(changed) + len(alone))


def _change(keys: list[Key], changed: set[Key], sides: Sides, column: str) -> ScoreChange | None:
    moved = [key for key in keys if key in changed]
    if not moved:
        return None
    pairs = {key: (_number(sides[0][key], column), _number(sides[1][key], column)) for key in keys}
    differences = {key: b - a for key, (a, b) in pairs.items() if a is not None and b is not None}
    most = max(differences, key=lambda key: abs(differences[key]), default=None)
    return ScoreChange(
        len(moved),
        len(keys),
        sum(differences.values()) / len(differences) if differences else None,
        differences[most] if most else None,
        " ".join(most) if most else "",
        sum(sides[0][key].get("status") != sides[1][key].get("status") for key in moved),
    )


def _difference(
    scenario: str, item: str, change: ScoreChange, keys: list[Key], sides: Sides, column: str
) -> Difference:
    means = [_mean([_number(side[key], column) for key in keys]) for side in sides]
    texts = numbers_text(means[0], means[1])
    notes = [f"largest at {change.largest_of}" if change.largest else ""]
    notes += [f"{change.statuses} with another status" if change.statuses else ""]
    note = "; ".join(filter(None, notes))
    return Difference(
        SCORES, scenario, item, *texts, note, change.changed, change.compared, change.mean, change.largest
    )


def _with(rows: dict[Key, dict], ids: set[str], column: str) -> dict[Key, dict]:
    return {key: row for key, row in rows.items() if key[0] in ids and column in row}


def _differs(one: dict, other: dict, column: str) -> bool:
    """Whether two rows differ: by the score, its status, the single answers behind it."""
    if column == "score":
        return bool(differing({**one, GEOMETRIC: None}, {**other, GEOMETRIC: None}))
    return (one[column], one.get("status")) != (other[column], other.get("status"))


def _number(row: dict, column: str) -> float | None:
    value = row.get(column)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _mean(values: list[float | None]) -> float | None:
    numbers = [value for value in values if value is not None]
    return sum(numbers) / len(numbers) if numbers else None
