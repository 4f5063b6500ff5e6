"""Paired tests, Holm correction, effect sizes and standard deviations over prompts; intervals are in `intervals`.

Every array is (prompts,) or (prompts, columns); NaN = no value. A prompt is the unit throughout: whatever belongs to
one prompt changes its sign together. What is undefined (a standard deviation of one value, a test of none) is NaN,
never 0.
"""

from functools import cache

import numpy as np
from scipy import optimize, stats

ALPHA, POWER = 0.05, 0.8  # of `detectable_effect`
POINTS = 2000  # at which `detectable_effect` evaluates the distribution of a standard deviation
CHUNK = 1000  # sign patterns held in memory at once
EXACT_UP_TO = 12  # prompts; up to here all 2^n sign patterns are enumerated


def sign_flip_p(differences: np.ndarray, permutations: int, seed: int) -> np.ndarray:
    """Two-sided paired permutation test by the mean: under the null each difference has either sign, equally likely.

    All sign patterns up to EXACT_UP_TO prompts, random ones beyond, counting the observed one (Phipson and Smyth
    2010), so that p is never 0 and never too small.

    Args:
        differences: (prompts, columns); NaN leaves a prompt out of that column.
        permutations: Number of random sign patterns.
        seed: Of the patterns.

    Returns:
        p by column; NaN where no prompt has a difference.
    """
    filled = np.nan_to_num(differences)
    prompts, columns = filled.shape
    if prompts == 0:
        return np.full(columns, np.nan)
    observed = np.abs(filled.sum(axis=0))
    slack = 1e-9 * np.abs(filled).sum(axis=0)  # sums of the same numbers in another order are equal
    exact = prompts <= EXACT_UP_TO
    total = 2**prompts if exact else permutations
    generator = np.random.default_rng(seed)
    extreme = np.zeros(columns)
    for start in range(0, total, CHUNK):
        size = min(CHUNK, total - start)
        if exact:
            patterns = np.arange(start, start + size)[:, None] >> np.arange(prompts) & 1
        else:
            patterns = generator.integers(0, 2, (size, prompts), dtype=np.int8)
        extreme += (np.abs((2.0 * patterns - 1) @ filled) >= observed - slack).sum(axis=0)
    p = extreme / total if exact else (extreme + 1) / (total + 1)
    return np.where(np.isnan(differences).all(axis=0), np.nan, p)


def wilcoxon_p(differences: np.ndarray) -> np.ndarray:
    """Two-sided Wilcoxon signed-rank test by column, zeros left out; 1 where every difference is zero.

    Tests whether the differences are symmetric about zero. It rejects skewed ones of mean zero, too.
    """
    p = []
    for column in differences.T:
        column = column[~np.isnan(column)]
        if len(column) and not column.any():
            p.append(1.0)
        else:
            p.append(float(stats.wilcoxon(column).pvalue) if len(column) else np.nan)
    return np.array(p)


def holm(p: np.ndarray) -> np.ndarray:
    """Holm's adjusted p values of one family; NaN is not a member of it. Source: Holm 1979."""
    p = np.asarray(p, dtype=float)
    adjusted = np.full(len(p), np.nan)
    order = np.argsort(p)[: np.count_nonzero(~np.isnan(p))]
    steps = np.maximum.accumulate(p[order] * np.arange(len(order), 0, -1))
    adjusted[order] = np.minimum(steps, 1)
    return adjusted


def std(values: np.ndarray) -> np.ndarray:
    """Standard deviation (n - 1) by column; NaN for fewer than two values."""
    counts = (~np.isnan(values)).sum(axis=0)
    centred = np.nan_to_num(values - means(values))
    squares = (centred**2).sum(axis=0)
    return np.sqrt(np.divide(squares, counts - 1, out=np.full(values.shape[1], np.nan), where=counts > 1))


def means(values: np.ndarray) -> np.ndarray:
    """Means by column; NaN for no value."""
    counts = (~np.isnan(values)).sum(axis=0)
    total = np.nan_to_num(values).sum(axis=0)
    return np.divide(total, counts, out=np.full(values.shape[1], np.nan), where=counts > 0)


@cache
def detectable_effect(n: int) -> float:
    """Smallest standardised difference dz that a two-sided paired t-test of n prompts finds with 80 % power at 5 %.

    Not corrected for multiple tests. NaN below two prompts. Multiply by the standard deviation of the differences for
    the metric's own units.
    """
    if n < 2:
        return float("nan")
    critical = stats.t.ppf(1 - ALPHA / 2, n - 1)
    # scipy's noncentral t fails at few degrees of freedom. Average its normal part over the distribution of the
    # standard deviation instead.
    deviations = np.sqrt(stats.chi2.ppf((np.arange(POINTS) + 0.5) / POINTS, n - 1) / (n - 1))

    def missing_power(shift: float) -> float:
        return stats.norm.cdf(shift - critical * deviations).mean() - POWER

    return float(optimize.brentq(missing_power, 0, 10 * critical) / np.sqrt(n))
