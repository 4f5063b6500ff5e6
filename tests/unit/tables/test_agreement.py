"""Agreement against published worked examples and second implementations."""

import itertools

import numpy as np
import pytest

from detailscribe.tables.agreement import krippendorff_alpha, weighted_kappa

_ = np.nan
# Krippendorff 2011, Computing Krippendorff's Alpha-Reliability: examples B, C and E.
EXAMPLE_B = np.array([[0, 1, 0, 0, 0, 0, 0, 0, 1, 0], [1, 1, 1, 0, 0, 1, 0, 0, 0, 0]], dtype=float).T
EXAMPLE_C = np.array([[*map(float, map(ord, letters))] for letters in ("aabbdcccedda", "babbbccceddd")]).T
EXAMPLE_E = np.array(
    [
        [1, 2, 3, 3, 2, 1, 4, 1, 2, _, _, _],
        [1, 2, 3, 3, 2, 2, 4, 1, 2, 5, _, 3],
        [_, 3, 3, 3, 2, 3, 4, 2, 2, 5, 1, _],
        [1, 2, 3, 3, 2, 4, 4, 1, 2, 5, 1, _],
    ]
).T


@pytest.mark.parametrize(
    ("ratings", "level", "alpha"),
    [
        (EXAMPLE_B, "nominal", 0.095),
        (EXAMPLE_C, "nominal", 0.692),
        (EXAMPLE_E, "nominal", 0.743),
        (EXAMPLE_E, "ordinal", 0.815),
        (EXAMPLE_E, "interval", 0.849),
    ],
)
def test_published_worked_examples(ratings, level, alpha):
    assert krippendorff_alpha(ratings, level) == pytest.approx(alpha, abs=5e-4)


def test_weights_of_units_are_the_same_as_units_repeated():
    weights = np.random.default_rng(0).integers(0, 4, len(EXAMPLE_E))
    repeated = np.repeat(EXAMPLE_E, weights, axis=0)
    for level in ("nominal", "ordinal", "interval"):
        weighted = krippendorff_alpha(EXAMPLE_E, level, weights.astype(float))
        assert weighted == pytest.approx(krippendorff_alpha(repeated, level))


def test_nothing_to_disagree_about_has_no_alpha():
    assert np.isnan(krippendorff_alpha(np.full((4, 2), 3.0), "ordinal"))
    assert np.isnan(krippendorff_alpha(np.array([[1.0, np.nan], [np.nan, 2]]), "ordinal"))


def test_quadratic_kappa_is_its_definition():
    generator = np.random.default_rng(1)
    first = generator.integers(1, 6, 80).astype(float)
    second = np.clip(first + generator.integers(-1, 2, 80), 1, 5)
    observed = np.mean((first - second) ** 2)
    by_chance = np.mean([(a - b) ** 2 for a, b in itertools.product(first, second)])
    assert weighted_kappa(first, second, np.arange(1.0, 6)) == pytest.approx(1 - observed / by_chance)
    assert weighted_kappa(first, first, np.arange(1.0, 6)) == pytest.approx(1)
    assert np.isnan(weighted_kappa(np.ones(4), np.ones(4), np.arange(1.0, 6)))
