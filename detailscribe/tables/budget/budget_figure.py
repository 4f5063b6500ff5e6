"""Figure of costs: score against denoising steps, seconds, calls and dollars, with best of N as the reference curve."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detailscribe.tables.budget.costs_of_methods import HONEST, METHOD, REFERENCE, seconds_of
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import BEHIND, BEST, BLUE, INK, PALE, PAPER, PLAIN, QUIET, VERMILLION
from detailscribe.tables.figures.panels import (
    add_legend,
    legend_entries,
    limits_of_points,
    panel_grid,
    panels_per_row,
    small,
)
from detailscribe.tables.honest.oracle_cells import DAGGER

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = {  # of cost: column, label
    "steps": "denoising steps per prompt",
    "seconds": "seconds per prompt",
    "calls": "model calls per prompt",
    "usd": "dollars per prompt",
}
LEAST_PANEL_IN, PANEL_HEIGHT_IN = 1.5, 1.35
POINT_PT = 4.0  # diameter
POINT: dict[str, Any] = {"linestyle": "none", "color": BLUE, "markersize": POINT_PT, "zorder": 4, "clip_on": False}
STYLES: list[tuple[bool, dict[str, Any]]] = [  # of a point that is no oracle cell, and of one that is
    (False, {"marker": "o", "label": PLAIN["label"]}),
    (True, {"marker": "D", "markerfacecolor": PAPER, "label": BEST["label"]}),
]
NUMBER: dict[str, Any] = {"color": INK, "ha": "center", "va": "center_baseline", "zorder": 6}
LETTER, LINE = 0.62, 0.8  # of a number, in sizes of its font
MARGIN = 0.06  # of a panel, around its points
REACH = 0.4  # of the range of the means: how far beyond it intervals widen a panel
EDGE = {True: 0.07, False: 0.93}  # of a panel's height: where an arrow down and an arrow up stand
FEWEST = 4  # methods for one that may stand at the edge


def plot_budget(table: pd.DataFrame, scenario: str, look: Look) -> Figure:
    """Mean score of each method against each kind of cost, a group of panels per metric.

    A kind of cost that is the same for all, or not known, has no panel.

    Args:
        table: Rows of `tabulate_budget`.
        scenario: Its name, for the title.
    """
    table = table.assign(seconds=seconds_of(table).astype(float))
    metrics, names = (list(dict.fromkeys(table[column])) for column in ("metric", "method"))
    names = [name for name in names if (table[table["method"] == name]["role"] == METHOD).any()]
    kinds = [kind for kind in KINDS if table[kind].astype(float).nunique() > 1] or ["steps"]
    per_row = panels_per_row(len(kinds), look.width_in / LEAST_PANEL_IN)
    shown = [(metric, kind) for metric in metrics or [""] for kind in kinds]
    holes = -len(kinds) % per_row  # so that each metric begins a row
    titles: list[str | None] = []
    for metric in metrics or [""]:
        titles += [look.metric(metric), *[""] * (len(kinds) - 1), *[None] * holes]
    title = f"{scenario}: mean score against cost; higher is better"
    figure, panels = panel_grid(title, titles, per_row, PANEL_HEIGHT_IN, look)
    for panel, (metric, kind) in zip(panels, shown, strict=True):
        _draw(panel, table[table["metric"] == metric], kind)
        largest = table[kind].astype(float).max()
        room = MARGIN * (largest if largest > 0 else 1.0)
        panel.set_xlim(-room, (largest if largest > 0 else 1.0) + room)
        panel.set_xlabel(KINDS[kind], fontsize=small())
        panel.locator_params(nbins=4)
    entries = legend_entries(panels[0])
    for index, name in enumerate(names):
        (empty,) = panels[0].plot([], [], linestyle="none")
        entries.append((empty, f"{index + 1} {look.method(name)}"))
    add_legend(figure, entries, look)
    _add_numbers(figure, list(zip(panels, shown, strict=True)), table, names)
    return figure


def far_off(means: pd.Series, reference: pd.Series) -> pd.Series:
    """Which methods lie farther from all others than these lie apart: at most a quarter of the methods.

    Args:
        means: Of the methods, without NaN.
        reference: Means of the reference, which never stand at the edge.
    """
    far = means.isna()
    for is_lowest in (True, False, True):  # below again, for what only one far above hid
        order = means[~far].sort_values(ascending=is_lowest, kind="stable").index
        for count in range(len(means) // FEWEST - int(far.sum()), 0, -1):
            removed, others = means[order[:count]], [*means[order[count:]], *reference.dropna()]
            gap = min(others) - removed.max() if is_lowest else removed.min() - max(others)
            if gap > max(others) - min(others) > 0:
                far[order[:count]] = True
                break
    return far


def _draw(panel: Axes, rows: pd.DataFrame, kind: str) -> None:
    """The reference curve, the points with their intervals, and arrows to what is far off."""
    import numpy as np

    reference = rows[rows["role"] == REFERENCE]
    style: dict[str, Any] = {"color": VERMILLION, "marker": "s", "markersize": 2.5, "linewidth": 1.0, "zorder": 2}
    label = f"best of 1 to {len(reference)} of the study's seeds"
    panel.plot(reference[kind].astype(float), reference["mean"], label=label, **style)
    last = reference[reference["oracle"].eq(True) & reference["mean"].notna() & reference[kind].notna()].tail(1)
    for x, y in last[[kind, "mean"]].to_numpy(float).tolist():
        panel.annotate(DAGGER, (x, y), (3, -4), textcoords="offset points", color=VERMILLION, fontsize=small())
    shown = _points(rows)
    near, far = shown[~shown["far"]], shown[shown["far"]]
    at = near[kind].astype(float)
    panel.vlines(at, near["low95"], near["high95"], color=PALE, linewidth=0.9, zorder=1, label="95 % interval")
    for is_best, marker in STYLES:
        points = near[near["oracle"] == is_best]
        panel.plot(points[kind].astype(float), points["mean"], **POINT | marker | {"clip_on": points.empty})
    known = np.array([*near["mean"], *reference["mean"].dropna()], dtype=float)
    if len(known):
        intervals = near["low95"].to_numpy(float), near["high95"].to_numpy(float)
        panel.set_ylim(*limits_of_points(known, *intervals, MARGIN, REACH))
        for is_low, arrow in ((True, "v"), (False, "^")):
            points = far[(far["mean"] < known.min()) == is_low]
            if len(points):
                places = points[kind].astype(float), [EDGE[is_low]] * len(points)
                panel.plot(*places, transform=panel.get_xaxis_transform(), **POINT | {"marker": arrow})
    panel.grid()
    panel.spines[["top", "right"]].set_visible(False)


def _points(rows: pd.DataFrame) -> pd.DataFrame:
    """The methods of one metric that have a mean, and their honest rows, with `oracle` as bool and `far` (off)."""
    shown = rows[rows["role"].isin([METHOD, HONEST]) & rows["mean"].notna()].reset_index(drop=True)
    far = far_off(shown["mean"], rows[rows["role"] == REFERENCE]["mean"])
    return shown.assign(oracle=shown["oracle"].astype(bool), far=far)


def _add_numbers(
    figure: Figure, panels: Sequence[tuple[Axes, tuple[str, str]]], table: pd.DataFrame, names: list[str]
) -> None:
    """A number beside each point, one list of numbers where points coincide; a thin line leads to one that is far."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from detailscribe.tables.figures.label_places import group_points, label_places

    FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # the layout decides where a point lies
    figure.set_layout_engine("none")
    pixel, letter = figure.dpi / 72, small()
    style = NUMBER | {"fontsize": letter, "bbox": BEHIND}
    for panel, (metric, kind) in panels:
        of_metric = table[table["metric"] == metric]
        shown, reference = _points(of_metric), of_metric[of_metric["role"] == REFERENCE]
        points = shown[shown[kind].notna()]
        places = panel.transData.transform(points[[kind, "mean"]].to_numpy(float).reshape(-1, 2))
        box = panel.get_window_extent()
        edges = [box.y0 + EDGE[is_low] * box.height for is_low in points["mean"] < sum(panel.get_ylim()) / 2]
        places[:, 1] = np.where(points["far"], edges, places[:, 1])
        texts = [
            f"{names.index(name) + 1}{DAGGER if oracle else ''}" + (f" at {mean:.3g}" if far else "")
            for name, mean, oracle, far in points[["method", "mean", "oracle", "far"]].itertuples(index=False)
        ]
        groups = group_points(places, texts, pixel)
        at = np.array([place for place, _ in groups]).reshape(-1, 2)
        labels = [", ".join(members) for _, members in groups]
        sizes = pixel * letter * np.array([(LETTER * len(label), LINE) for label in labels]).reshape(-1, 2)
        curve = panel.transData.transform(reference[[kind, "mean"]].dropna().to_numpy(float).reshape(-1, 2))
        others = [each for each in curve if all(np.hypot(*(each - place)) >= pixel for place in at)]
        bounds = (box.x0, box.y0, box.x1 + 4 * pixel, box.y1 + 4 * pixel)
        places_of_others = np.array(others).reshape(-1, 2)
        found = label_places(at, sizes, places_of_others, curve, POINT_PT / 2 * pixel, bounds)
        to_data = panel.transData.inverted().transform
        for label, place, size, (centre, is_far) in zip(labels, at, sizes, found, strict=True):
            if is_far:
                end = np.clip(place, centre - size / 2, centre + size / 2)
                panel.plot(*to_data([place, end]).T, color=QUIET, linewidth=0.5, zorder=3, clip_on=False)
            x, y = to_data(centre)
            panel.text(x, y, label, **style)
