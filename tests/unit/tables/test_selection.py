"""Selection bias: unbiased where the truth is known, covered by its interval, and the winner's curse of an oracle."""

import numpy as np
import pytest

from detailscribe.tables.intervals import mean_intervals
from detailscribe.tables.score_table import ScoreTable, score_frame
from detailscribe.tables.selection import (
    best_on_other_prompts,
    leave_one_repeat_out,
    resampled_error,
    selection_bias,
)
from tests.unit.tables.sample_scores import random_scores, score_rows


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


def bias_of(values: np.ndarray, resamples: int = 100) -> dict:
    names = [f"k{number}" for number in range(values.shape[1])]
    ids = [f"p{number}" for number in range(len(values))]
    images = [(id, name) for id in ids for name in names]
    rows = score_rows(dict(zip(images, values.ravel().tolist(), strict=True)))
    scores = ScoreTable(score_frame([{"id": id} for id in ids], set(ids), [], {"clip": rows}), ["clip"])
    table = selection_bias(scores, [{"name": "ours", "candidates": names}], {}, {"resamples": resamples, "seed": 0})
    return table.set_index("against").loc["other_prompts"].to_dict()


def test_the_interval_of_the_optimism_counts_the_variability_of_the_choice():
    generator = np.random.default_rng(0)
    covered = []
    for _ in range(80):
        row = bias_of(generator.normal(0, 0.7, (25, 1)) + 0.5 * generator.gamma(2, 1, (25, 4)))
        covered.append(row["low95"] <= 0.7736 <= row["high95"])
        assert 0 <= row["low95"] < row["optimism"] < row["high95"]
    # Four equal candidates: E[max] - E of 0.5 gamma(2) is 0.7736, by quadrature.
    assert np.mean(covered) >= 0.9


def test_the_resampled_error_is_that_of_repeated_studies():
    generator = np.random.default_rng(1)
    studies = [generator.normal(size=(40, 3)) + [0, 0.2, 0.2] for _ in range(200)]
    gains = [(values.max(axis=1) - best_on_other_prompts(values, 0)).mean() for values in studies]
    errors = [resampled_error(values, 100, 0) for values in studies]
    assert np.mean(errors) == pytest.approx(np.std(gains), rel=0.25)
    assert np.isnan(resampled_error(np.ones((1, 3)), 100, 0))


def test_candidates_that_never_differ_have_an_optimism_of_zero_that_is_not_certain():
    row = bias_of(np.repeat(np.random.default_rng(2).normal(size=(20, 1)), 3, axis=1))
    assert row["optimism"] == 0 == row["low95"] and row["high95"] > 0


def test_the_other_intervals_are_those_of_the_mean_difference():
    found = random_scores(30)
    methods = [{"name": "ours", "candidates": ["k0", "k1"]}]
    table = selection_bias(found, methods, {}, {"resamples": 100, "seed": 0}).set_index(["metric", "against"])
    values, other = (found.array(metric, ["k0", "k1"]) for metric in ("clip", "judge"))
    gains = values.max(axis=1) - values[np.arange(30), other.argmax(axis=1)]
    (low,), (high,) = mean_intervals(gains[:, None], (0, np.inf))
    row = table.loc["clip", "by:judge"]
    assert (row["low95"], row["high95"]) == pytest.approx((low, high))
    assert 0 < row["low95"] < row["optimism"] == pytest.approx(gains.mean())
