"""Figure of strengths: a line per method with its interval, and an arrow where an interval has no end."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.tables.figures import save_figure
from detailscribe.tables.judging.strengths_figure import plot_strengths

COLUMNS = ["judge", "method", "reference", "strength", "low95", "high95"]
ROWS = [
    ("j", "sd", "sd", 0.0, np.nan, np.nan),
    ("j", "a", "sd", 0.8, 0.2, 1.4),
    ("j", "best", "sd", 3.0, 1.5, np.nan),
    ("j", "worst", "sd", -3.0, np.nan, -1.5),
    ("j", "apart", "sd", np.nan, np.nan, np.nan),
]


def texts(panel) -> list[str]:
    return [each.get_text() for each in panel.texts]


@pytest.mark.parametrize("judges", [1, 2])
def test_every_method_has_a_line_and_a_missing_limit_an_arrow(judges):
    rows = [(f"j{judge}", *row[1:]) for judge in range(judges) for row in ROWS]
    figure = plot_strengths(pd.DataFrame(rows, columns=COLUMNS), "demo", "Demo models.")
    assert len(figure.axes) == judges and figure.get_suptitle() == "demo: strengths by pairs"
    for panel in figure.axes:
        labels = [label.get_text() for label in panel.get_yticklabels()]
        assert labels == ["apart", "worst", "best", "a", "sd"]  # the first of the list stands at the top
        assert sorted(texts(panel)) == sorted(["no value", "◄", "►"])
        arrows = {each.get_text(): each.xy for each in panel.texts if each.get_text() in "◄►"}
        assert arrows == {"◄": (-3.0, 1), "►": (3.0, 2)}
        [bars] = panel.collections
        reach = {int(segment[0][1]): (segment[0][0], segment[1][0]) for segment in bars.get_segments() if len(segment)}
        assert reach[3] == pytest.approx((0.2, 1.4)) and reach[4] == (0, 0)
        assert reach[2] == pytest.approx((1.5, 3.0)) and reach[1] == pytest.approx((-3.0, -1.5))
        assert panel.get_xlabel() == "log odds to win against sd"
    assert "Demo models." in figure.legends[0].get_title().get_text()


def test_without_a_method_there_is_an_empty_figure_and_the_same_table_gives_the_same_bytes(tmp_path):
    assert plot_strengths(pd.DataFrame(columns=COLUMNS), "demo", "").axes
    table = pd.DataFrame(ROWS, columns=COLUMNS)
    for name in ("one.svg", "two.svg"):
        save_figure(tmp_path / name, plot_strengths, table, "demo", "")
    assert (tmp_path / "one.svg").read_bytes() == (tmp_path / "two.svg").read_bytes()
