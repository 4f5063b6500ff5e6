"""Comparisons with the baseline, for planning: from scores, ratings and pairs of a pilot or study."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detailscribe.human.judges.assisted import judge_value_of_selection
from detailscribe.human.rating_statistics import selected_ratings
from detailscribe.operations.power.spreads import (
    Spread,
    explained_variance,
    spread_of_repeats,
    spread_of_selection,
)
from detailscribe.tables.honest.oracle_cells import honest_selection, is_oracle
from detailscribe.tables.intervals import EQUAL
from detailscribe.tables.score_table import ScoreTable
from detailscribe.tables.selection import select_scores

MEANS, PAIRS, ASSISTED = "means", "pairs", "assisted"  # designs
HUMAN = "human"  # metric of people's marks; people's pairs have it, too
MARKS_WIDTH, PAIRS_WIDTH = 4.0, 2.0  # of marks from 1 to 5, and of a preference from -1 to 1
ORACLE = "oracle cell: not comparable with one image"
PILOT, PUBLISHED = "pilot", "published"  # sources; a table of the user's is named by its file


@dataclass(frozen=True)
class Comparison:
    """One method against the baseline under one metric.

    Attributes:
        scenario: Name; empty if the spread belongs to none.
        design: MEANS, PAIRS or ASSISTED.
        metric: Column of the tables, HUMAN, or the judge of the pairs.
        method, baseline: Rows of the tables.
        source: PILOT, PUBLISHED or a file and line.
        spread: Of the differences (pairs: of the net preference, from -1 to 1).
        observed: Mean difference in the data; None without data.
        family: Comparisons that Holm's correction counts with this one.
        judge: Of an assisted comparison, the judge beside the people.
        width: Of the metric's scale; None if it has no end.
        note: Where a number of the spread comes from, if it needs saying.
        selection: Of the method's images, as in the main table; empty where people or a judge of pairs see one.
    """

    scenario: str
    design: str
    metric: str
    method: str
    baseline: str
    source: str
    spread: Spread
    observed: float | None
    family: int
    judge: str = ""
    width: float | None = None
    note: str = ""
    selection: str = ""


def compare_means(
    scenario: str,
    scores: ScoreTable,
    methods: Sequence[dict],
    baseline: str,
    ranges: dict[str, list[float] | None],
    oracles: Mapping,
) -> list[Comparison]:
    """Comparisons of the headline rows of the main table, over its complete prompts.

    Where a headline is an oracle cell, which is higher than one image even if all are equally good, its honest row
    follows. Each counts the family in which the table corrects it: the headline rows, or else the honest rows.

    Args:
        scenario: Name of the scenario.
        scores: Its scores, or those there are so far.
        methods: Rows: name, candidates, headline.
        baseline: Name of the method that the others are compared with.
        ranges: Lowest and highest possible score by metric.
        oracles: Of `oracle_settings`.
    """
    by_name = {method["name"]: method for method in methods if method["candidates"]}
    found: list[Comparison] = []
    if baseline not in by_name:
        return found
    headlines = honest_rows = 0
    other = by_name[baseline]
    for metric in scores.metrics:
        low, high = scores.limits(metric, ranges)
        width = (high - low) if ranges.get(metric) else None
        for name, method in by_name.items():
            if name == baseline:
                continue
            honest = honest_selection(method, metric, scores.metrics, oracles)
            for selection in dict.fromkeys(filter(None, (method["headline"], honest))):
                each = _values(scores, method, metric, selection) - _values(scores, other, metric, other["headline"])
                each[np.abs(each) <= EQUAL * np.nan_to_num(high - low)] = 0
                if not np.isnan(each).all():
                    headlines += selection == method["headline"]
                    honest_rows += selection == honest
                spread = _spread_of_scores(scores, metric, (method, selection), (other, other["headline"]), each)
                if spread is None:
                    continue
                common = (scenario, MEANS, metric, name, baseline, PILOT, spread, float(np.nanmean(each)), 0)
                oracle = is_oracle(selection, metric, oracles.get("on_the_way", {}).get(name, ()))
                found.append(Comparison(*common, width=width, selection=selection, note=ORACLE if oracle else ""))
    return [
        replace(each, family=headlines if each.selection == by_name[each.method]["headline"] else honest_rows)
        for each in found
    ]


def _values(scores: ScoreTable, method: Mapping, metric: str, selection: str, draw: int | None = None) -> np.ndarray:
    """(prompts,) scores of a selection, NaN outside the complete prompts; of one draw of the metric if it is given."""
    return np.where(scores.complete, _selected(scores, method, metric, selection, draw), np.nan)


def _selected(scores: ScoreTable, method: Mapping, metric: str, selection: str, draw: int | None = None) -> np.ndarray:
    """As `_values`, of all prompts."""
    names = list(method["candidates"])
    arrays = {each: scores.array(each, names) for each in scores.metrics}
    if draw is not None:
        repeats = scores.repeats(metric, names)
        arrays[metric] = arrays[metric] if repeats is None else repeats[:, :, draw]
    if selection.startswith("by:") and selection.removeprefix("by:") not in arrays:
        return np.full(len(scores.ids), np.nan)  # its metric has no scores yet
    return select_scores(arrays[metric], selection, names, arrays)


def _spread_of_scores(
    scores: ScoreTable, metric: str, row: tuple[dict, str], baseline: tuple[dict, str], differences: np.ndarray
) -> Spread | None:
    """Spread of the differences of two (method, selection), with the noise of a judge's draws where it is known."""
    repeats = scores.repeats(metric, [*row[0]["candidates"], *baseline[0]["candidates"]])
    if repeats is None:
        return spread_of_repeats(differences[:, None])[1]
    draws = range(repeats.shape[2])
    ours, theirs = (
        np.stack([_values(scores, method, metric, selection, draw) for draw in draws], axis=1)
        for method, selection in (row, baseline)
    )
    single = ours - theirs
    single[np.isnan(differences)] = np.nan
    if {"oracle", f"by:{metric}"} & {row[1], baseline[1]}:
        spread = spread_of_selection(differences, single)
        return spread or spread_of_repeats(differences[:, None])[1]
    return spread_of_repeats(single)[1]


def compare_ratings(
    scenario: str,
    ratings: Iterable[dict],
    rated: Sequence[dict],
    baseline: str,
    scores: ScoreTable | None,
    methods: Sequence[dict],
) -> list[Comparison]:
    """Comparisons of people's marks under the headline of the human table, alone and assisted by each judge or metric.

    Args:
        scenario: Name of the scenario.
        ratings: Rows rater, id, image_set, rating.
        rated: Rated methods: name, candidates.
        baseline: Name of the method that the others are compared with.
        scores: Of the scenario; None if there are none.
        methods: Rows of the main table: name, candidates, headline.
    """
    candidates = {method["name"]: method for method in rated if method["candidates"]}
    keys, selected, ids = selected_ratings(list(ratings), list(candidates.values()))
    headlines = {method: (column, selection) for column, (method, selection, headline) in enumerate(keys) if headline}
    found: list[Comparison] = []
    if baseline not in headlines:
        return found
    rows = {method["name"]: method for method in methods}
    compared = [name for name in headlines if name != baseline]
    for name in compared:
        differences = selected[:, headlines[name][0]] - selected[:, headlines[baseline][0]]
        prompts, repeats = _by_prompt(differences, ids)
        means, spread = spread_of_repeats(repeats)
        if spread is None:
            continue
        observed = float(np.nanmean(means))
        people = Comparison(
            scenario, MEANS, HUMAN, name, baseline, PILOT, spread, observed, len(compared), width=MARKS_WIDTH
        )
        found.append(people)
        if scores is None:
            continue
        for metric in scores.metrics:
            ours, theirs = (
                _judged(scores, metric, candidates[each], headlines[each][1], rows.get(each))
                for each in (name, baseline)
            )
            by_id = dict(zip(scores.ids, (ours - theirs).tolist(), strict=True))
            of_judge = np.array([by_id.get(id, np.nan) for id in prompts], float)
            if np.isnan(of_judge).all():
                continue
            with_judge = replace(spread, explained=min(explained_variance(means, of_judge), spread.between))
            found.append(replace(people, design=ASSISTED, judge=metric, spread=with_judge))
    return found


def _judged(scores: ScoreTable, metric: str, rated: Mapping, selection: str, row: Mapping | None) -> np.ndarray:
    """(prompts,) scores of what raters see of a method, as the assisted table has them; NaN for none.

    A method that shows raters the one image which a metric selects (`multi_seed`, a selection) has no scores under its
    own name, so this image is selected again, as in its row of the main table.
    """
    names = list(rated["candidates"])
    if row is not None and names == [rated["name"]] and row["headline"].startswith("by:"):
        return _selected(scores, row, metric, row["headline"])
    return judge_value_of_selection(scores.array(metric, names), names, selection)


def _by_prompt(values: np.ndarray, ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Ids, and the values of each as (prompts, most values of one), filled with NaN."""
    lists: dict[str, list[float]] = {}
    for id, value in zip(ids, values.tolist(), strict=True):
        lists.setdefault(id, []).append(value)
    most = max(map(len, lists.values()), default=0)
    table = [[*each, *[np.nan] * (most - len(each))] for each in lists.values()]
    return list(lists), np.array(table, dtype=float).reshape(len(lists), most)


def compare_pairs(scenario: str, rows: Iterable[dict], baseline: str, judge: str) -> list[Comparison]:
    """Comparisons by pairs of images: the preference for a method over the baseline, as the tables of pairs have it.

    Args:
        scenario: Name of the scenario.
        rows: id, first, second (methods) and value: from -1, `second` is clearly better, to 1; None for none. A judge
            has one for each of both orders, and a prompt with one of them does not count; people have one per rater.
        baseline: Name of the method that the others are compared with.
        judge: Name of the judge, or HUMAN.
    """
    known = [row for row in rows if row["value"] is not None]
    family = len({frozenset((row["first"], row["second"])) for row in known})
    values: dict[str, list[float]] = {}
    ids: dict[str, list[str]] = {}
    for row in known:
        if baseline in (row["first"], row["second"]):
            sign, method = (1, row["first"]) if row["second"] == baseline else (-1, row["second"])
            values.setdefault(method, []).append(sign * float(row["value"]))
            ids.setdefault(method, []).append(row["id"])
    found = []
    for method in values:
        table = _by_prompt(np.array(values[method]), ids[method])[1]
        if judge != HUMAN:
            table = table[(~np.isnan(table)).sum(axis=1) > 1]
        means, spread = spread_of_repeats(table)
        if spread is not None:
            common = (scenario, PAIRS, judge, method, baseline, PILOT)
            found.append(Comparison(*common, spread, float(np.nanmean(means)), family, width=PAIRS_WIDTH))
    return found
