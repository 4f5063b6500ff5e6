"""Selection bias: unbiased where the truth is known, and the winner's curse of an oracle."""

import numpy as np
import pytest

from detailscribe.tables.selection_bias import best_on_other_prompts, leave_one_repeat_out


def test_optimism_against_other_prompts_is_unbiased_where_candidates_are_alike():
    generator = np.random.default_rng(0)
    gains = []
    for _ in range(300):
        values = generator.normal(size=(15, 4))
        gains.append((values.max(axis=1) - best_on_other_prompts(values, 0)).mean())
    expected = 1.0294  # of the largest of four normal values
    assert np.mean(gains) == pytest.approx(expected, abs=3 * np.std(gains) / np.sqrt(300))
    assert np.isnan(best_on_other_prompts(np.ones((1, 3)), 0)).all()


def test_a_fixed_choice_is_found_where_one_candidate_is_better():
    values = np.random.default_rng(0).normal(size=(40, 3)) + [0, 3, 0]
    assert best_on_other_prompts(values, 0) == pytest.approx(values[:, 1])


def test_another_draw_shows_the_winners_curse():
    generator = np.random.default_rng(1)
    values = generator.normal(size=(20_000, 4, 2))  # noise alone: the pick is worth nothing
    oracle, fresh = leave_one_repeat_out(values)
    assert oracle.mean() == pytest.approx(1.0294, abs=0.02) and fresh.mean() == pytest.approx(0, abs=0.02)
