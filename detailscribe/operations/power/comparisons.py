"""Comparisons with the baseline, for planning: from scores, ratings and pairs of a pilot or study."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from detailscribe.human.rating_statistics import selected_ratings
from detailscribe.operations.power.spreads import (
    Spread,
    explained_variance,
    spread_of_repeats,
    spread_of_selection,
)
from detailscribe.tables.intervals import EQUAL
from detailscribe.tables.score_table import ScoreTable
from detailscribe.tables.selection import select_scores

MEANS, PAIRS, ASSISTED = "means", "pairs", "assisted"  # designs
HUMAN = "human"  # metric of people's marks; people's pairs have it, too
MARKS_WIDTH, PAIRS_WIDTH = 4.0, 2.0  # of marks from 1 to 5, and of a preference from -1 to 1
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


Differences = dict[tuple[str, str], dict[str, float]]  # by (metric, method): difference from the baseline by prompt


def compare_means(
    scenario: str, scores: ScoreTable, methods: Sequence[dict], baseline: str, ranges: dict[str, list[float] | None]
) -> tuple[list[Comparison], Differences]:
    """Comparisons of the headline rows of the main table, over its complete prompts.

    Args:
        scenario: Name of the scenario.
        scores: Its scores, or those there are so far.
        methods: Rows: name, candidates, headline.
        baseline: Name of the method that the others are compared with.
        ranges: Lowest and highest possible score by metric.
    """
    by_name = {method["name"]: method for method in methods}
    found: list[Comparison] = []
    differences: Differences = {}
    if baseline not in by_name:
        return found, differences
    other = by_name[baseline]
    for metric in scores.metrics:
        low, high = scores.limits(metric, ranges)
        width = (high - low) if ranges.get(metric) else None
        for name, method in by_name.items():
            if name == baseline:
                continue
            each = _values(scores, method, metric) - _values(scores, other, metric)
            each[np.abs(each) <= EQUAL * np.nan_to_num(high - low)] = 0
            spread = _spread_of_scores(scores, metric, method, other, each)
            if spread is None:
                continue
            observed = float(np.nanmean(each))
            found.append(Comparison(scenario, MEANS, metric, name, baseline, PILOT, spread, observed, 0, width=width))
            differences[metric, name] = {
                id: float(value) for id, value in zip(scores.ids, each, strict=True) if not np.isnan(value)
            }
    return [replace(each, family=len(found)) for each in found], differences


def _values(scores: ScoreTable, method: dict, metric: str, draw: int | None = None) -> np.ndarray:
    """(prompts,) headline scores, NaN outside the complete prompts; of one draw of the metric alone if it is given."""
    names = list(method["candidates"])
    arrays = {each: scores.array(each, names) for each in scores.metrics}
    if draw is not None:
        repeats = scores.repeats(metric, names)
        assert repeats is not None
        arrays[metric] = repeats[:, :, draw]
    if not names or method["headline"].removeprefix("by:") not in (*arrays, "single", "oracle", "mean", *names):
        return np.full(len(scores.ids), np.nan)
    chosen = select_scores(arrays[metric], method["headline"], names, arrays)
    return np.where(scores.complete, chosen, np.nan)


def _spread_of_scores(
    scores: ScoreTable, metric: str, method: dict, baseline: dict, differences: np.ndarray
) -> Spread | None:
    repeats = scores.repeats(metric, [*method["candidates"], *baseline["candidates"]])
    if repeats is None:
        return spread_of_repeats(differences[:, None])[1]
    draws = range(repeats.shape[2])
    single = np.stack([_values(scores, method, metric, d) - _values(scores, baseline, metric, d) for d in draws], 1)
    single[np.isnan(differences)] = np.nan
    looks = {f"by:{metric}", "oracle"}
    if looks & {method["headline"], baseline["headline"]}:
        spread = spread_of_selection(differences, single)
        return spread or spread_of_repeats(differences[:, None])[1]
    return spread_of_repeats(single)[1]


def compare_ratings(
    scenario: str, ratings: Iterable[dict], methods: Sequence[dict], baseline: str, judges: Differences
) -> list[Comparison]:
    """Comparisons of people's marks under the headline of the human table, alone and assisted by each judge or metric.

    Args:
        scenario: Name of the scenario.
        ratings: Rows rater, id, image_set, rating.
        methods: Rated methods: name, candidates.
        baseline: Name of the method that the others are compared with.
        judges: Differences of the scores, of `compare_means`.
    """
    keys, selected, ids = selected_ratings(list(ratings), [method for method in methods if method["candidates"]])
    column_of = {method: column for column, (method, _, headline) in enumerate(keys) if headline}
    found: list[Comparison] = []
    if baseline not in column_of:
        return found
    compared = [name for name in column_of if name != baseline]
    for name in compared:
        prompts, repeats = _by_prompt(selected[:, column_of[name]] - selected[:, column_of[baseline]], ids)
        means, spread = spread_of_repeats(repeats)
        if spread is None:
            continue
        observed = float(np.nanmean(means))
        people = Comparison(
            scenario, MEANS, HUMAN, name, baseline, PILOT, spread, observed, len(compared), width=MARKS_WIDTH
        )
        found.append(people)
        for (metric, method), differences in judges.items():
            if method == name:
                judged = np.array([differences.get(id, np.nan) for id in prompts])
                explained = min(explained_variance(means, judged), spread.between)
                with_judge = replace(spread, explained=explained)
                found.append(replace(people, design=ASSISTED, judge=metric, spread=with_judge))
    return found


def _by_prompt(values: np.ndarray, ids: Sequence[str]) -> tuple[list[str], np.ndarray]:
    """Ids, and the values of each as (prompts, most values of one), filled with NaN."""
    lists: dict[str, list[float]] = {}
    for id, value in zip(ids, values.tolist(), strict=True):
        lists.setdefault(id, []).append(value)
    most = max(map(len, lists.values()), default=0)
    table = [[*each, *[np.nan] * (most - len(each))] for each in lists.values()]
    return list(lists), np.array(table, dtype=float).reshape(len(lists), most)


def compare_pairs(scenario: str, rows: Iterable[dict], baseline: str, judge: str) -> list[Comparison]:
    """Comparisons by pairs of images: the net preference of a method over the baseline, its repeats the two orders.

    Args:
        scenario: Name of the scenario.
        rows: id, first, second (methods) and value: from -1, `second` is clearly better, to 1; NaN or None for none.
        baseline: Name of the method that the others are compared with.
        judge: Name of the judge, or HUMAN.
    """
    values: dict[str, list[float]] = {}
    ids: dict[str, list[str]] = {}
    for row in rows:
        value = np.nan if row["value"] is None else float(row["value"])
        if baseline in (row["first"], row["second"]) and not np.isnan(value):
            sign, method = (1, row["first"]) if row["second"] == baseline else (-1, row["second"])
            values.setdefault(method, []).append(sign * value)
            ids.setdefault(method, []).append(row["id"])
    found = []
    for method in values:
        means, spread = spread_of_repeats(_by_prompt(np.array(values[method]), ids[method])[1])
        if spread is not None:
            common = (scenario, PAIRS, judge, method, baseline, PILOT)
            found.append(Comparison(*common, spread, float(np.nanmean(means)), len(values), width=PAIRS_WIDTH))
    return found
