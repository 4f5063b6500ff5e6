"""Spread of paired differences over prompts: between prompts, between repeats or raters, and what a judge explains.

Variance of a mean difference over n prompts with d repeats (draws, orders of a pair, raters):

    means, pairs   (between + within / d) / n
    assisted       (between + within / d - explained * (1 - n / total)) / n

In the second, n prompts have marks of people and `total` have a judge's, those n among them; `explained` is the
variance of people's differences that the judge's explain, at the best weight (PPI++: Angelopoulos, Duchi and Zrnic
2023, arXiv:2311.01453, section 6).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy import stats

FEWEST = 3  # prompts for a spread; fewer say nothing


@dataclass(frozen=True)
class Spread:
    """Variances of the differences of one comparison, in squared units of the metric.

    Attributes:
        between: Between prompts, without the noise of repeats; with it, if `within` is not known.
        within: Of one repeat around its prompt; None if there is only one per prompt.
        repeats: Per prompt in the data (a mean if prompts have different numbers).
        explained: Part of `between` that a judge's differences explain; 0 without a judge.
        prompts: Behind these numbers; 0 for published ones.
        ratio: Ends of the 95 % interval of the standard deviation, by the standard deviation; NaN if unknown.
    """

    between: float
    within: float | None = None
    repeats: float = 1.0
    explained: float = 0.0
    prompts: int = 0
    ratio: tuple[float, float] = (float("nan"), float("nan"))

    def total(self, repeats: float | None = None) -> float:
        """Variance of a prompt's difference with some repeats, those of the data by default."""
        if self.within is None:
            return self.between
        return self.between + self.within / (repeats or self.repeats)

    def of_mean(self, prompts: int, repeats: float | None = None, judged: int = 0) -> float:
        """Variance of the mean difference.

        Args:
            prompts: Number of prompts; for an assisted comparison those that people rate.
            repeats: Per prompt; those of the data by default.
            judged: Prompts that a judge has rated, at least `prompts`; 0: none.
        """
        share = 1 - prompts / judged if judged > prompts else 0.0
        return max(self.total(repeats) - self.explained * share, 0.0) / prompts


def spread_of_repeats(values: np.ndarray) -> tuple[np.ndarray, Spread | None]:
    """Spread of differences with repeats, by analysis of variance; prompts may have different numbers of them.

    Args:
        values: (prompts, repeats), NaN for no value.

    Returns:
        Mean of each prompt's repeats, NaN for none, and the spread; None below FEWEST prompts.
    """
    counts = (~np.isnan(values)).sum(axis=1)
    sums = np.nansum(values, axis=1)
    means = np.divide(sums, counts, out=np.full(len(values), np.nan), where=counts > 0)
    known = means[counts > 0]
    if len(known) < FEWEST:
        return means, None
    observed = float(np.var(known, ddof=1))
    ratio = deviation_interval(known)
    freedom = int((counts - 1)[counts > 1].sum())
    if not freedom:
        return means, Spread(observed, prompts=len(known), ratio=ratio)
    squares = np.nansum((values - means[:, None]) ** 2)
    within = float(squares / freedom)
    share = float((1 / counts[counts > 0]).mean())
    repeats = round(1 / share, 9)  # a whole number where all prompts have as many
    if within * share > observed:  # by chance, or of two orders with a bias: what is observed counts
        return means, Spread(0.0, observed / share, repeats, 0.0, len(known), ratio)
    return means, Spread(observed - within * share, within, repeats, 0.0, len(known), ratio)


def spread_of_selection(averaged: np.ndarray, single: np.ndarray) -> Spread | None:
    """Spread of a method's chosen image where the choice looks at the draws, so that one draw chooses otherwise.

    With d draws the variance is taken as between + within / d, through what is observed: with one draw, and with all.

    Args:
        averaged: (prompts,) differences by the mean of all draws.
        single: (prompts, draws) differences by each draw alone, the choice included.

    Returns:
        None below FEWEST prompts.
    """
    complete = ~np.isnan(single).any(axis=1) & ~np.isnan(averaged)
    averaged, single = averaged[complete], single[complete]
    draws = single.shape[1] if single.ndim == 2 else 1
    if len(averaged) < FEWEST or draws < 2:
        return None
    all_draws, one = float(np.var(averaged, ddof=1)), float(np.var(single, axis=0, ddof=1).mean())
    within = max((one - all_draws) / (1 - 1 / draws), 0.0)
    if within / draws > all_draws:
        return Spread(0.0, all_draws * draws, float(draws), 0.0, len(averaged), deviation_interval(averaged))
    return Spread(all_draws - within / draws, within, float(draws), 0.0, len(averaged), deviation_interval(averaged))


def explained_variance(people: np.ndarray, judge: np.ndarray) -> float:
    """Variance of people's differences that a judge's explain: the squared correlation, adjusted, times their variance.

    The adjustment is for the one coefficient that is fitted, so that a useless judge explains nothing on average.

    Args:
        people, judge: (prompts,), NaN for no value.
    """
    both = ~(np.isnan(people) | np.isnan(judge))
    people, judge = people[both], judge[both]
    if len(people) < FEWEST + 1 or not np.ptp(people) or not np.ptp(judge):
        return 0.0
    squared = float(np.corrcoef(people, judge)[0, 1]) ** 2
    adjusted = 1 - (1 - squared) * (len(people) - 1) / (len(people) - 2)
    return max(adjusted, 0.0) * float(np.var(people, ddof=1))


def deviation_interval(values: np.ndarray, level: float = 0.95) -> tuple[float, float]:
    """Ends of the interval of a standard deviation, divided by it; also for values that are not normal.

    Source: Bonett 2006, doi:10.1016/j.csda.2004.10.003.

    Returns:
        NaN below five values and for equal ones.
    """
    n = len(values)
    centred = values - values.mean() if n else values
    squares = float((centred**2).sum())
    if n < 5 or squares <= 1e-18 * max(1.0, float(np.square(values).sum())):
        return float("nan"), float("nan")
    trimmed = stats.trim_mean(values, 1 / (2 * np.sqrt(n - 4)))
    kurtosis = n * float(((values - trimmed) ** 4).sum()) / squares**2
    quantile = stats.norm.isf((1 - level) / 2)
    scale = n / (n - quantile)
    error = scale * np.sqrt(max(kurtosis - (n - 3) / n, 0.0) / (n - 1))
    low, high = (float(np.sqrt(scale * np.exp(side * quantile * error))) for side in (-1, 1))
    return low, high
