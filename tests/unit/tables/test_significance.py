"""Tests and effect sizes against scipy, against second implementations, and at their edges."""

import itertools
import warnings

import numpy as np
import pytest
from scipy import stats

from detailscribe.tables import significance


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def skewed(n: int, columns: int = 3) -> np.ndarray:
    return np.random.default_rng(4).gamma(1.5, 1, (n, columns))


def test_sign_flips_are_exact_for_few_prompts():
    differences = np.array([[1.0, 0, 2], [2, 0, -1], [0.5, 0, 3], [3, 0, 0], [1, 0, -2]])
    expected = []
    for column in differences.T:
        sums = [abs(np.dot(signs, column)) for signs in itertools.product((1, -1), repeat=5)]
        expected.append(np.mean([total >= abs(column.sum()) - 1e-12 for total in sums]))
    assert significance.sign_flip_p(differences, 1000, 0) == pytest.approx(expected)
    assert expected[1] == 1


def test_sign_flips_agree_with_scipy_for_many_prompts_and_are_never_zero():
    differences = skewed(30, 2) - 1.1
    ours = significance.sign_flip_p(differences, 20_000, 0)
    for column in range(2):
        theirs = stats.permutation_test(
            (differences[:, column],), np.mean, permutation_type="samples", n_resamples=20_000, rng=1
        )
        assert ours[column] == pytest.approx(theirs.pvalue, abs=0.012)
    assert significance.sign_flip_p(np.ones((40, 1)), 1000, 0)[0] == pytest.approx(1 / 1001)


def test_wilcoxon_equals_scipys_with_gaps_and_with_ties_only():
    differences = np.random.default_rng(2).normal(0.4, 1, (25, 1))
    with_gap = np.concatenate([differences, [[np.nan]]])
    assert significance.wilcoxon_p(with_gap)[0] == pytest.approx(stats.wilcoxon(differences[:, 0]).pvalue)
    assert significance.wilcoxon_p(np.zeros((6, 1)))[0] == 1
    assert np.isnan(significance.wilcoxon_p(np.full((6, 1), np.nan))[0])


def test_holm_is_the_step_down_procedure():
    p = np.array([0.01, 0.04, 0.03, 0.005, np.nan, 0.2])
    # Second form: reject in order while p <= level / (remaining); the adjusted p is the smallest such level.
    for level in np.linspace(0.001, 0.999, 400):
        order = sorted(range(6), key=lambda index: (np.isnan(p[index]), p[index]))
        rejected = set()
        for rank, index in enumerate(order[:5]):
            if p[index] > level / (5 - rank):
                break
            rejected.add(index)
        assert set(np.flatnonzero(significance.holm(p) <= level)) == rejected
    assert np.isnan(significance.holm(p)[4])
    assert significance.holm(np.array([])).size == 0


@pytest.mark.parametrize("n", [5, 10, 50, 400])
def test_the_detectable_difference_is_found_with_80_percent_power(n):
    shift = significance.detectable_effect(n) * np.sqrt(n)
    assert stats.nct.sf(stats.t.ppf(0.975, n - 1), n - 1, shift) == pytest.approx(0.8, abs=2e-4)
    assert np.isnan(significance.detectable_effect(1))
