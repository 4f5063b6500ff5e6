"""Power of a paired test: known sizes, the level under Holm's correction, permutations, and the inverse functions."""

import numpy as np
import pytest
from scipy import stats

from detailscribe.operations.power import paired_power
from detailscribe.operations.power.paired_power import MOST, NONE, SAME
from detailscribe.tables.significance import detectable_effect, holm


def of_unit_variance(prompts: int) -> float:
    return 1 / prompts


# Sizes of G*Power 3.1 for a two-sided paired t test.
@pytest.mark.parametrize(
    ("difference", "level", "power", "prompts"),
    [(0.2, 0.05, 0.8, 199), (0.5, 0.05, 0.8, 34), (0.8, 0.05, 0.8, 15), (0.5, 0.05, 0.95, 54), (0.5, 0.01, 0.8, 51)],
)
def test_the_prompts_needed_are_those_of_a_paired_t_test(difference, level, power, prompts):
    found = paired_power.prompts_needed(difference, of_unit_variance, level, power)
    assert abs(found - prompts) <= 1
    assert paired_power.power_at(difference, of_unit_variance, found, level, False) >= power
    assert paired_power.power_at(difference, of_unit_variance, found - 1, level, False) < power


@pytest.mark.parametrize(("freedom", "shift", "level"), [(19, 2.5, 0.05), (49, 3.0, 0.01), (199, 2.0, 0.05)])
def test_power_is_that_of_the_noncentral_t(freedom, shift, level):
    expected = stats.nct.sf(stats.t.isf(level / 2, freedom), freedom, shift)
    assert paired_power.power_of(shift, freedom, level) == pytest.approx(expected, abs=2e-3)


@pytest.mark.parametrize("prompts", [8, 50, 600, 5000])
def test_detectable_is_that_of_the_main_table_and_inverts_the_power(prompts):
    found = paired_power.detectable(of_unit_variance, prompts, 0.05, 0.8, False)
    assert found == pytest.approx(detectable_effect(prompts), rel=2e-3)
    assert paired_power.power_at(found, of_unit_variance, prompts, 0.05, False) == pytest.approx(0.8, abs=1e-6)


def test_ranks_need_more_prompts():
    by_mean, by_rank = (paired_power.prompts_needed(0.1, of_unit_variance, 0.05, 0.8, ranks) for ranks in (False, True))
    assert by_rank / by_mean == pytest.approx(np.pi / 3, rel=0.01)


@pytest.mark.parametrize("family", [1, 2, 5, 28])
def test_alone_a_comparison_must_pass_the_first_step_of_holm(family):
    assert paired_power.family_level(family, 0.8, NONE) == pytest.approx(0.05 / family)


@pytest.mark.parametrize("family", [2, 5, 28])
@pytest.mark.parametrize("power", [0.5, 0.8, 0.9])
def test_the_level_of_a_family_with_equal_differences_is_what_simulated_families_reach(family, power):
    level = paired_power.family_level(family, power, SAME)
    assert 0.05 / family < level < 0.05
    shift = stats.norm.isf(level / 2) + stats.norm.ppf(power)  # a single test at this level has this power here
    generator = np.random.default_rng(1)
    shared = generator.standard_normal((4000, 1))
    values = shift + np.sqrt(0.5) * (shared + generator.standard_normal((4000, family)))
    adjusted = np.array([holm(2 * stats.norm.sf(np.abs(row))) for row in values])
    assert (adjusted[:, 0] < 0.05).mean() == pytest.approx(power, abs=0.03)


def test_an_unknown_assumption_about_the_family_is_refused():
    with pytest.raises(ValueError, match="some"):
        paired_power.family_level(3, 0.8, "some")


@pytest.mark.parametrize(("level", "permutations"), [(0.05, 10_000), (0.05 / 28, 10_000), (0.05 / 28, 2000)])
def test_few_permutations_leave_the_level_at_which_half_of_the_tests_pass(level, permutations):
    found = paired_power.permutation_level(level, permutations)
    most = max(k for k in range(permutations) if (k + 1) / (permutations + 1) < level)
    assert stats.poisson.cdf(most, found * permutations) == pytest.approx(0.5, abs=0.02)
    assert found < level


@pytest.mark.parametrize(("level", "permutations"), [(0.001, 500), (0.0001, 9999)])
def test_no_p_value_of_too_few_permutations_passes(level, permutations):
    assert paired_power.permutation_level(level, permutations) == 0
    assert paired_power.prompts_needed(1.0, of_unit_variance, 0.0, 0.8) is None
    assert paired_power.smallest_count(0.0) == MOST


@pytest.mark.parametrize(("level", "fewest"), [(0.05, 6), (0.01, 8), (0.05 / 28, 11)])
def test_so_few_prompts_have_no_significant_pattern_of_signs(level, fewest):
    assert 2 / 2**fewest <= level < 2 / 2 ** (fewest - 1)
    assert paired_power.prompts_needed(100.0, of_unit_variance, level, 0.8) == fewest
    assert paired_power.power_at(100.0, of_unit_variance, fewest - 1, level, False) == 0
    assert np.isnan(paired_power.detectable(of_unit_variance, fewest - 1, level, 0.8, False))


@pytest.mark.parametrize("difference", [0.0, 1e-6])
def test_what_no_number_of_prompts_finds_has_none(difference):
    assert paired_power.prompts_needed(difference, of_unit_variance, 0.05, 0.8) is None
