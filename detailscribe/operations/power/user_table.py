"""Spreads of a table of the user's (`power: source: FILE`): standard deviations, shares and correlations by metric."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.table_reader import read_table
from detailscribe.operations.power.assumed import ANY, ORDERS, Metrics, number_of, width_of
from detailscribe.operations.power.comparisons import ASSISTED, HUMAN, MEANS, PAIRS, Comparison
from detailscribe.operations.power.spreads import Spread

NUMBERS = ("sd_of_difference", "sd", "correlation", "p", "ties", "within_sd", "repeats", "judge_correlation", "n")
SPREADS = {  # columns that describe the spread, by design
    MEANS: ("sd_of_difference", "sd", "p"),
    PAIRS: ("sd_of_difference", "ties"),
    ASSISTED: ("sd_of_difference", "sd"),
}
YES_OR_NO = 1.0  # width of that scale


def table_comparisons(
    path: Path,
    metrics: Metrics,
    pairs: Mapping[str, int],
    baseline: str,
    correlation: float,
    family: int,
    rated: int,
) -> list[Comparison]:
    """Comparisons of a user's table, one per row.

    Columns: metric, and one of `sd_of_difference`, `sd` (of an image's score), `p` (share of images at 1 under a yes
    or no), `ties` (share of tied pairs). Optional: design (means, pairs, assisted), method, `correlation` of two images
    of a prompt, `within_sd` (of the difference by one draw, order or rater around its prompt) and `repeats` behind the
    spread, `judge` and `judge_correlation` (assisted: of people's and the judge's differences), `n` (prompts behind
    the numbers).

    Args:
        path: A .csv, .tsv or .jsonl file.
        metrics: The study's, each with its module or judge's model and its range.
        pairs: Judges of pairs, and HUMAN for people, each with the number of comparisons in its table. Another judge
            counts as many as the largest of them.
        baseline: Name of the method that the others are compared with.
        correlation: Used where a row has none.
        family, rated: Comparisons of the main table and of the human table.

    Raises:
        InputError: a value is missing, no number, out of range or of no meaning for its design; names file and line.
    """
    if not path.is_file():
        raise InputError(f"power: source: {path} is no file; correct it, or use auto, pilot or published")
    found = []
    for line, row in read_table(path, [("metric",)]):
        cells = {name: str(value).strip() for name, value in row.items() if value is not None}
        place = f"{path}, line {line}"
        numbers = {name: number_of(path, line, name, cells[name]) for name in NUMBERS if cells.get(name)}
        design, metric = cells.get("design") or MEANS, cells.get("metric", "")
        _check_design(place, design, metric, metrics, pairs)
        _check_numbers(place, numbers)
        width = width_of(design, metric, metrics)
        variance = _variance(place, numbers, 2 * (1 - numbers.get("correlation", correlation)), design, width)
        spread = _spread(place, numbers, variance, design, metric)
        count = pairs.get(metric, max(pairs.values(), default=family)) if design == PAIRS else family
        count = rated if metric == HUMAN and design != PAIRS else count
        judge = cells.get("judge") or ("a judge" if design == ASSISTED else "")
        common = ("", design, metric, cells.get("method") or ANY, baseline, place)
        found.append(Comparison(*common, spread, None, count, judge, width))
    if not found:
        raise InputError(f"{path}: no row; give one per metric, with its sd_of_difference")
    return found


def _check_design(place: str, design: str, metric: str, metrics: Metrics, pairs: Mapping[str, int]) -> None:
    if design not in SPREADS:
        raise InputError(f"{place}: design is {design!r}; write {MEANS}, {PAIRS} or {ASSISTED}")
    if not metric:
        raise InputError(f"{place}: no metric; name one, as clip_score, judge-main or {HUMAN}")
    if design == PAIRS and metric in metrics:
        raise InputError(f"{place}: {metric} scores single images; for design {PAIRS} name a judge of pairs or {HUMAN}")
    if design != PAIRS and metric in pairs and metric != HUMAN:
        raise InputError(f"{place}: {metric} is a judge of pairs; write {PAIRS} in design")
    if design == ASSISTED and metric != HUMAN:
        raise InputError(f"{place}: {metric} is not assisted, people are; write {HUMAN} in metric, the other in judge")


def _check_numbers(place: str, numbers: Mapping[str, float]) -> None:
    for name in ("correlation", "p", "ties", "judge_correlation"):
        if numbers.get(name, 0.0) > 1:
            raise InputError(f"{place}: {name} is {numbers[name]:g}; it lies between 0 and 1")
    if numbers.get("repeats", 1.0) < 1:
        raise InputError(f"{place}: repeats is {numbers['repeats']:g}; it is 1 or more")


def _variance(place: str, numbers: Mapping[str, float], paired: float, design: str, width: float | None) -> float:
    """Of the differences, from what a row gives."""
    given = [name for name in ("sd_of_difference", "sd", "p", "ties") if name in numbers]
    *most, last = SPREADS[design]
    allowed = f"{', '.join(most)} and {last}"
    if len(given) != 1:
        raise InputError(f"{place}: needs one of {allowed}, got {' and '.join(given) or 'none of them'}")
    name = given[0]
    if name not in SPREADS[design]:
        raise InputError(f"{place}: {name} says nothing about design {design}; give one of {allowed}")
    if name == "p" and width not in (None, YES_OR_NO):
        raise InputError(
            f"{place}: p is a share of answers between 0 and 1, and the scale of this metric is {width:g} wide; give "
            "sd_of_difference or sd"
        )
    if name == "ties":
        return 1 - numbers["ties"]
    if name == "sd_of_difference":
        return numbers[name] ** 2
    return paired * (numbers["sd"] ** 2 if name == "sd" else numbers["p"] * (1 - numbers["p"]))


def _spread(place: str, numbers: Mapping[str, float], variance: float, design: str, metric: str) -> Spread:
    """Spread with the repeats that are planned: of a judge of pairs both orders, otherwise those of the row."""
    usual = ORDERS if design == PAIRS and metric != HUMAN else None
    repeats, within = numbers.get("repeats", usual or 1.0), numbers.get("within_sd")
    if usual and within is None and repeats != usual:
        raise InputError(
            f"{place}: repeats is {repeats:g}, but a judge sees a pair in both orders; give the spread of their mean "
            f"and repeats {usual:g}, or within_sd, too"
        )
    between = variance if within is None else variance - within**2 / repeats
    if between < 0:
        raise InputError(f"{place}: within_sd {within:g} explains more than the whole spread; correct one of them")
    explained = 0.0
    if design == ASSISTED:
        if "judge_correlation" not in numbers:
            raise InputError(f"{place}: an assisted comparison needs judge_correlation, between 0 and 1")
        explained = variance * numbers["judge_correlation"] ** 2
        if explained > between * (1 + 1e-9):
            raise InputError(
                f"{place}: judge_correlation is {numbers['judge_correlation']:g}, and the raters' own noise (within_sd "
                f"{within:g}) allows at most {(between / variance) ** 0.5:.3g}; correct one of them"
            )
    square = None if within is None else within**2
    return Spread(between, square, usual or repeats, min(explained, between), int(numbers.get("n", 0)))
