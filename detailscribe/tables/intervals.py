"""Confidence intervals of means, shares, ratios and coefficients: empirical likelihood over prompts, no resampling.

A mean lies in the 95 % interval if weights of the prompts exist that give it and are not too unlikely (Owen's empirical
likelihood). Three changes make that hold for few prompts and near the ends of a scale, where it would be too narrow:

* Besides the observed values, weight may go to one unseen value on either side, as far out as the skewness of the
  sample suggests and never beyond the metric's range. So an interval has a width even if all values are equal.
* The threshold is that of Student's t instead of the normal distribution.
* The threshold is raised where few prompts differ from the rest, which for shares gives about the mid-P interval.

How often such intervals cover the truth is measured in benchmarks/statistics.md.

Sources: Owen 1988, Empirical likelihood ratio confidence intervals for a single functional, Biometrika 75, 237-249;
Jing, Yuan and Zhou 2009, Jackknife empirical likelihood, JASA 104, 1224-1232, for coefficients. The unseen values and
the last factor are ours.
"""

import numpy as np
from scipy import stats

LEVEL = 0.95
UNIFORM = 0.3  # pseudo-prompts that differ, in the correction for shares
STEPS = 60  # of either search, at most; a dozen are usual
PRECISION = 1e-9  # of an end point, relative to the width
EQUAL = 1e-9  # values within this share of their scale are equal

Bounds = np.ndarray | tuple[float, float]  # (2, columns), or low and high for all columns


def mean_intervals(
    sums: np.ndarray,
    bounds: Bounds = (-np.inf, np.inf),
    observed: Bounds = (np.nan, np.nan),
    counts: np.ndarray | None = None,
    paired: bool = False,
) -> tuple[np.ndarray, np.ndarray]:
    """95 % intervals of the means of columns.

    Args:
        sums: (prompts, columns). What a prompt contributes; NaN leaves it out of that column.
        bounds: Lowest and highest possible value, infinite for unbounded.
        observed: Takes the place of infinite bounds where all values are equal; NaN for not known.
        counts: (prompts, columns). How many values a contribution is the sum of; None for one each. The mean is then
            sum of sums by sum of counts.
        paired: The values are differences of pairs: what one side gained in a prompt, the other could have gained.

    Returns:
        Low and high, (columns,); NaN where fewer than two prompts count, and where all values are equal and neither
        bounds nor observed values say what else was possible.
    """
    counts = np.where(np.isnan(sums), 0.0, 1.0 if counts is None else counts)
    sums = np.where(counts > 0, np.nan_to_num(sums), 0.0)
    columns = sums.shape[1]
    low, high = np.full((2, columns), np.nan)
    prompts = (counts > 0).sum(axis=0)
    chosen = np.flatnonzero(prompts > 1)
    if not len(chosen):
        return low, high
    sums, counts, prompts = sums[:, chosen], counts[:, chosen], prompts[chosen]
    ends, seen = (np.broadcast_to(np.reshape(each, (2, -1)), (2, columns))[:, chosen] for each in (bounds, observed))
    total = counts.sum(axis=0)
    mean = sums.sum(axis=0) / total
    deviations = (sums - mean * counts) * prompts / total
    equal = np.abs(deviations).max(axis=0) <= EQUAL * np.abs(mean)  # up to rounding
    deviations[:, equal], sums = 0, np.where(equal, mean * counts, sums)
    floor, ceiling = _unseen_values(sums, counts, deviations, prompts, mean, ends, seen, paired)
    threshold = _threshold(deviations, prompts)
    size = total / prompts
    low[chosen] = _lower_ends(sums / size, counts / size, floor, threshold)
    high[chosen] = -_lower_ends(-sums / size, counts / size, -ceiling, threshold)
    return low, high


def jackknife_interval(value: float, left_out: np.ndarray, bounds: tuple[float, float]) -> tuple[float, float]:
    """95 % interval of a coefficient from its values without each prompt: that of the mean of the pseudo-values.

    Args:
        value: Over all prompts.
        left_out: (prompts,), the coefficient without that prompt; NaN where it is undefined.
        bounds: Lowest and highest possible value.

    Returns:
        Low and high; NaN where the coefficient, or the coefficient without some prompt, is undefined.
    """
    if len(left_out) < 2 or np.isnan(value) or np.isnan(left_out).any():
        return np.nan, np.nan
    pseudo = len(left_out) * value - (len(left_out) - 1) * left_out
    pseudo = np.where(np.abs(pseudo - value) < EQUAL * (bounds[1] - bounds[0]), value, pseudo)
    low, high = mean_intervals(pseudo[:, None], bounds)
    return max(float(low[0]), bounds[0]), min(float(high[0]), bounds[1])


def _unseen_values(sums, counts, deviations, prompts, mean, bounds, observed, paired) -> tuple[np.ndarray, np.ndarray]:
    """The lowest and highest value that weight may go to, by column.

    Beyond the extremes by the range of the sample, times the standard deviation by the distance from the mean to the
    opposite extreme: little for a symmetric sample, much for the long tail of a skewed one, and without limit as the
    values come to lie at one point. If all prompts together are less than the whole range away from one bound, a
    single prompt at the other would double that: weight may then go there.
    """
    per_prompt = np.divide(sums, counts, out=np.zeros_like(sums), where=counts > 0)
    lowest = np.where(counts > 0, per_prompt, np.inf).min(axis=0)
    highest = np.where(counts > 0, per_prompt, -np.inf).max(axis=0)
    spread = highest - lowest
    deviation = np.sqrt((deviations**2).sum(axis=0) / (prompts - 1))
    equal = deviation == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        floor = np.where(equal, -np.inf, lowest - spread * deviation / (highest - mean))
        ceiling = np.where(equal, np.inf, highest + spread * deviation / (mean - lowest))
        width = bounds[1] - bounds[0]
        floor[np.isfinite(width) & (prompts * (bounds[1] - mean) < width)] = -np.inf
        ceiling[np.isfinite(width) & (prompts * (mean - bounds[0]) < width)] = np.inf
    if paired:
        farthest = np.maximum(np.abs(lowest), np.abs(highest))
        floor, ceiling = np.minimum(floor, -farthest), np.maximum(ceiling, farthest)
    floor, ceiling = np.maximum(floor, bounds[0]), np.minimum(ceiling, bounds[1])
    floor = np.where(np.isinf(floor), observed[0], floor)
    ceiling = np.where(np.isinf(ceiling), observed[1], ceiling)
    unknown = equal & ~(np.nan_to_num(ceiling - floor) > 0)
    lowest, highest = np.where(unknown, np.nan, lowest), np.where(unknown, np.nan, highest)
    return np.minimum(floor, lowest), np.maximum(ceiling, highest)


def _threshold(deviations: np.ndarray, prompts: np.ndarray) -> np.ndarray:
    """Highest -2 log likelihood ratio of a mean inside the interval, by column."""
    squares = (deviations**2).sum(axis=0)
    fourth = (deviations**4).sum(axis=0)
    differing = np.divide(squares**2, fourth, out=np.zeros_like(squares), where=fourth > 0)  # 1 to `prompts`
    student = stats.t.ppf((1 + LEVEL) / 2, prompts - 1)
    return prompts * np.log1p(student**2 / (prompts - 1)) * (1 + 1 / (6 * (differing + UNIFORM)))


def _lower_ends(sums: np.ndarray, counts: np.ndarray, floor: np.ndarray, threshold: np.ndarray) -> np.ndarray:
    """The mean below the observed one whose likelihood ratio equals the threshold, by column.

    Args:
        sums, counts: (prompts, columns), scaled to counts of 1 on average over the prompts that count.
        floor: Lowest value that weight may go to.
        threshold: Of -2 log likelihood ratio.
    """
    mean = sums.sum(axis=0) / counts.sum(axis=0)
    ends = np.where(np.isnan(floor), np.nan, mean)
    active = np.flatnonzero(mean - floor > EQUAL * np.maximum(np.abs(mean), np.abs(floor)))
    below, above = floor.copy(), mean.copy()
    prompts = (counts > 0).sum(axis=0)
    deviation = np.sqrt(((sums - mean * counts) ** 2).sum(axis=0) / prompts)
    guess = mean - np.sqrt(threshold / prompts) * deviation
    guess = np.where((guess > floor) & (guess < mean), guess, (mean + floor) / 2)
    for _ in range(STEPS):
        if not len(active):
            break
        at, of = guess[active], counts[:, active]
        distances = sums[:, active] - at * of
        limit = 1 / (at - floor[active])
        tilt, bound = _tilts(distances, limit)
        ratio = 2 * np.log1p(tilt * distances).sum(axis=0)
        change = np.where(bound, -(tilt**2), 0.0)  # of the tilt, where the unseen value limits it
        slope = 2 * ((change * distances - tilt * of) / (1 + tilt * distances)).sum(axis=0)
        outside = ratio > threshold[active]
        below[active] = np.where(outside, at, below[active])
        above[active] = np.where(outside, above[active], at)
        root = np.sqrt(np.maximum(ratio, 1e-300))  # nearly linear in the mean
        with np.errstate(divide="ignore", invalid="ignore"):
            step = at - (root - np.sqrt(threshold[active])) * 2 * root / slope
        inside = (step > below[active]) & (step < above[active])
        guess[active] = np.where(inside, step, (below[active] + above[active]) / 2)
        moved = np.abs(guess[active] - at)
        ends[active] = guess[active]
        active = active[moved > PRECISION * (mean[active] - at)]
    return ends


def _tilts(distances: np.ndarray, limit: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """By column the tilt in [0, limit] of the most likely weights 1 / (1 + tilt * distance), and whether it is `limit`.

    The root of a decreasing function, by Newton's method kept inside its bracket.
    """
    farthest = np.maximum((-distances).max(axis=0), 0)  # with many values of a prompt, farther than the unseen value
    most = np.minimum(limit, np.divide(1, farthest, out=limit.copy(), where=farthest > 0)) * (1 - 1e-12)

    def excess(tilt: np.ndarray, of: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        terms = of / (1 + tilt * of)
        return terms.sum(axis=0), (terms**2).sum(axis=0)

    bound = excess(most, distances)[0] >= 0
    tilts = np.where(bound, most, 0.0)
    active = np.flatnonzero(~bound)
    below, above = np.zeros(len(limit)), most.copy()
    start = distances[:, active].sum(axis=0) / (distances[:, active] ** 2).sum(axis=0)
    tilts[active] = np.minimum(start, most[active] / 2)
    for _ in range(STEPS):
        if not len(active):
            break
        at = tilts[active]
        value, slope = excess(at, distances[:, active])
        below[active] = np.where(value > 0, at, below[active])
        above[active] = np.where(value > 0, above[active], at)
        step = at + value / slope
        inside = (step > below[active]) & (step < above[active])
        tilts[active] = np.where(inside, step, (below[active] + above[active]) / 2)
        active = active[np.abs(tilts[active] - at) > 1e-12 * at]
    return tilts, bound
