"""Figure of costs: panels, markers that do not cover each other, and the same bytes for the same table."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.tables.budget.budget_figure import plot_budget, spread
from detailscribe.tables.figures import save_figure

KNOWN = {"steps": 28.0, "gpu_seconds": 10.0, "scoring_seconds": 1.0, "calls": 0.0, "usd": 0.0}


def budget(metrics=("clip",), **costs) -> pd.DataFrame:
    """A table of three methods and two numbers of seeds."""
    rows = []
    for metric in metrics:
        for number, name in enumerate(("sd", "mine", "other")):
            values = {key: value * (number + 1) for key, value in (KNOWN | costs).items()}
            rows.append({"method": name, "role": "method", "metric": metric, "mean": 0.1 * number} | values)
        for number in (1, 2):
            values = {key: value * number for key, value in (KNOWN | costs).items()}
            rows.append({"method": f"best of {number}", "role": "reference", "metric": metric, "mean": 0.2} | values)
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("costs", "labels"),
    [
        ({}, ["denoising steps", "seconds"]),
        ({"calls": 1.0, "usd": 0.1}, ["denoising steps", "seconds", "calls", "dollars"]),
        ({"gpu_seconds": np.nan, "calls": 1.0}, ["denoising steps", "calls"]),
        ({"steps": 0.0, "gpu_seconds": np.nan}, ["denoising steps"]),  # one panel there is always
    ],
)
def test_a_cost_that_is_unknown_or_the_same_for_all_has_no_panel(costs, labels):
    figure = plot_budget(budget(("clip", "judge"), **costs), "mine", "")
    last_row = [axes.get_xlabel() for axes in figure.axes[len(labels) :]]
    assert len(last_row) == len(labels) and all(map(str.startswith, last_row, labels))
    assert [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()] == ["clip", "judge"]


def test_methods_are_numbered_and_named_and_the_notice_is_shown():
    figure = plot_budget(budget(), "mine", "Nothing here means anything.")
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2", "3"]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    assert named == ["best of 1 to 2 of the study's seeds", "1 sd", "2 mine", "3 other"]
    assert figure.legends[0].get_title().get_text() == "Nothing here means anything."


@pytest.mark.parametrize("table", [budget(), budget().assign(mean=np.nan), budget().iloc[:0]])
def test_the_same_table_gives_the_same_bytes_and_a_table_without_scores_a_figure(tmp_path, table):
    for name in ("a.svg", "b.svg"):
        save_figure(tmp_path / name, plot_budget, table, "mine", "a notice")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


@pytest.mark.parametrize("seed", range(5))
def test_markers_cover_neither_each_other_nor_move_without_need(seed):
    random = np.random.default_rng(seed)
    places = np.concatenate([random.uniform(0, 200, (8, 2)), np.repeat(random.uniform(0, 200, (1, 2)), 4, axis=0)])
    moved = np.array(spread(places, 10.0))
    apart = np.hypot(*(moved[:, None] - moved[None]).transpose(2, 0, 1)) + 100 * np.eye(len(moved))
    assert apart.min() >= 10 - 1e-9
    far = np.array([[0.0, 0.0], [50.0, 50.0]])
    assert np.array(spread(far, 10.0)).tolist() == far.tolist()
    assert spread(np.empty((0, 2)), 10.0) == []
