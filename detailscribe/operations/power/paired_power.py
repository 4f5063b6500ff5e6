"""Power of a paired test, by formula: noncentral t at the level that Holm's correction leaves; prompts it needs.

A shift is an expected difference in standard errors. The tables test by signs of the differences or by ranks; for
planning, the first is a paired t test, and the second one whose prompts count RANK_EFFICIENCY each.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from scipy import optimize, stats

NONE, SAME = "none", "same"  # of the family's other comparisons: none differs, or all differ as much
RANK_EFFICIENCY = (
    3 / np.pi
)  # of the signed-rank test beside t, for normal differences (Pitman; Hodges and Lehmann 1956)
COMMON = 0.5  # correlation of comparisons of one family: the baseline is the same in all of them
STUDIES, SEED = 20_000, 0  # simulated families
SHIFTS = np.linspace(0, 9, 46)  # at which the power of a family is simulated
POINTS = 400  # at which the distribution of a standard deviation is evaluated
LARGE = 2000  # degrees of freedom, from which a standard deviation counts as known
MOST = 10**7  # prompts; more are not worth planning


def power_of(shift: float, freedom: float, level: float) -> float:
    """Power of a two-sided t test in the direction of the shift.

    Args:
        shift: Expected difference in standard errors; at least 0.
        freedom: Degrees of freedom; below 1 there is no power.
        level: Of the single test, in (0, 1).
    """
    if freedom < 1:
        return 0.0
    deviations, critical = _deviations(int(freedom)), stats.t.isf(level / 2, freedom)
    # As for `significance.detectable_effect`: scipy's noncentral t fails at few degrees of freedom.
    return float(stats.norm.cdf(shift - critical * deviations).mean())


def family_level(family: int, power: float, others: str, alpha: float = 0.05) -> float:
    """Level of a single test that is found as often as one comparison of a family after Holm's correction.

    Args:
        family: Number of comparisons, at least 1.
        power: That is wanted, in (alpha, 1): under SAME the level depends on how many of the others are found.
        others: NONE: it must pass alone, at alpha / family. SAME: all have the same shift, and each that is found makes
            the next step easier.
        alpha: Family-wise error rate.

    Raises:
        ValueError: another value of `others`.
    """
    if others not in (NONE, SAME):
        raise ValueError(others)
    if others == NONE or family == 1:
        return alpha / family
    powers = _powers_of_family(family, alpha)
    shift = float(np.interp(power, powers, SHIFTS))
    return float(np.clip(2 * stats.norm.sf(shift - stats.norm.ppf(power)), alpha / family, alpha))


def permutation_level(level: float, permutations: int) -> float:
    """Level of the test that random sign patterns leave of a level: p is (k + 1) / (patterns + 1), in whole k.

    A p value is below the level for at most K patterns that are as extreme. In half of the studies that is so where the
    share of all patterns is (K + 2/3) / patterns, the median of a Poisson count. It says nothing about the few prompts
    of which all patterns are tried.

    Args:
        level: Of the single test.
        permutations: Number of random sign patterns.

    Returns:
        0 if no p value of so few patterns is below the level.
    """
    most = np.ceil(level * (permutations + 1)) - 2
    return float(np.clip((most + 2 / 3) / permutations, 0, level)) if most >= 0 else 0.0


@cache
def _powers_of_family(family: int, alpha: float) -> np.ndarray:
    """Power for one comparison after Holm's correction at each of SHIFTS, if all comparisons have this shift.

    From simulated normal statistics, two of which have the correlation COMMON.
    """
    generator = np.random.default_rng(SEED)
    studies = min(STUDIES, 4_000_000 // family)
    shared = generator.standard_normal((studies, 1))
    noise = np.sqrt(COMMON) * shared + np.sqrt(1 - COMMON) * generator.standard_normal((studies, family))
    noise = -np.sort(-noise, axis=1)  # the shift is common, so the order of the p values is
    limits = stats.norm.isf(alpha / (2 * np.arange(family, 0, -1)))
    passed = [np.logical_and.accumulate(noise + shift > limits, axis=1).mean() for shift in SHIFTS]
    return np.maximum.accumulate(np.array(passed) + 1e-12 * np.arange(len(SHIFTS)))


@cache
def _deviations(freedom: int) -> np.ndarray:
    """Quantiles of a sample's standard deviation, in true ones."""
    if freedom > LARGE:
        return np.ones(1)
    return np.sqrt(stats.chi2.ppf((np.arange(POINTS) + 0.5) / POINTS, freedom) / freedom)


def smallest_count(level: float) -> int:
    """Fewest prompts with which a test by signs can be significant at all: of 2^n patterns two are as extreme.

    MOST at a level of 0, which no number of prompts passes.
    """
    return max(2, int(np.ceil(1 - np.log2(level)))) if level > 0 else MOST


def power_at(difference: float, variance: Callable[[int], float], prompts: int, level: float, ranks: bool) -> float:
    """Power of the tables' test.

    Args:
        difference: That is to be found, in the metric's units.
        variance: Of the mean difference, by number of prompts.
        prompts: Number of prompts.
        level: Of the single test.
        ranks: Whether the test is by ranks.
    """
    if prompts < smallest_count(level):
        return 0.0
    spread = variance(prompts)
    if spread <= 0:
        return 1.0
    efficiency = RANK_EFFICIENCY if ranks else 1.0
    return power_of(abs(difference) * np.sqrt(efficiency / spread), prompts - 1, level)


def detectable(variance: Callable[[int], float], prompts: int, level: float, power: float, ranks: bool) -> float:
    """Smallest difference that is found with a given power; arguments as of `power_at`. NaN for too few prompts."""
    if prompts < smallest_count(level):
        return float("nan")
    return needed_shift(prompts - 1, level, power) * np.sqrt(variance(prompts) / (RANK_EFFICIENCY if ranks else 1.0))


@cache
def needed_shift(freedom: int, level: float, power: float) -> float:
    """Shift that is found with a given power; arguments as of `power_of`."""
    high = 1.0
    while power_of(high, freedom, level) < power:
        high *= 2
    return float(optimize.brentq(lambda value: power_of(value, freedom, level) - power, 0, high))


def prompts_needed(
    difference: float,
    variance: Callable[[int], float],
    level: float,
    power: float,
    ranks: bool = False,
    at_most: int = MOST,
) -> int | None:
    """Fewest prompts that find a difference with a given power.

    Args:
        difference, variance, level, ranks: As of `power_at`; the variance falls with the prompts.
        power: That is wanted, in (0, 1).
        at_most: Number that is not exceeded.

    Returns:
        None if more than `at_most` are needed, as always for a difference of 0.
    """

    def is_enough(prompts: int) -> bool:
        return power_at(difference, variance, prompts, level, ranks) >= power

    low, high = smallest_count(level) - 1, smallest_count(level)
    if level <= 0:
        return None
    while not is_enough(high):
        if high >= at_most:
            return None
        low, high = high, min(2 * high, at_most)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_enough(middle) else (middle, high)
    return high
