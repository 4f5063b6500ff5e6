"""Selection among the images of a method, and the selection bias of the oracle (optimism, winner's curse).

Selections: single, oracle, mean, by another metric, or one candidate. The bias is the oracle's mean against selections
without the reported scores. Estimand, for each `against`: E[max over the candidates of the reported score] - E[score of
the candidate that another rule selects]. Each difference is a mean over prompts of a quantity observed in that prompt,
so it is unbiased under any correlations, ties and standard deviations:

other_prompts   the candidate with the best mean over a random half of the prompts, this one not among them: what a
                user could fix in advance
by:{metric}     the candidate that another metric selects
other_draw      the same selection, scored by another repeat, if a judge answered several times per image. With D
                repeats, the candidate that is best by the mean of D - 1 of them is scored by the one left out; the
                oracle is the mean of those D - 1. This is the winner's curse of an oracle that sees D - 1 repeats
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from scipy import stats

from detailscribe.tables.intervals import LEVEL, mean_intervals
from detailscribe.tables.significance import means

if TYPE_CHECKING:
    from detailscribe.tables.score_table import ScoreTable

HALVES = 1000  # random halves of the prompts
HALVES_RESAMPLED = 100  # of these, for the standard error
CHUNK = 250  # resamples held in memory at once
BIAS_COLUMNS = ["method", "metric", "against", "n", "oracle", "honest", "optimism", "low95", "high95"]


def selections(method: dict, metric: str, metrics: list[str]) -> list[str]:
    """Every selection shown for a method and metric, the headline first."""
    if len(method["candidates"]) == 1:
        return ["single"]
    others = ["mean", *(f"by:{other}" for other in metrics if other != metric), *method["candidates"]]
    return list(dict.fromkeys([method["headline"], "oracle", *others]))


def select_scores(
    values: np.ndarray, selection: str, candidates: list[str], selectors: dict[str, np.ndarray]
) -> np.ndarray:
    """One value per prompt.

    Args:
        values: (prompts, candidates), scores under the reported metric; NaN = no score.
        selection: single, oracle, mean, `by:{metric}` or the name of a candidate.
        candidates: Image sets, the columns of `values`.
        selectors: The same arrays of the metrics that may select; ties go to the first candidate.

    Returns:
        (prompts,), NaN where any candidate lacks a score that the selection needs.
    """
    if selection in candidates:
        return values[:, candidates.index(selection)]
    complete = ~np.isnan(values).any(axis=1)
    if selection in ("single", "mean"):
        chosen = values.mean(axis=1)
    elif selection == "oracle":
        chosen = values.max(axis=1)
    else:
        selector = selectors[selection.removeprefix("by:")]
        complete &= ~np.isnan(selector).any(axis=1)
        best = np.nan_to_num(selector, nan=-np.inf).argmax(axis=1)
        chosen = values[np.arange(len(values)), best]
    return np.where(complete, chosen, np.nan)


def selection_bias(
    scores: ScoreTable, methods: list[dict], ranges: dict[str, list[float] | None], bootstrap: dict
) -> pd.DataFrame:
    """Rows with BIAS_COLUMNS for every method with several candidates, over the complete prompts; NaN for no value.

    Args:
        scores: Of the scenario.
        methods: Rows: name, candidates.
        ranges: Lowest and highest possible score by metric, None for unbounded.
        bootstrap: `resamples` and `seed`, for the variability of the choice in `other_prompts`.
    """
    keys: list[tuple[str, str, str]] = []
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    bounds, observed, errors = [], [], []
    for method in methods:
        names = list(method["candidates"])
        if len(names) < 2:
            continue
        arrays = {metric: scores.array(metric, names)[scores.complete] for metric in scores.metrics}
        for metric, values in arrays.items():
            oracle = select_scores(values, "oracle", names, arrays)
            by_rule = {"other_prompts": (oracle, best_on_other_prompts(values, bootstrap["seed"]))}
            for other in scores.metrics:
                if other != metric:
                    by_rule[f"by:{other}"] = (oracle, select_scores(values, f"by:{other}", names, arrays))
            if (repeats := scores.repeats(metric, names)) is not None:
                by_rule["other_draw"] = leave_one_repeat_out(repeats[scores.complete])
            keys += [(method["name"], metric, against) for against in by_rule]
            pairs += by_rule.values()
            lowest, highest = scores.limits(metric, ranges)
            width = highest - lowest
            for against in by_rule:  # no candidate is better than the oracle, except under another repeat
                end = width if ranges.get(metric) else np.inf
                signed = against == "other_draw"
                bounds.append((-end if signed else 0.0, end))
                observed.append((-width if signed else 0.0, width))
                errors.append(resampled_error(values, **bootstrap) if against == "other_prompts" else np.nan)
    if not keys:
        return pd.DataFrame(columns=BIAS_COLUMNS)
    oracle, honest = (np.array([pair[side] for pair in pairs]).T for side in (0, 1))
    differences = oracle - honest
    both = ~np.isnan(differences)
    table = pd.DataFrame(keys, columns=BIAS_COLUMNS[:3])
    table["n"] = both.sum(axis=0)
    table["oracle"] = means(np.where(both, oracle, np.nan))
    table["honest"] = means(np.where(both, honest, np.nan))
    table["optimism"] = means(differences)
    low, high = mean_intervals(differences, np.array(bounds).T, np.array(observed).T)
    # With the choice of the candidate resampled too, the interval is Student's, and never the narrower one.
    reach = stats.t.ppf((1 + LEVEL) / 2, np.maximum(table["n"] - 1, 1)) * np.array(errors)
    table["low95"] = np.fmin(low, np.maximum(table["optimism"] - reach, np.array(bounds)[:, 0]))
    table["high95"] = np.fmax(high, table["optimism"] + reach)
    return table


def best_on_other_prompts(values: np.ndarray, seed: int) -> np.ndarray:
    """For each prompt the score of the candidate with the highest mean over half of the prompts, this one not in it.

    Averaged over many random halves. Using all other prompts at once would be closer to what a user does, but has a
    large variance: if candidates are about equally good, the choice then depends on which prompt is left out.

    Args:
        values: (prompts, candidates).
        seed: Of the halves.

    Returns:
        (prompts,), NaN for a prompt with a missing score, and if there is no other prompt.
    """
    complete = ~np.isnan(values).any(axis=1)
    chosen = np.full(len(values), np.nan)
    scores = values[complete]
    if len(scores) > 1:
        halves = _halves(len(scores), HALVES, seed)
        picks = np.eye(scores.shape[1])[(halves @ scores).argmax(axis=1)]
        share = (1 - halves).T @ picks
        chosen[complete] = (share * scores).sum(axis=1) / share.sum(axis=1)
    return chosen


def resampled_error(values: np.ndarray, resamples: int, seed: int) -> float:
    """Standard error of the mean gain of the oracle over `best_on_other_prompts`, the choice of candidate included.

    Each resample gives the prompts random weights (exponential: the Bayesian bootstrap), by which the halves choose
    again and the chosen candidates are averaged. A prompt is never in both halves, as it would be if drawn twice.

    Args:
        values: (prompts, candidates).
        resamples: Number of resamples.
        seed: Of halves and weights.

    Returns:
        NaN for fewer than two prompts with all scores.
    """
    scores = values[~np.isnan(values).any(axis=1)]
    prompts = len(scores)
    if prompts < 2:
        return np.nan
    scores = (scores - scores.mean()).astype(np.float32)
    halves = _halves(prompts, HALVES_RESAMPLED, seed).astype(np.float32)
    found = []
    for start in range(0, resamples, CHUNK):
        weights = _weights(prompts, resamples, seed)[:, start : start + CHUNK]
        total = weights.sum(axis=0)
        best = np.full((len(halves), weights.shape[1]), -np.inf, dtype=np.float32)
        outside = np.zeros_like(best)
        for candidate in scores.T:
            weighted = weights * candidate[:, None]
            inside = halves @ weighted
            better = inside > best
            best = np.where(better, inside, best)
            outside = np.where(better, weighted.sum(axis=0) - inside, outside)
        honest = outside.sum(axis=0) / (total - halves @ weights).sum(axis=0)
        found.append(scores.max(axis=1) @ weights / total - honest)
    return float(np.concatenate(found).std(ddof=1, dtype=float))


@lru_cache(maxsize=1)
def _weights(prompts: int, resamples: int, seed: int) -> np.ndarray:
    """(prompts, resamples), exponential."""
    return np.random.default_rng(seed).standard_exponential((prompts, resamples), dtype=np.float32)


@lru_cache(maxsize=2)
def _halves(prompts: int, count: int, seed: int) -> np.ndarray:
    """(count, prompts), 1 in a half: the first and the last prompts of random orders, so that all are chosen alike."""
    orders = np.random.default_rng(seed).permuted(np.tile(np.arange(prompts), (count // 2, 1)), axis=1)
    half = prompts // 2
    return np.stack([orders < half, orders >= prompts - half], axis=1).reshape(-1, prompts).astype(float)


def leave_one_repeat_out(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Oracle over all repeats but one, and its selection scored by the one left out, averaged over the one left out.

    Args:
        values: (prompts, candidates, repeats).

    Returns:
        Mean of the repeats that selected, and score of the repeat left out, (prompts,); NaN for a prompt with a
        missing repeat.
    """
    repeats = values.shape[2]
    rows = np.arange(len(values))
    selecting, left_out = np.zeros(len(values)), np.zeros(len(values))
    for index in range(repeats):
        others = np.delete(values, index, axis=2).mean(axis=2)
        best = np.nan_to_num(others, nan=-np.inf).argmax(axis=1)
        selecting += others[rows, best] / repeats
        left_out += values[rows, best, index] / repeats
    missing = np.isnan(values).any(axis=(1, 2))
    return np.where(missing, np.nan, selecting), np.where(missing, np.nan, left_out)
