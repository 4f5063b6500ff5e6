"""Figure of costs: panels, points at their places, numbers with room, and the same bytes for the same table."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.tables.budget.budget_figure import far_off, plot_budget
from detailscribe.tables.figures.label_places import group_points, label_places
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.saving import save_figures

SELECTIONS = ("single", "by:clip", "oracle")
KNOWN = {"steps": 28.0, "gpu_seconds": 10.0, "scoring_seconds": 1.0, "calls": 0.0, "usd": 0.0}


def budget(metrics=("clip",), **costs) -> pd.DataFrame:
    """A table of three methods and two numbers of seeds."""
    rows = []
    for metric in metrics:
        for number, name in enumerate(("sd", "mine", "other")):
            values = {key: value * (number + 1) for key, value in (KNOWN | costs).items()}
            rows.append({"method": name, "role": "method", "metric": metric, "mean": 0.1 * number} | values)
            rows[-1] |= {"low95": 0.1 * number - 0.3, "high95": 0.1 * number + 0.3, "selection": SELECTIONS[number]}
            rows[-1] |= {"oracle": SELECTIONS[number] in ("oracle", f"by:{metric}")}
        for number in (1, 2):
            values = {key: value * number for key, value in (KNOWN | costs).items()}
            rows.append({"method": f"best of {number}", "role": "reference", "metric": metric, "mean": 0.2} | values)
            rows[-1] |= {"oracle": False}
    return pd.DataFrame(rows)


@pytest.mark.parametrize(
    ("costs", "labels"),
    [
        ({}, ["denoising steps", "seconds"]),
        ({"calls": 1.0, "usd": 0.1}, ["denoising steps", "seconds", "model calls", "dollars"]),
        ({"gpu_seconds": np.nan, "calls": 1.0}, ["denoising steps", "model calls"]),
        ({"steps": 0.0, "gpu_seconds": np.nan}, ["denoising steps"]),  # one panel there is always
    ],
)
def test_a_cost_that_is_unknown_or_the_same_for_all_has_no_panel(costs, labels):
    figure = plot_budget(budget(("clip", "judge"), **costs), "mine", Look())
    shown = [axes.get_xlabel() for axes in figure.axes]
    assert len(shown) == 2 * len(labels) and all(map(str.startswith, shown, 2 * labels))
    assert [title for axes in figure.axes if (title := axes.get_title("left"))] == ["clip", "judge"]


@pytest.mark.parametrize(("width", "per_row"), [(3.3, 2), (7.0, 3), (14.0, 3)])
def test_each_metric_begins_a_row_of_panels_in_every_width(width, per_row):
    figure = plot_budget(budget(("clip", "judge"), calls=1.0), "mine", Look(width_in=width))
    places = [axes.get_subplotspec() for axes in figure.axes]
    assert len(places) == 6 and places[0].get_gridspec().ncols == per_row
    assert [place.colspan.start for axes, place in zip(figure.axes, places, strict=True) if axes.get_title("left")] == [
        0,
        0,
    ]


def test_methods_are_numbered_and_named_and_the_notice_is_shown():
    figure = plot_budget(budget(), "mine", Look("Nothing here means anything.", methods={"sd": "SD 3.5"}))
    assert [text.get_text() for text in figure.axes[0].texts] == ["1", "2†", "3†"]
    named = [text.get_text() for text in figure.legends[0].get_texts()]
    marks = ["not selected by the metric shown", "† oracle: selected among several by the metric shown"]
    styles = ["95 % interval", *marks]
    assert named == ["best of 1 to 2 of the study's seeds", *styles, "1 SD 3.5", "2 mine", "3 other"]
    assert figure.legends[0].get_title().get_text() == "Nothing here means anything."


@pytest.mark.parametrize("table", [budget(), budget().assign(mean=np.nan), budget().iloc[:0]])
def test_the_same_table_gives_the_same_bytes_and_a_table_without_scores_a_figure(tmp_path, table):
    for name in ("a.svg", "b.svg"):
        save_figures([tmp_path / name], Look("a notice"), plot_budget, table, "mine")
    assert (tmp_path / "a.svg").read_bytes() == (tmp_path / "b.svg").read_bytes()


def drawn(panel, marker: str) -> list[tuple[float, float]]:
    """Places of the points of a panel that have this marker."""
    lines = [line for line in panel.lines if line.get_marker() == marker]
    return [(float(x), float(y)) for line in lines for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)]


def test_every_point_stands_at_its_own_place_and_what_the_metric_shown_selected_is_a_diamond():
    crowded = pd.concat([budget(), *(budget().assign(method=f"m{number}") for number in range(6))])
    crowded = crowded[(crowded["role"] == "reference") | ~crowded.duplicated(["method"])]
    crowded["mean"] = np.where(crowded["role"] == "method", 0.2 + 1e-3 * np.arange(len(crowded)), crowded["mean"])
    panel = plot_budget(crowded, "mine", Look()).axes[0]
    methods = crowded[crowded["role"] == "method"].assign(steps=lambda rows: rows["steps"].astype(float))
    diamonds = methods["oracle"].astype(bool)
    for marker, rows in (("o", methods[~diamonds]), ("D", methods[diamonds])):
        assert sorted(drawn(panel, marker)) == sorted(zip(rows["steps"], rows["mean"], strict=True))
    numbers = {each for text in panel.texts for each in text.get_text().split(", ")}
    assert numbers == {f"{number + 1}{'†' * is_oracle}" for number, is_oracle in enumerate(diamonds)}
    assert panel.get_xlim()[0] > -0.1 * panel.get_xlim()[1], "costs start at 0"


@pytest.mark.parametrize(
    ("means", "reference", "far"),
    [
        ([1.4, 1.5, 1.6, 0.1], [1.45], [3]),
        ([1.4, 1.5, 1.6, 3.0], [], [3]),
        ([1.4, 1.5, 0.1], [], []),  # of three, one is a third of the methods
        ([1.4, 1.5, 1.6, 0.1], [0.2], []),  # the curve stands in the panel, and so does what is near to it
        ([1.4, 1.5, 1.6, 1.25], [], []),
        ([1.0, 1.0, 1.0, 0.0], [], []),  # the others tell no range
        ([1.4, 1.5, 1.6, 1.5, 1.5, 1.5, 0.1, 0.2], [], [6, 7]),
        ([1.4, 1.5, 1.6, 1.5, 1.5, 1.5, 0.1, 9.0], [], [6, 7]),
        ([], [], []),
    ],
)
def test_what_lies_farther_from_all_others_than_these_lie_apart_is_far_off(means, reference, far):
    found = far_off(pd.Series(means, dtype=float), pd.Series(reference, dtype=float))
    assert list(np.flatnonzero(found)) == far


def test_what_is_far_off_is_an_arrow_with_its_score_and_does_not_widen_the_panel():
    table = pd.concat([budget(), budget().iloc[:1].assign(method="hosted", mean=-5.0, steps=0.0)])
    panel = plot_budget(table, "mine", Look()).axes[0]
    assert [x for x, _ in drawn(panel, "v")] == [0.0] and not drawn(panel, "^")
    assert "4 at -5" in [text.get_text() for text in panel.texts]
    assert panel.get_ylim()[0] > -0.5


@pytest.mark.parametrize("seed", range(5))
def test_numbers_cover_neither_each_other_nor_points_and_stay_near(seed):
    random = np.random.default_rng(seed)
    places, sizes = random.uniform(20, 280, (14, 2)), np.full((14, 2), (10.0, 7.0))
    found = label_places(places, sizes, places[:0], places[:0], 3.0, (0.0, 0.0, 300.0, 300.0))
    centres = np.array([centre for centre, _ in found])
    apart = np.abs(centres[:, None] - centres[None])
    assert ((apart >= sizes[0] - 1e-9).any(axis=2) | np.eye(14, dtype=bool)).all()
    beside = np.abs(centres[:, None] - places[None]) >= sizes[0] / 2 + 1
    assert beside.any(axis=2).all()
    assert ((centres >= sizes / 2) & (centres <= 300 - sizes / 2)).all()
    assert np.hypot(*(centres - places).T).max() < 70
    assert found == label_places(places, sizes, places[:0], places[:0], 3.0, (0.0, 0.0, 300.0, 300.0))


def test_points_in_one_place_share_a_list_of_numbers():
    places = np.array([[0.0, 0.0], [50.0, 50.0], [0.4, 0.0]])
    assert [names for _, names in group_points(places, ["1", "2", "3"], 1.0)] == [["1", "3"], ["2"]]
    empty = np.empty((0, 2))
    assert label_places(empty, empty, empty, empty, 3.0, (0, 0, 9, 9)) == []
