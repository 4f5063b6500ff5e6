"""Spreads without data of one's own: derived from published numbers.

The paper publishes no standard deviation. What its numbers do give: the mean of a mark from 1 to 5 bounds its spread,
and the rate at which a metric agrees with people about pairs gives the correlation of their differences.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.operations.power.comparisons import (
    ASSISTED,
    HUMAN,
    MARKS_WIDTH,
    MEANS,
    PAIRS,
    PAIRS_WIDTH,
    PUBLISHED,
    Comparison,
)
from detailscribe.operations.power.spreads import Spread
from detailscribe.tables.published import POOLED, STALE

SPREADS = "config/published_spreads.tsv"
MARKS = (1, 2, 3, 4, 5)
HUMAN_MEAN = 3.4  # of the baseline, Table 2 over its 50 prompts
RATER_SHARE = 0.5  # of the variance of one rater's mark that other raters do not share; assumed
TIES = 0.25  # share of tied pairs; assumed
ORDERS = 2.0  # in which a judge of pairs sees each
ANY = "any method"
ASSUMED_IMAGES = "two images of a prompt are assumed to correlate by {:g}"
OF_WORST = "of the worst judge that the paper measured"
Metrics = Mapping[str, tuple[str, list[float] | None]]


def spread_of_marks(mean: float) -> float:
    """Standard deviation of marks from 1 to 5 that are spread as evenly as their mean allows (maximum entropy).

    Args:
        mean: In (1, 5).
    """
    low, high = -20.0, 20.0
    for _ in range(80):  # the mean grows with the tilt
        tilt = (low + high) / 2
        weights = [math.exp(tilt * (mark - 3)) for mark in MARKS]
        reached = sum(mark * weight for mark, weight in zip(MARKS, weights, strict=True)) / sum(weights)
        low, high = (tilt, high) if reached < mean else (low, tilt)
    squares = sum((mark - reached) ** 2 * weight for mark, weight in zip(MARKS, weights, strict=True))
    return math.sqrt(squares / sum(weights))


def correlation_of_agreement(rate: float) -> float:
    """Correlation of two normal differences that have the same sign at a rate; 0 for chance and below.

    Source: the orthant probability of a bivariate normal, 1/2 + arcsin(correlation) / pi (Sheppard 1899).
    """
    return max(math.sin(math.pi * (min(rate, 1.0) - 0.5)), 0.0)


def published_spreads(path: Path) -> dict[str, tuple[float, str]]:
    """Standard deviation of an image's score and its source, by metric module.

    Raises:
        InputError: a value is not a positive number; names file and line.
    """
    found = {}
    with open(path, encoding="utf-8", newline="") as file:
        for line, row in enumerate(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE), 2):
            found[row["metric"]] = (number_of(path, line, "sd", row["sd"]), row["source"])
    return found


def published_differences(published: Sequence[dict], method: str, baseline: str) -> dict[str, float]:
    """Published mean differences over all prompts by metric, without values that are suspected stale."""
    rows = [row for row in published if row["scenario"] == POOLED and not row["note"].startswith(STALE)]
    means = {(row["method"], row["metric"]): row["value"] for row in rows}
    metrics = {metric for _, metric in means}
    return {
        metric: means[method, metric] - means[baseline, metric]
        for metric in sorted(metrics)
        if {(method, metric), (baseline, metric)} <= means.keys()
    }


def published_comparisons(
    published: Sequence[dict],
    spreads: Mapping[str, tuple[float, str]],
    metrics: Metrics,
    pairs: Mapping[str, int],
    baseline: str,
    correlation: float,
    family: int,
    rated: int,
) -> tuple[list[Comparison], list[str]]:
    """One comparison per metric, for people, for people assisted by each metric, and for pairs.

    Args:
        published: Rows of `read_published`.
        spreads: Of `published_spreads`.
        metrics: The study's, each with its module or judge's model (as `judge-{model}`) and its range.
        pairs: Judges of pairs, and HUMAN for people, each with the number of comparisons in its table.
        baseline: Name of the method that the others are compared with.
        correlation: Of the scores of two images of one prompt.
        family, rated: Comparisons of the main table and of the human table.

    Returns:
        The comparisons, and the metrics of which nothing is known.
    """
    means = {row["metric"]: row["value"] for row in published if (row["scenario"], row["method"]) == (POOLED, "sd")}
    agreement = {row["metric"]: row["value"] for row in published if row["method"] == "pairs"}
    lowest = min((rate for metric, rate in agreement.items() if metric.startswith("judge-")), default=None)
    paired = 2 * (1 - correlation)
    images = ASSUMED_IMAGES.format(correlation)

    def comparison(design: str, metric: str, spread: Spread, note: str, judge: str = "") -> Comparison:
        count = pairs[metric] if design == PAIRS else rated if metric == HUMAN else family
        width = width_of(design, metric, metrics)
        return Comparison("", design, metric, ANY, baseline, PUBLISHED, spread, None, count, judge, width, note)

    found, unknown = [], []
    mark = spread_of_marks(HUMAN_MEAN) ** 2 * paired
    people = Spread(mark * (1 - RATER_SHARE), mark * RATER_SHARE)
    note_people = f"marks of mean {HUMAN_MEAN:g} as even as that allows; raters share half of their variance; {images}"
    for metric, (module, limits) in metrics.items():
        sd, note = _spread_of_image(module, limits, means, spreads)
        if sd is None:
            unknown.append(metric)
            continue
        found.append(comparison(MEANS, metric, Spread(sd**2 * paired), f"{note}; {images}"))
    if rated:
        found.append(comparison(MEANS, HUMAN, people, note_people))
        for metric, (module, _) in metrics.items():
            rate, whose = agreement.get(module), ""
            if rate is None and module.startswith("judge-"):
                rate, whose = lowest, f", {OF_WORST}"
            if rate:
                explained = people.between * correlation_of_agreement(rate) ** 2
                assisted = Spread(people.between, people.within, explained=explained)
                note = f"{note_people}; agreement of {rate:.1%} with people{whose}"
                found.append(comparison(ASSISTED, HUMAN, assisted, note, metric))
    decided = f"{TIES:.0%} ties and the rest decided"
    for judge in pairs:
        if judge == HUMAN:
            each = Spread((1 - TIES) * (1 - RATER_SHARE), (1 - TIES) * RATER_SHARE)
            note = f"{decided}, raters share half of the variance: assumed"
        else:
            each, note = Spread(1 - TIES, repeats=ORDERS), f"{decided}, both orders alike: assumed"
        found.append(comparison(PAIRS, judge, each, note))
    return found, unknown


def width_of(design: str, metric: str, metrics: Metrics) -> float | None:
    """Width of the scale on which a comparison is; None if it has no end, or is not known.

    Args:
        design: MEANS, PAIRS or ASSISTED.
        metric: Column of the tables, HUMAN, or a judge of pairs.
        metrics: As of `published_comparisons`.
    """
    if design == PAIRS:
        return PAIRS_WIDTH
    if metric == HUMAN:
        return MARKS_WIDTH
    limits = metrics.get(metric, ("", None))[1]
    return limits[1] - limits[0] if limits else None


def _spread_of_image(
    module: str, limits: list[float] | None, means: Mapping[str, float], spreads: Mapping[str, tuple[float, str]]
) -> tuple[float | None, str]:
    """Standard deviation of an image's score, and what it is from; None if nothing is known."""
    if module in spreads:
        return spreads[module]
    if limits is None:
        return None, ""
    low, high = limits
    if module.startswith("judge-") and (low, high) == (MARKS[0], MARKS[-1]):
        mean = means.get(module, means["judge-gpt-4o"])
        return spread_of_marks(mean), f"marks of mean {mean:g} (Figure 4) as even as that allows"
    mean = means.get(module, (low + high) / 2)
    where = "Figure 4" if module in means else "assumed"
    # Bhatia and Davis 2000: no variable between two ends with this mean varies more.
    return math.sqrt((mean - low) * (high - mean)), f"the most that a mean of {mean:g} ({where}) allows"


def number_of(path: Path, line: int, name: str, text: str) -> float:
    """A number of at least 0 in a cell.

    Raises:
        InputError: it is none; names file and line.
    """
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{path}, line {line}: {name} is {text[:40]!r}; it must be a number of at least 0")
    return value
