"""Spreads without data of one's own: derived from published numbers, or from a table of the user's.

The paper publishes no standard deviation. What its numbers do give: the mean of a mark from 1 to 5 bounds its spread,
and the rate at which a metric agrees with people about pairs gives the correlation of their differences.
"""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.table_reader import read_table
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
ANY = "any method"
ASSUMED_IMAGES = "two images of a prompt are assumed to correlate by {:g}"
NUMBERS = ("sd_of_difference", "sd", "correlation", "p", "ties", "within_sd", "repeats", "judge_correlation", "n")


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
            found[row["metric"]] = (_number(path, line, "sd", row["sd"]), row["source"])
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
    metrics: Mapping[str, tuple[str, list[float] | None]],
    pair_judges: Mapping[str, int],
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
        pair_judges: Judges of pairs, each with the number of comparisons in its table.
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

    def comparison(
        design: str, metric: str, spread: Spread, width: float | None, note: str, judge: str = ""
    ) -> Comparison:
        count = pair_judges.get(metric, rated if metric == HUMAN else family)
        return Comparison("", design, metric, ANY, baseline, PUBLISHED, spread, None, count, judge, width, note)

    found, unknown = [], []
    mark = spread_of_marks(HUMAN_MEAN) ** 2 * paired
    people = Spread(mark * (1 - RATER_SHARE), mark * RATER_SHARE)
    note_people = f"marks of mean {HUMAN_MEAN:g} as even as that allows; raters share half of their variance; {images}"
    for metric, (module, limits) in metrics.items():
        width = limits[1] - limits[0] if limits else None
        sd, note = _spread_of_image(module, limits, means, spreads)
        if sd is None:
            unknown.append(metric)
            continue
        found.append(comparison(MEANS, metric, Spread(sd**2 * paired), width, f"{note}; {images}"))
    if rated:
        found.append(comparison(MEANS, HUMAN, people, MARKS_WIDTH, note_people))
        for metric, (module, _) in metrics.items():
            rate = agreement.get(module) or (lowest if module.startswith("judge-") else None)
            if rate:
                explained = people.between * correlation_of_agreement(rate) ** 2
                assisted = Spread(people.between, people.within, explained=explained)
                note = f"{note_people}; agreement of {rate:.1%} with people"
                found.append(comparison(ASSISTED, HUMAN, assisted, MARKS_WIDTH, note, metric))
    for judge in pair_judges:
        note = f"{TIES:.0%} ties and the rest decided, both orders alike: assumed"
        found.append(comparison(PAIRS, judge, Spread(1 - TIES, repeats=2.0), PAIRS_WIDTH, note))
    return found, unknown


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


def table_comparisons(path: Path, baseline: str, correlation: float, family: int, rated: int) -> list[Comparison]:
    """Comparisons of a user's table, one per row.

    Columns: metric, and one of `sd_of_difference`, `sd` (of an image's score), `p` (share of prompts at 1 under a yes
    or no). Optional: design (means, pairs, assisted), method, `correlation` of two images of a prompt, `ties` (share
    of tied pairs, in place of a spread), `within_sd` (of the difference by one draw, order or rater around its prompt)
    and `repeats` behind the spread, `judge` and `judge_correlation` (assisted: of people's and the judge's
    differences), `n` (prompts behind the numbers).

    Args:
        path: A .csv, .tsv or .jsonl file.
        baseline: Name of the method that the others are compared with.
        correlation: Used where a row has none.
        family, rated: Comparisons of the main table and of the human table.

    Raises:
        InputError: a value is missing, no number or out of range; names file and line.
    """
    if not path.is_file():
        raise InputError(f"power: source: {path} is no file; correct it, or use auto, pilot or published")
    found = []
    for line, row in read_table(path, [("metric",)]):
        cells = {name: str(value).strip() for name, value in row.items() if value is not None}
        place = f"{path}, line {line}"
        numbers = {name: _number(path, line, name, cells[name]) for name in NUMBERS if cells.get(name)}
        design = cells.get("design") or MEANS
        if design not in (MEANS, PAIRS, ASSISTED):
            raise InputError(f"{place}: design is {design!r}; write {MEANS}, {PAIRS} or {ASSISTED}")
        if not cells.get("metric"):
            raise InputError(f"{place}: no metric; name one, as clip_score, judge-main or {HUMAN}")
        for name in ("correlation", "p", "ties", "judge_correlation"):
            if numbers.get(name, 0.0) > 1:
                raise InputError(f"{place}: {name} is {numbers[name]:g}; it lies between 0 and 1")
        if numbers.get("repeats", 1.0) < 1:
            raise InputError(f"{place}: repeats is {numbers['repeats']:g}; it is 1 or more")
        variance = _variance(place, numbers, 2 * (1 - numbers.get("correlation", correlation)))
        repeats, within = numbers.get("repeats", 1.0), numbers.get("within_sd")
        between = variance if within is None else variance - within**2 / repeats
        if between < 0:
            raise InputError(f"{place}: within_sd {within:g} explains more than the whole spread; correct one of them")
        share = numbers.get("judge_correlation", 0.0) ** 2 if design == ASSISTED else 0.0
        if design == ASSISTED and "judge_correlation" not in numbers:
            raise InputError(f"{place}: an assisted comparison needs judge_correlation, between 0 and 1")
        spread = Spread(
            between, None if within is None else within**2, repeats, variance * share, int(numbers.get("n", 0))
        )
        metric, method = cells["metric"], cells.get("method") or ANY
        count = rated if metric == HUMAN else family
        judge = cells.get("judge") or ("a judge" if design == ASSISTED else "")
        found.append(Comparison("", design, metric, method, baseline, place, spread, None, count, judge))
    if not found:
        raise InputError(f"{path}: no row; give one per metric, with its sd_of_difference")
    return found


def _variance(place: str, numbers: Mapping[str, float], paired: float) -> float:
    """Of the differences, from what a row gives."""
    given = [name for name in ("sd_of_difference", "sd", "p", "ties") if name in numbers]
    if len(given) != 1:
        names = " and ".join(given) or "none of them"
        raise InputError(f"{place}: needs one of sd_of_difference, sd, p and ties, got {names}")
    name = given[0]
    if name == "ties":
        return 1 - numbers["ties"]
    if name == "sd_of_difference":
        return numbers[name] ** 2
    return paired * (numbers["sd"] ** 2 if name == "sd" else numbers["p"] * (1 - numbers["p"]))


def _number(path: Path, line: int, name: str, text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not (math.isfinite(value) and value >= 0):
        raise InputError(f"{path}, line {line}: {name} is {text[:40]!r}; it must be a number of at least 0")
    return value
