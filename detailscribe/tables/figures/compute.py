"""Figure of score against compute: true costs, and each method named beside its point."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import BEHIND, BEST, INK, PALE, PLAIN, QUIET
from detailscribe.tables.figures.panels import (
    add_legend,
    legend_entries,
    limits_of_points,
    panel_grid,
    panels_per_row,
    small,
)
from detailscribe.tables.honest.oracle_cells import DAGGER
from detailscribe.tables.honest.row_order import lines_of

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_PANEL_IN, PANEL_HEIGHT_IN = 3.0, 1.7
NAME_LETTERS = 17  # of a line of a method's name
MARGIN, REACH = 0.14, 0.4  # of limits_of_points


def plot_compute(table: pd.DataFrame, scenario: str, steps: dict[str, int], look: Look) -> Figure:
    """Mean score against denoising steps per prompt, for the methods whose images are generated here.

    A method with an oracle cell has its honest row, too, above or below it at the same cost.

    Args:
        table: The main table.
        scenario: Its name, for the title.
        steps: By method.
    """
    rows = lines_of(table)[0]
    rows = rows[rows["method"].isin(steps) & rows["mean"].notna()]
    rows = rows.assign(steps=rows["method"].map(steps).astype(float))
    metrics = [metric for metric in dict.fromkeys(table["metric"]) if metric in set(rows["metric"])]
    names = [look.metric(metric) for metric in metrics]
    per_row = panels_per_row(len(names), look.width_in / LEAST_PANEL_IN)
    title = f"{scenario}: mean score against compute; higher is better"
    figure, panels = panel_grid(title, names, per_row, PANEL_HEIGHT_IN, look)
    shown = [(panel, rows[rows["metric"] == metric]) for panel, metric in zip(panels, metrics, strict=False)]
    for panel, of_metric in shown:
        _add_points(panel, of_metric, max(steps.values(), default=1))
    entries = [entry for panel in panels for entry in legend_entries(panel)]
    add_legend(figure, entries, look)
    _add_names(figure, shown, look)
    return figure


def _add_points(panel: Axes, rows: pd.DataFrame, widest: int) -> None:
    intervals: dict[str, Any] = {"color": PALE, "linewidth": 1.2, "zorder": 1, "label": "95 % interval"}
    panel.vlines(rows["steps"], rows["low95"], rows["high95"], **intervals)
    for _, pair in rows.groupby("method", sort=False):
        if len(pair) > 1:  # the oracle cell and its honest row
            panel.plot(pair["steps"], pair["mean"], color=QUIET, linewidth=0.7, linestyle=":", zorder=2)
    for style, chosen in ((PLAIN, ~rows["oracle"].astype(bool)), (BEST, rows["oracle"].astype(bool))):
        points = rows[chosen]
        if len(points):
            panel.plot(points["steps"], points["mean"], linestyle="none", zorder=4, **style)
    lows, highs = rows["low95"].to_numpy(float), rows["high95"].to_numpy(float)
    panel.set_ylim(*limits_of_points(rows["mean"].to_numpy(float), lows, highs, MARGIN, REACH))
    panel.set_xlim(0, 1.3 * widest)  # names stand on the right of points
    panel.set_xlabel("denoising steps per prompt")
    panel.grid()
    panel.locator_params(axis="y", nbins=5)
    panel.spines[["top", "right"]].set_visible(False)


def _add_names(figure: Figure, panels: Sequence[tuple[Axes, pd.DataFrame]], look: Look) -> None:
    """The name of each method beside its point, or its oracle cell if it has one; a thin line leads to one far away."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from detailscribe.tables.figures.label_places import group_points, label_places

    canvas = FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # the layout decides where a point lies
    figure.set_layout_engine("none")
    pixel, renderer = figure.dpi / 72, canvas.get_renderer()
    style: dict[str, Any] = {"fontsize": small(), "color": INK, "ha": "center", "va": "center", "linespacing": 1.0}
    style |= {"zorder": 6, "bbox": BEHIND}
    for panel, rows in panels:
        rows = rows.sort_values("oracle", kind="stable", ascending=False)
        named = ~rows.duplicated("method")
        at = panel.transData.transform(rows[["steps", "mean"]].to_numpy(float).reshape(-1, 2))
        names = [
            look.method(row["method"]) + f" {DAGGER}" * bool(row["oracle"]) for row in rows[named].to_dict("records")
        ]
        groups = group_points(at[named.to_numpy()], names, pixel)
        places = np.array([place for place, _ in groups]).reshape(-1, 2)
        texts = []
        for _, members in groups:
            label = "\n".join(textwrap.fill(name, NAME_LETTERS, break_long_words=False) for name in members)
            texts.append(panel.text(0, 0, label, **style))
        extents = [text.get_window_extent(renderer) for text in texts]
        sizes = np.array([(extent.width + pixel, extent.height) for extent in extents]).reshape(-1, 2)
        box = panel.get_window_extent(renderer)
        bounds = (box.x0 + 2 * pixel, box.y0 + pixel, box.x1 + 4 * pixel, box.y1 + 4 * pixel)
        radius = 0.6 * pixel * panel.lines[-1].get_markersize() if panel.lines else pixel
        found = label_places(places, sizes, at[~named.to_numpy()], np.empty((0, 2)), radius, bounds)
        to_data = panel.transData.inverted().transform
        for text, place, size, (centre, is_far) in zip(texts, places, sizes, found, strict=True):
            text.set_position(tuple(to_data(centre)))
            if is_far:
                end = np.clip(place, centre - size / 2, centre + size / 2)
                panel.plot(*to_data([place, end]).T, color=QUIET, linewidth=0.5, zorder=3, clip_on=False)
