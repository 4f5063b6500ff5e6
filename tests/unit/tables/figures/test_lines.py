"""Figures with a line per method: they show the headline rows with their honest rows and nothing else."""

import pandas as pd
import pytest

from detailscribe.tables.figures.lines import plot_differences, plot_means, plot_wins
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import STYLE
from tests.unit.tables.figures.main_table import BLUE, LINES, LOOK, VERMILLION, main_table


def labels_of(panel) -> list[str]:
    return [label.get_text().replace("\n", " ") for label in panel.get_yticklabels()]


def marks_of(panel, mark: str) -> list[str]:
    """Labels of the lines that carry a mark."""
    named = labels_of(panel.figure.axes[0])  # the first of a row
    return [named[int(text.xy[1])] for text in panel.texts if text.get_text() == mark]


def legend_of(figure) -> list[str]:
    return [text.get_text().replace("\n", " ") for text in figure.legends[0].get_texts()]


def test_every_method_metric_and_count_is_named_as_people_read_it_and_nothing_else():
    figure = plot_means(main_table(), "demo", LOOK)
    clip, judge = figure.axes
    assert labels_of(clip) == LINES, "methods are in the order of the table"
    assert clip.yaxis_inverted(), "the first stands at the top"
    assert [panel.get_title("left") for panel in figure.axes] == ["CLIPScore", "judge-main"]
    assert [panel.get_xlabel() for panel in figure.axes] == ["n = 6", "n = 0 to 6"]
    missing = [text.get_text() for panel in figure.axes for text in panel.texts].count("no score")
    assert missing == 2, "a line without a row under a metric stays empty"


@pytest.mark.parametrize(("plot", "first"), [(plot_means, 0), (plot_differences, 1), (plot_wins, 1)])
def test_every_oracle_cell_has_a_dagger_in_its_panel_and_no_other_cell(plot, first):
    table = main_table()
    figure = plot(table, "demo", LOOK)
    assert labels_of(figure.axes[0]) == LINES[first:]
    marked = [marks_of(panel, "†") for panel in figure.axes]
    assert marked == [["best of 2 seeds †", "ours †"], []], "there is no score of ours by the judge"
    assert any(text.startswith("† oracle") for text in legend_of(figure))
    honest = plot(table.assign(oracle=False, headline=table["honest"]), "demo", LOOK)
    assert not any("†" in text.get_text() for panel in honest.axes for text in [*panel.texts, *panel.get_yticklabels()])
    assert not any("oracle" in text for text in legend_of(honest))


@pytest.mark.parametrize("plot", [plot_means, plot_differences])
def test_an_oracle_cell_is_a_hollow_diamond_and_every_other_a_full_circle(plot):
    clip = plot(main_table(), "demo", LOOK).axes[0]
    kinds = {
        (line.get_marker(), line.get_markerfacecolor(), line.get_color()): int(pd.notna(line.get_xdata()).sum())
        for line in clip.lines
        if line.get_marker() in "oD"
    }
    singles = 1 if plot is plot_means else 0
    assert kinds == {("o", BLUE, BLUE): 2 + singles, ("D", "#ffffff", VERMILLION): 2}


def test_differences_are_those_of_the_table_around_a_line_at_zero():
    figure = plot_differences(main_table(), "demo", LOOK)
    clip, judge = figure.axes
    assert "difference from SD 3.5" in figure.get_suptitle()
    shown = [line for line in clip.lines if line.get_marker() in "oD"]
    values = sorted(float(x) for line in shown for x in line.get_xdata() if x == x)
    assert values == pytest.approx([-0.1, 0.02, 0.1, 0.15])
    assert any(list(line.get_xdata()) == [0, 0] for line in clip.lines)


def test_significant_differences_have_a_star_and_oracle_cells_never_do():
    """0.1 and 0.15 under CLIPScore are significant, too, but chosen among several."""
    figure = plot_differences(main_table(), "demo", LOOK)
    assert [marks_of(panel, "*") for panel in figure.axes] == [[], ["best of 2 seeds †"]]
    assert "* p < 0.05 after Holm's correction" in legend_of(figure)
    nothing = plot_differences(main_table().assign(p_holm=0.2), "demo", LOOK)
    assert not any(marks_of(panel, "*") for panel in nothing.axes)
    assert "no p < 0.05 after Holm's correction" in legend_of(nothing)


def test_shares_of_wins_ties_and_losses_fill_the_bar_and_oracle_bars_are_hatched():
    panel = plot_wins(main_table(), "demo", LOOK).axes[0]
    widths = [patch.get_width() for patch in panel.patches]
    assert widths == pytest.approx([0.5] * 4 + [1 / 3] * 4 + [1 / 6] * 4)
    is_hatched = [patch.get_hatch() is not None for patch in panel.patches]
    assert is_hatched == [True, False, True, False] * 3


@pytest.mark.parametrize("width", [2.5, 3.03, 3.3, 5.5, 7.0, 14.0])
@pytest.mark.parametrize("plot", [plot_means, plot_differences, plot_wins])
def test_text_has_room_in_every_width_and_is_nowhere_smaller_than_seven_points(plot, width):
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    with matplotlib.rc_context(STYLE):
        look = Look("Nothing here means anything.", LOOK.methods, LOOK.metrics, width_in=width)
        figure = plot(main_table(metrics=3), "demo", look)
        renderer, box = FigureCanvasAgg(figure).get_renderer(), figure.bbox
        figure.draw_without_rendering()
        panels = figure.axes
        assert len(panels) == 6 and figure.get_figwidth() == width
        texts = [*(t for p in panels for t in [*p.texts, p.title, p._left_title, p.xaxis.label])]
        texts += [t for p in panels for t in [*p.get_xticklabels(), *p.get_yticklabels()] if t.get_visible()]
        texts += [*figure.texts, *figure.legends[0].get_texts(), figure.legends[0].get_title()]
        shown = [text for text in texts if text.get_text()]
        assert min(text.get_fontsize() for text in shown) >= 7
        extents = [figure._suptitle.get_window_extent(renderer), figure.legends[0].get_window_extent(renderer)]
        extents += [label.get_window_extent(renderer) for label in panels[0].get_yticklabels()]
        assert all(box.x0 - 1 <= each.x0 and each.x1 <= box.x1 + 1 for each in extents)
        apart = [panel.get_window_extent(renderer) for panel in panels]
        assert min(each.width for each in apart) > 0.5 * figure.dpi, "a panel is wide enough to be read"
