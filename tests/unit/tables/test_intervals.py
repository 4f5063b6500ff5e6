"""Intervals: against a second computation, against exact limits of shares, their coverage, and at their edges."""

import warnings

import numpy as np
import pytest
from scipy import optimize, stats

from detailscribe.tables.intervals import jackknife_interval, mean_intervals


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        yield


LIKERT = {5.0: 0.92, 4.0: 0.04, 3.0: 0.02, 2.0: 0.01, 1.0: 0.01}  # mean 4.85


def ratings(generator: np.random.Generator, size: tuple[int, int]) -> np.ndarray:
    return generator.choice([*LIKERT], size, p=[*LIKERT.values()])


def likelihood_ratio(values: np.ndarray, mean: float, floor: float, ceiling: float) -> float:
    """-2 log ratio of a mean, by optimising the weights of the values and of two unseen ones directly."""
    support = np.array([*values, floor, ceiling])
    n = len(values)

    def lost(logits: np.ndarray) -> float:
        weights = np.exp(logits - logits.max())
        weights /= weights.sum()
        return -2 * np.log(n * weights[:n]).sum()

    def excess(logits: np.ndarray) -> float:
        weights = np.exp(logits - logits.max())
        return float(weights @ support / weights.sum()) - mean

    start = np.zeros(n + 2)
    start[n:] = -3
    found = optimize.minimize(lost, start, constraints={"type": "eq", "fun": excess}, options={"maxiter": 500})
    return float(found.fun)


def test_the_ends_are_the_means_whose_likelihood_ratio_is_the_threshold():
    values = np.array([5.0, 5, 5, 4, 5, 3, 5, 5, 4, 5])
    (low,), (high,) = mean_intervals(values[:, None], (1, 5))
    n, mean, std = len(values), values.mean(), values.std(ddof=1)
    floor = max(1, 3 - 2 * std / (5 - mean))
    squares = (values - mean) ** 2
    differing = squares.sum() ** 2 / (squares**2).sum()
    student = stats.t.ppf(0.975, n - 1)
    threshold = n * np.log(1 + student**2 / (n - 1)) * (1 + 1 / (6 * differing + 1.8))
    assert likelihood_ratio(values, low, floor, 5) == pytest.approx(threshold, rel=1e-3)
    assert likelihood_ratio(values, high, floor, 5) == pytest.approx(threshold, rel=1e-3)


@pytest.mark.parametrize("prompts", [25, 50, 200, 1000])
def test_a_share_has_about_the_exact_mid_p_limits(prompts):
    for hits in sorted({0, 1, 2, 5, prompts // 2}):
        shares = (np.arange(prompts) < hits).astype(float)[:, None]
        (low,), (high,) = mean_intervals(shares, (0, 1))
        ends = [0.0, 1.0]
        for which, tail in enumerate((stats.binom.sf, lambda k, n, p: stats.binom.cdf(k - 1, n, p))):
            if (which, hits) != (0, 0):
                solve = lambda p: tail(hits, prompts, p) + stats.binom.pmf(hits, prompts, p) / 2 - 0.025  # noqa: E731, B023
                ends[which] = optimize.brentq(solve, 1e-9, 1 - 1e-9)
        assert (low, high) == pytest.approx(ends, abs=0.25 * (ends[1] - ends[0]) / np.sqrt(hits + 1))


def test_the_interval_of_normal_values_is_students():
    values = np.random.default_rng(0).normal(size=(50, 300))
    low, high = mean_intervals(values)
    student = 2 * stats.t.ppf(0.975, 49) * values.std(axis=0, ddof=1) / np.sqrt(50)
    assert np.mean((high - low) / student) == pytest.approx(1, abs=0.03)


@pytest.mark.parametrize("prompts", [25, 100])
@pytest.mark.parametrize(
    ("sample", "mean", "bounds", "most"),
    [
        (ratings, 4.85, (1, 5), 0.99),  # nearly all alike: the end away from the bound is never missed
        (lambda generator, size: np.clip(np.rint(generator.normal(3.4, 1.1, size)), 1, 5), 3.3774, (1, 5), 0.97),
        (lambda generator, size: (generator.random(size) < 0.8).astype(float), 0.8, (0, 1), 0.97),
        (lambda generator, size: generator.beta(0.3, 0.4, size), 3 / 7, (0, 1), 0.97),
        (lambda generator, size: generator.normal(0.9, 0.08, size), 0.9, (0, 2.5), 0.97),
        (lambda generator, size: generator.exponential(1, size), 1, (-np.inf, np.inf), 0.97),
    ],
    ids=["likert 4.85", "likert 3.4", "share 0.8", "U-shaped", "normal", "exponential"],
)
def test_intervals_cover_the_mean_as_often_as_they_say(sample, mean, bounds, most, prompts):
    low, high = mean_intervals(sample(np.random.default_rng(1), (prompts, 1000)), bounds)
    error = 2 * (0.05 * 0.95 / 1000) ** 0.5
    assert 0.93 - error <= np.mean((low <= mean) & (mean <= high)) <= most + error


def test_equal_values_have_an_interval_of_what_else_was_possible():
    ends = mean_intervals(np.full((20, 1), 5.0), (1, 5))
    assert ends[1][0] == 5 and 4.2 < ends[0][0] < 4.6
    low, high = mean_intervals(np.zeros((20, 3)), np.array([[-4, -np.inf, -np.inf], [4, np.inf, np.inf]]), paired=True)
    assert low[0] == pytest.approx(-high[0]) and 0.4 < high[0] < 0.8
    assert np.isnan(low[1:]).all() and np.isnan(high[1:]).all()  # nothing is known about the scale
    low, high = mean_intervals(np.full((20, 1), 0.1), observed=(-1.0, 3.0))
    assert low[0] < 0.1 < high[0]


def test_values_that_differ_by_rounding_are_equal():
    dust = 0.1 + 1e-17 * np.random.default_rng(0).normal(size=(20, 1))
    assert np.allclose(mean_intervals(dust, (0, 1)), mean_intervals(np.full((20, 1), 0.1), (0, 1)))


def test_the_interval_moves_and_scales_with_the_values_and_a_column_ignores_the_others():
    values = np.random.default_rng(4).gamma(1.5, 1, (30, 3))
    ends = np.array(mean_intervals(values, (0, 20)))
    assert np.allclose(np.array(mean_intervals(3 - 2 * values, (3 - 40, 3))), 3 - 2 * ends[::-1])
    assert np.allclose(np.array(mean_intervals(values[:, :1], (0, 20)))[:, 0], ends[:, 0], rtol=1e-12)
    assert np.array_equal(ends, mean_intervals(values, (0, 20)))


def test_missing_values_are_left_out_and_counts_make_a_ratio():
    values = np.random.default_rng(4).gamma(1.5, 1, (30, 1))
    with_gaps = np.concatenate([values, np.full((10, 1), np.nan)])
    assert np.allclose(mean_intervals(with_gaps, (0, 20)), mean_intervals(values, (0, 20)))
    doubled = mean_intervals(2 * values, (0, 20), counts=np.full((30, 1), 2.0))
    assert np.allclose(doubled, mean_intervals(values, (0, 20)))


def test_the_ratio_of_prompts_with_unequal_counts_is_covered():
    generator = np.random.default_rng(5)
    counts = generator.integers(0, 11, (40, 1000)).astype(float)
    hits = generator.binomial(counts.astype(int), generator.beta(3, 1, counts.shape)).astype(float)
    low, high = mean_intervals(hits, (0, 1), counts=counts)
    assert 0.93 <= np.mean((low <= 0.75) & (high >= 0.75)) <= 0.97


@pytest.mark.parametrize("values", [np.empty((0, 2)), np.ones((1, 2)), np.full((5, 2), np.nan)])
def test_fewer_than_two_values_have_no_interval(values):
    assert np.isnan(mean_intervals(values, (0, 1))).all()


def test_the_jackknife_of_a_mean_is_the_interval_of_the_mean():
    values = np.random.default_rng(6).uniform(-0.5, 0.9, 30)
    without = (values.sum() - values) / 29
    low, high = mean_intervals(values[:, None], (-1, 1))
    assert jackknife_interval(values.mean(), without, (-1, 1)) == pytest.approx((low[0], high[0]))
    low, high = jackknife_interval(1.0, np.ones(30), (-1, 1))
    assert high == 1 and 0.7 < low < 0.95  # perfect so far
    assert np.isnan(jackknife_interval(0.5, np.array([0.5, np.nan, 0.4]), (-1, 1))).all()
