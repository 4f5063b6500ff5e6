"""Figure of score against compute: points at their true places, with names beside them that cover nothing."""

import itertools

import numpy as np
import pytest

from detailscribe.tables.figures.compute import plot_compute
from tests.unit.tables.figures.main_table import LOOK, main_table

STEPS = {"sd": 28, "multi_seed": 28, "ours": 140}


def points_of(panel) -> list[tuple[float, float]]:
    marked = [line for line in panel.lines if line.get_marker() in "oD"]
    return sorted(
        (float(x), float(y)) for line in marked for x, y in zip(line.get_xdata(), line.get_ydata(), strict=True)
    )


def test_every_point_stands_at_its_true_cost_and_score():
    clip, judge = plot_compute(main_table(), "demo", STEPS, LOOK).axes
    assert points_of(clip) == [(28, 0.8), (28, 0.82), (28, 0.9), (140, 0.7), (140, 0.95)]
    assert points_of(judge) == [(28, 3.5), (28, 3.75)]


def test_each_method_is_named_once_and_only_methods_with_steps_are_there():
    figure = plot_compute(main_table(), "demo", STEPS, LOOK)
    named = [[text.get_text().replace("\n", " ") for text in panel.texts] for panel in figure.axes]
    assert sorted(named[0]) == ["SD 3.5", "best of 2 seeds †", "ours †"]
    assert sorted(named[1]) == ["SD 3.5", "best of 2 seeds"]
    alone = plot_compute(main_table(), "demo", {"sd": 28}, LOOK)
    assert [text.get_text() for text in alone.axes[0].texts] == ["SD 3.5"]
    assert not plot_compute(main_table().iloc[:0], "demo", {}, LOOK).axes[0].texts


def test_a_dotted_line_leads_from_an_oracle_cell_to_its_honest_row():
    clip = plot_compute(main_table(), "demo", STEPS, LOOK).axes[0]
    dotted = sorted(sorted(map(float, line.get_ydata())) for line in clip.lines if line.get_linestyle() == ":")
    assert dotted == [[0.7, 0.95], [0.82, 0.9]]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("width", [3.3, 7.0])
def test_names_cover_neither_each_other_nor_points(seed, width):
    """Eight methods at three costs, with the scores of one metric anywhere."""
    from dataclasses import replace

    random, table = np.random.default_rng(seed), main_table()
    one = table[(table["method"] == "sd") & (table["metric"] == "clip_score")].iloc[0]
    rows = [dict(one) | {"method": f"method {name}", "mean": mean} for name, mean in enumerate(random.uniform(0, 1, 8))]
    steps = {f"method {name}": int(random.choice([28, 56, 140])) for name in range(8)}
    figure = plot_compute(type(table)(rows), "demo", steps, replace(LOOK, width_in=width))
    figure.draw_without_rendering()
    [panel] = figure.axes
    boxes = [text.get_window_extent() for text in panel.texts]
    assert len(boxes) == 8
    assert not any(one.overlaps(other) for one, other in itertools.combinations(boxes, 2))
    at = panel.transData.transform(points_of(panel))
    assert not any(box.contains(x, y) for box in boxes for x, y in at)
