"""Statistics of people's choices between pairs of images: win rates, strengths, position bias of raters, reliability.

The unit of every interval and test is a prompt with all the answers about it: raters of a prompt see the same images.
Two methods with the same image of a prompt are a tie, which nobody is asked about; it says nothing about raters.

Sources: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability; of strengths: `tables.judging.bradley_terry`.
"""

from collections.abc import Mapping, Sequence
from itertools import combinations

import numpy as np
import pandas as pd

from detailscribe.human.pairs.choices import CANNOT, IDENTICAL
from detailscribe.tables.agreement import LEVELS, krippendorff_alpha
from detailscribe.tables.intervals import jackknife_interval, mean_intervals
from detailscribe.tables.judging.bradley_terry import gather, strengths
from detailscribe.tables.significance import holm, sign_flip_p

RANGE = (-1.0, 1.0)  # of a value
MAIN_COLUMNS = [
    *("method", "other", "n", "answers", "wins", "ties", "losses", "cannot", "identical"),
    *("win_rate", "win_rate_low95", "win_rate_high95", "value", "value_low95", "value_high95"),
    *("p", "p_holm", "family", "alpha_ordinal"),
]
STRENGTH_COLUMNS = [
    *("method", "reference", "n", "answers", "strength", "low95", "high95"),
    *("win_probability", "win_probability_low95", "win_probability_high95", "rank", "note"),
]
RATER_COLUMNS = [
    *("rater", "n", "missing", "cannot", "ties", "position_bias", "low95", "high95", "p"),
    *("pairs_with_others", "agrees_with_others", "seconds", "seconds_median", "comments"),
]
RELIABILITY_COLUMNS = ["statistic", "pairs", "raters", "value", "low95", "high95"]


def win_rates(
    rows: Sequence[dict], methods: Sequence[str], baseline: str, permutations: int, seed: int
) -> pd.DataFrame:
    """Rows with MAIN_COLUMNS, one per two methods that were compared; the baseline is always the `other` one.

    Args:
        rows: Of `ParsedChoices.choices`.
        methods: In the order of the list; a row is about the later one of two.
        baseline: One of them.
        permutations, seed: Of the sign-flip test of the mean value, over prompts.

    Returns:
        n: prompts with an answer. answers: those of all raters, identical images (ties) included. win_rate: (wins +
        ties / 2) / answers. value: mean of the answers in [-1, 1], 1 for clearly better. NaN for what is undefined.
    """
    table = []
    for earlier, later in combinations(methods, 2):
        method, other = (earlier, later) if later == baseline else (later, earlier)
        of_pair = [row for row in rows if {row["first"], row["second"]} == {method, other}]
        if not of_pair:
            continue
        given = [row for row in of_pair if row["value"] is not None]
        values = np.array([row["value"] * (1 if row["first"] == method else -1) for row in given])
        shares = (1 + np.sign(values)) / 2
        ids = [row["id"] for row in given]
        sums, counts = _by_prompt(values, ids)
        won, _ = _by_prompt(shares, ids)
        ends = mean_intervals(won, (0, 1), counts=counts)
        spread = mean_intervals(sums, RANGE, RANGE, counts=counts, paired=True)
        tally = [int((shares == share).sum()) for share in (1.0, 0.5, 0.0)]
        unseen = (sum(row["choice"] == kind for row in of_pair) for kind in (CANNOT, IDENTICAL))
        means = [each.mean() if len(each) else np.nan for each in (shares, values)]
        table.append(
            (method, other, len(sums), len(values), *tally, *unseen, means[0], ends[0][0], ends[1][0])
            + (means[1], spread[0][0], spread[1][0], sign_flip_p(sums, permutations, seed)[0], np.nan, 0)
            + (_alpha(*_by_image(of_pair), "ordinal")[0],)
        )
    frame = pd.DataFrame(table, columns=MAIN_COLUMNS)
    frame["p_holm"], frame["family"] = holm(frame["p"].to_numpy(float)), int(frame["p"].notna().sum())
    return frame


def strength_table(rows: Sequence[dict], methods: Sequence[str], reference: str) -> pd.DataFrame:
    """Rows with STRENGTH_COLUMNS: Bradley-Terry strengths of the compared methods, all raters together.

    n: prompts with an answer about the method. win_probability: against the reference.

    Args:
        rows: Of `ParsedChoices.choices`.
        methods: In the order of the list.
        reference: One of them, whose strength is 0.
    """
    given = [row for row in rows if row["value"] is not None]
    shares = [None if row["choice"] == IDENTICAL else (1 + np.sign(row["value"])) / 2 for row in given]
    answers = [(row["id"], row["first"], row["second"], share) for row, share in zip(given, shares, strict=True)]
    compared = [name for name in methods if any(name in answer[1:3] for answer in answers)]
    if not compared:
        return pd.DataFrame(columns=STRENGTH_COLUMNS)
    reference = reference if reference in compared else compared[0]
    table = []
    for name, found in strengths(gather(compared, answers), reference).items():
        ids = [answer[0] for answer in answers if name in answer[1:3]]
        ends = found.probability, found.probability_low, found.probability_high
        table.append(
            (name, reference, len(set(ids)), len(ids), found.strength, found.low, found.high, *ends, 0, found.note)
        )
    frame = pd.DataFrame(table, columns=STRENGTH_COLUMNS)
    frame["rank"] = frame["strength"].rank(ascending=False, method="min").astype("Int64")
    return frame


def rater_table(rows: Sequence[dict], missing: Mapping[str, int | None], permutations: int, seed: int) -> pd.DataFrame:
    """Rows with RATER_COLUMNS, one per rater; what is shown once counts once, however many methods it compares.

    position_bias: mean value of the image shown first, in [-1, 1], 0 for a rater without one, since the order is drawn.
    agrees_with_others: share of the pairs where the mean of the other raters prefers an image, and this rater the same
    one; a tie is half. seconds: of all pairs together.

    Args:
        rows: Of `ParsedChoices.choices`.
        missing: Pairs without a choice by rater, None where a rater sent no table.
        permutations, seed: Of the sign-flip test of the position bias, over prompts.
    """
    shown = _shown(rows)
    values, ids, raters = _by_image(rows)
    table = []
    for rater, count in missing.items():
        own = [row for row in shown if row["rater"] == rater]
        given = [row for row in own if row["value"] is not None]
        first = np.array([row["value"] for row in given])
        sums, counts = _by_prompt(first, [row["id"] for row in given])
        low, high = mean_intervals(sums, RANGE, RANGE, counts=counts, paired=True)
        bias = (first.mean() if len(first) else np.nan), low[0], high[0], sign_flip_p(sums, permutations, seed)[0]
        seconds = [row["seconds"] for row in own if row["seconds"] is not None]
        spent = (sum(seconds), float(np.median(seconds))) if seconds else (np.nan, np.nan)
        tally = len(own), count, len(own) - len(given), int((first == 0).sum())
        agreement = _agreement(values, raters.index(rater)) if rater in raters else (0, np.nan)
        table.append((rater, *tally, *bias, *agreement, *spent, sum(bool(row["comment"]) for row in own)))
    return pd.DataFrame(table, columns=RATER_COLUMNS).astype({"missing": "Int64"})


def reliability(rows: Sequence[dict]) -> pd.DataFrame:
    """Rows with RELIABILITY_COLUMNS: Krippendorff's alpha over the pairs shown, by level of measurement.

    Each pair counts once as seen from either of its images, with half the weight: so alpha does not depend on which
    image of a pair is called the first.
    """
    values, ids, raters = _by_image(rows)
    table = []
    for level in LEVELS:
        alpha, low, high = _alpha(values, ids, raters, level)
        table.append((f"alpha_{level}", len(values), len(raters), alpha, low, high))
    return pd.DataFrame(table, columns=RELIABILITY_COLUMNS)


def _alpha(values: np.ndarray, ids: list[str], raters: list[str], level: str) -> tuple[float, float, float]:
    """Alpha of pairs, and its interval over prompts; arguments of `_by_image`."""
    if len(raters) < 2:
        return np.nan, np.nan, np.nan
    both = np.concatenate([values, -values])
    alpha = krippendorff_alpha(both, level, np.full(len(both), 0.5))
    prompts = pd.factorize(np.array(ids, dtype=object))[0]
    kept = [np.tile(prompts != prompt, 2) * 0.5 for prompt in range(len(set(ids)))]
    left_out = np.array([krippendorff_alpha(both, level, weights) for weights in kept])
    return (alpha, *jackknife_interval(alpha, left_out, (-1, 1)))


def _agreement(values: np.ndarray, rater: int) -> tuple[int, float]:
    """Pairs on which the other raters prefer an image, and the share where a rater prefers the same one."""
    others = np.delete(values, rater, axis=1)
    known = (~np.isnan(others)).sum(axis=1)
    preference = np.sign(np.round(np.nansum(others, axis=1), 9))
    decided = (known > 0) & (preference != 0) & ~np.isnan(values[:, rater])
    own = np.sign(values[decided, rater])
    hits = np.where(own == 0, 0.5, own == preference[decided])
    return int(decided.sum()), float(hits.mean()) if decided.any() else np.nan


def _shown(rows: Sequence[dict]) -> list[dict]:
    """One row per rater and pair that was shown, of the first files by name where several methods have its images."""
    found: dict[tuple[str, str], dict] = {}
    for row in sorted(rows, key=lambda row: sorted((row["first_file"], row["second_file"]))):
        if row["choice"] != IDENTICAL:
            found.setdefault((row["rater"], row["pair"]), row)
    return list(found.values())


def _by_image(rows: Sequence[dict]) -> tuple[np.ndarray, list[str], list[str]]:
    """(pairs of images, raters), the value of the image that is first by the name of its file; NaN for none.

    Returns:
        The values, the prompt of each pair, and the raters.
    """
    found: dict[tuple[str, str, str], dict[str, float]] = {}
    for row in _shown(rows):
        if row["value"] is not None:
            files = row["first_file"], row["second_file"]
            sign = 1 if files[0] < files[1] else -1
            found.setdefault((row["id"], min(files), max(files)), {})[row["rater"]] = sign * row["value"]
    raters = sorted({rater for values in found.values() for rater in values})
    table = [[values.get(rater, np.nan) for rater in raters] for values in found.values()]
    return np.array(table, dtype=float).reshape(len(found), len(raters)), [pair[0] for pair in found], raters


def _by_prompt(values: np.ndarray, ids: list[str]) -> tuple[np.ndarray, np.ndarray]:
    """Sums and counts of values by prompt, (prompts, 1)."""
    prompts = pd.factorize(np.array(ids, dtype=object))[0] if ids else np.array([], dtype=int)
    size = len(set(ids))
    sums = np.bincount(prompts, weights=values, minlength=size) if size else np.zeros(0)
    return sums[:, None], np.bincount(prompts, minlength=size).astype(float)[:size, None]
