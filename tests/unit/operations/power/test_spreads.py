"""Variance components of differences: recovered from planted ones, and what a judge explains."""

import numpy as np
import pytest

from detailscribe.operations.power.spreads import (
    Spread,
    deviation_interval,
    explained_variance,
    spread_of_repeats,
    spread_of_selection,
)

PROMPTS = 40_000


def planted(between: float, within: float, repeats: int, seed: int = 0) -> np.ndarray:
    generator = np.random.default_rng(seed)
    return generator.normal(0, between, (PROMPTS, 1)) + generator.normal(0, within, (PROMPTS, repeats))


@pytest.mark.parametrize(("between", "within", "repeats"), [(1.0, 0.5, 2), (0.5, 1.0, 2), (0.8, 0.8, 5), (0.0, 1.0, 3)])
def test_the_components_of_repeats_are_the_planted_ones(between, within, repeats):
    means, spread = spread_of_repeats(planted(between, within, repeats))
    assert spread.between == pytest.approx(between**2, abs=0.03)
    assert spread.within == pytest.approx(within**2, abs=0.03)
    assert spread.total() == pytest.approx(np.var(means, ddof=1), rel=1e-6)
    assert spread.total(10) == pytest.approx(between**2 + within**2 / 10, abs=0.03)


def test_prompts_may_have_different_numbers_of_repeats():
    values = planted(0.7, 0.9, 4)
    values[::2, 2:] = np.nan
    values[::5] = np.nan
    means, spread = spread_of_repeats(values)
    assert spread.prompts == np.count_nonzero(~np.isnan(means)) == PROMPTS * 4 // 5
    assert spread.repeats == pytest.approx(1 / np.mean([1 / 2, 1 / 4]), abs=1e-3)
    assert (spread.between, spread.within) == pytest.approx((0.49, 0.81), abs=0.03)


def test_two_orders_with_a_bias_keep_the_spread_that_is_observed():
    values = np.random.default_rng(0).normal(0, 0.1, (200, 2)) + np.array([1.0, -1.0])
    means, spread = spread_of_repeats(values)
    assert spread.total() == pytest.approx(np.var(means, ddof=1))


@pytest.mark.parametrize("values", [np.empty((0, 1)), np.array([[1.0], [2.0]]), np.full((5, 2), np.nan)])
def test_few_prompts_have_no_spread(values):
    assert spread_of_repeats(values)[1] is None


def test_one_repeat_has_no_known_noise():
    spread = spread_of_repeats(np.random.default_rng(0).normal(size=(50, 1)))[1]
    assert spread.within is None
    assert spread.total(1) == spread.total(9)


@pytest.mark.parametrize("draws", [2, 4])
def test_the_spread_of_a_choice_agrees_with_what_is_observed_with_one_draw_and_with_all(draws):
    generator = np.random.default_rng(3)
    scores = generator.normal(0, 0.5, (PROMPTS, 4, 1)) + generator.normal(0, 0.8, (PROMPTS, 4, draws))
    averaged, single = scores.mean(axis=2).max(axis=1), scores.max(axis=1)
    spread = spread_of_selection(averaged, single)
    assert spread.total() == pytest.approx(np.var(averaged, ddof=1), rel=1e-6)
    assert spread.total(1) == pytest.approx(np.var(single, axis=0, ddof=1).mean(), rel=1e-6)


@pytest.mark.parametrize("correlation", [0.0, 0.5, 0.9])
@pytest.mark.parametrize("prompts", [10, 400])
def test_what_a_judge_explains_is_not_overstated_by_few_prompts(correlation, prompts):
    generator = np.random.default_rng(5)
    found = []
    for _ in range(600):
        judge = generator.normal(size=prompts)
        people = correlation * judge + np.sqrt(1 - correlation**2) * generator.normal(size=prompts)
        found.append(explained_variance(people, judge))
    # What is cut at 0 leaves a little for a useless judge, of the order of 1 / prompts.
    assert np.mean(found) == pytest.approx(correlation**2, abs=0.03 + 0.6 / prompts)


def test_a_judge_without_common_prompts_or_spread_explains_nothing():
    people = np.array([1.0, 2.0, 4.0, np.nan, 3.0, 0.0])
    assert explained_variance(people, np.full(6, np.nan)) == 0
    assert explained_variance(people, np.ones(6)) == 0


@pytest.mark.parametrize(
    ("judged", "expected"), [(0, 1.0 / 50), (50, 1.0 / 50), (100, (1 - 0.6 * 0.5) / 50), (10**9, 0.4 / 50)]
)
def test_an_assisted_mean_has_the_variance_of_the_formula(judged, expected):
    assert Spread(1.0, explained=0.6).of_mean(50, judged=judged) == pytest.approx(expected)


def test_the_assisted_variance_is_that_of_simulated_means():
    generator = np.random.default_rng(6)
    rated, total, slope = 40, 200, 0.8
    judge = generator.normal(size=(20_000, total))
    people = slope * judge[:, :rated] + 0.6 * generator.normal(size=(20_000, rated))
    weight = slope / (1 + rated / (total - rated))
    means = people.mean(axis=1) - weight * (judge[:, :rated].mean(axis=1) - judge[:, rated:].mean(axis=1))
    assert Spread(1.0, explained=slope**2).of_mean(rated, judged=total) == pytest.approx(means.var(), rel=0.03)


@pytest.mark.parametrize("kind", ["normal", "uniform", "exponential"])
def test_the_interval_of_a_standard_deviation_covers_it(kind):
    generator = np.random.default_rng(7)
    draw = {
        "normal": lambda: generator.normal(size=60),
        "uniform": lambda: generator.uniform(-(3**0.5), 3**0.5, 60),
        "exponential": lambda: generator.exponential(size=60),
    }[kind]
    covered = []
    for _ in range(800):
        values = draw()
        low, high = (ratio * values.std(ddof=1) for ratio in deviation_interval(values))
        covered.append(low <= 1 <= high)
    assert 0.88 <= np.mean(covered) <= 0.98


@pytest.mark.parametrize("values", [np.array([]), np.array([1.0, 2.0, 3.0]), np.full(20, 0.1)])
def test_an_interval_that_cannot_be_computed_is_empty(values):
    assert np.isnan(deviation_interval(values)).all()
