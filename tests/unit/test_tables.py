import numpy as np
import pytest

from detailscribe.tables import interval, tabulate

METHODS = [
    {"name": "sd", "candidates": ["o1"], "headline": "single"},
    {"name": "multi_seed", "candidates": ["o1", "o2"], "headline": "by:clip"},
    {"name": "ours", "candidates": ["k0", "k1"], "headline": "oracle"},
]
# Worked by hand: prompts a, b; clip prefers o2 for a, o1 for b; judge is missing for (b, k1).
SCORES = {
    "clip": {
        ("a", "o1"): 0.2, ("a", "o2"): 0.6, ("b", "o1"): 0.5, ("b", "o2"): 0.1,
        ("a", "k0"): 0.4, ("a", "k1"): 0.8, ("b", "k0"): 0.6, ("b", "k1"): 0.2,
    },
    "judge": {
        ("a", "o1"): 5, ("a", "o2"): 1, ("b", "o1"): 3, ("b", "o2"): 4,
        ("a", "k0"): 2, ("a", "k1"): 4, ("b", "k0"): 5, ("b", "k1"): None,
    },
}  # fmt: skip


@pytest.fixture
def cells():
    rows = tabulate(["a", "b"], SCORES, METHODS, {"resamples": 200, "seed": 0})
    return {(row["method"], row["selection"], row["metric"]): row for row in rows}


@pytest.mark.parametrize(
    ("cell", "n", "mean"),
    [
        (("sd", "single", "clip"), 2, 0.35),
        (("multi_seed", "by:clip", "clip"), 2, 0.55),
        (("multi_seed", "by:clip", "judge"), 2, 2.0),
        (("multi_seed", "by:judge", "clip"), 2, 0.15),
        (("multi_seed", "oracle", "judge"), 2, 4.5),
        (("ours", "oracle", "clip"), 2, 0.7),
        (("ours", "mean", "clip"), 2, 0.5),
        (("ours", "k0", "judge"), 2, 3.5),
        (("ours", "k1", "judge"), 1, 4.0),
        (("ours", "oracle", "judge"), 1, 4.0),
        (("ours", "by:clip", "judge"), 1, 4.0),
    ],
)
def test_means_worked_by_hand(cells, cell, n, mean):
    assert cells[cell]["n"] == n
    assert cells[cell]["mean"] == pytest.approx(mean)


def test_the_papers_selection_is_marked_once_a_method_and_metric(cells):
    marked = [key for key, row in cells.items() if row["headline"]]
    assert {(method, metric) for method, _, metric in marked} == {
        (method["name"], metric) for method in METHODS for metric in SCORES
    }
    assert len(marked) == 6


def test_a_metric_never_selects_for_itself_under_an_honest_name(cells):
    assert ("ours", "by:clip", "clip") not in cells
    assert ("ours", "by:judge", "clip") in cells


def test_no_prompt_gives_no_mean():
    rows = tabulate([], SCORES, METHODS, {"resamples": 200, "seed": 0})
    assert {(row["n"], row["mean"], row["low95"]) for row in rows} == {(0, None, None)}


def test_interval_is_seeded_holds_the_mean_and_agrees_with_the_normal_one():
    values = np.random.default_rng(3).normal(size=400)
    low, high = interval(values, 4000, 0)
    assert (low, high) == interval(values, 4000, 0)
    half = 1.96 * values.std(ddof=1) / 20
    assert low == pytest.approx(values.mean() - half, abs=0.02)
    assert high == pytest.approx(values.mean() + half, abs=0.02)
    assert interval(values[:1], 100, 0) == (None, None)
