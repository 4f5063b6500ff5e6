"""Figure of strengths: a line per method with its interval, and an arrow where an interval has no end."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.tables.figures.look import Look
from detailscribe.tables.judging.strengths_figure import plot_strengths

COLUMNS = ["judge", "method", "reference", "strength", "low95", "high95"]
ROWS = [
    ("j", "sd", "sd", 0.0, np.nan, np.nan),
    ("j", "a", "sd", 0.8, 0.2, 1.4),
    ("j", "best", "sd", 3.0, 1.5, np.nan),
    ("j", "worst", "sd", -3.0, np.nan, -1.5),
    ("j", "apart", "sd", np.nan, np.nan, np.nan),
]
PLACES = {"sd": 0, "a": 1, "best": 2, "worst": 3, "apart": 4}  # in the order of the list


@pytest.mark.parametrize("judges", [1, 2])
def test_every_method_has_a_line_and_a_missing_limit_an_arrow(judges):
    rows = [(f"j{judge}", *row[1:]) for judge in range(judges) for row in ROWS]
    figure = plot_strengths(pd.DataFrame(rows, columns=COLUMNS), "demo", Look(methods={"sd": "SD"}))
    panels = [panel for panel in figure.axes if panel.texts]
    assert len(panels) == judges
    for panel in panels:
        assert sorted(each.get_text() for each in panel.texts) == sorted(["no value", "◄", "►"])
        arrows = {each.get_text(): each.xy for each in panel.texts if each.get_text() in "◄►"}
        assert arrows == {"◄": (-3.0, PLACES["worst"]), "►": (3.0, PLACES["best"])}
        [bars] = panel.collections
        reach = {int(segment[0][1]): (segment[0][0], segment[1][0]) for segment in bars.get_segments() if len(segment)}
        assert reach[PLACES["a"]] == pytest.approx((0.2, 1.4)) and reach[PLACES["sd"]] == (0, 0)
        assert reach[PLACES["best"]] == pytest.approx((1.5, 3.0))
        assert reach[PLACES["worst"]] == pytest.approx((-3.0, -1.5))
        assert panel.get_xlabel() == "log odds against SD"


def test_a_method_that_one_judge_does_not_compare_has_an_empty_line_there():
    rows = [*ROWS, ("other", "sd", "sd", 0.0, np.nan, np.nan), ("other", "a", "sd", -0.2, -1.0, 0.6)]
    figure = plot_strengths(pd.DataFrame(rows, columns=COLUMNS), "demo", Look())
    other = figure.axes[1]
    assert not other.texts
    [bars] = other.collections
    drawn = [segment for segment in bars.get_segments() if len(segment) and not np.isnan(segment).any()]
    assert len(drawn) == 2
