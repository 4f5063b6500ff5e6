"""Figure of costs: score against denoising steps, seconds, calls and dollars, with best of N as the reference curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detailscribe.tables.budget.costs_of_methods import HONEST, METHOD, REFERENCE, seconds_of
from detailscribe.tables.figure_panels import BEST, BLUE, PALE, PLAIN, VERMILLION, add_legend
from detailscribe.tables.honest.oracle_cells import DAGGER

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

KINDS = {  # of cost: column, label
    "steps": "denoising steps per prompt",
    "seconds": "seconds per prompt (images and scores)",
    "calls": "calls of language models per prompt",
    "usd": "dollars per prompt",
}
PANEL_IN = (3.4, 2.8)  # width, height
POINT_PT = 4.5  # diameter
POINT: dict[str, Any] = {"linestyle": "none", "color": BLUE, "markersize": POINT_PT, "zorder": 4, "clip_on": False}
STYLES: list[tuple[bool, dict[str, Any]]] = [  # of a point that is no oracle cell, and of one that is
    (False, {"marker": "o", "label": PLAIN["label"]}),
    (True, {"marker": "D", "markerfacecolor": "white", "label": BEST["label"]}),
]
NUMBER: dict[str, Any] = {"fontsize": 6.5, "color": "0.15", "ha": "center", "va": "center_baseline", "zorder": 6}
LETTER_PT, LINE_PT = 4.2, 5.5  # of a number
MARGIN = 0.06  # of a panel, around its points
REACH = 0.4  # of the range of the means: how far beyond it intervals widen a panel
EDGE = {True: 0.03, False: 0.97}  # of a panel's height: where an arrow down and an arrow up stand
FEWEST = 4  # methods for one that may stand at the edge


def plot_budget(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """Mean score of each method against each kind of cost, one row of panels per metric.

    A kind of cost that is the same for all, or not known, has no panel.

    Args:
        table: Rows of `tabulate_budget`.
        scenario: Its name, for the title.
        notice: Warning to print on the figure; empty for none.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    table = table.assign(seconds=seconds_of(table).astype(float))
    metrics, names = (list(dict.fromkeys(table[column])) for column in ("metric", "method"))
    names = [name for name in names if (table[table["method"] == name]["role"] == METHOD).any()]
    kinds = [kind for kind in KINDS if table[kind].astype(float).nunique() > 1] or ["steps"]
    width, height = PANEL_IN
    size = (max(width * len(kinds) + 0.4, 5), height * max(len(metrics), 1) + 0.5 + 0.16 * (len(names) + 10) / 2)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=0.05, hspace=0.06))
    figure.suptitle(f"{scenario}: score against cost", fontweight="bold")
    panels = figure.subplots(max(len(metrics), 1), len(kinds), squeeze=False, sharex="col", sharey="row")
    for row, metric in enumerate(metrics):
        of_metric = table[table["metric"] == metric]
        for panel, kind in zip(panels[row], kinds, strict=True):
            _draw(panel, of_metric, kind)
            panel.label_outer()
        panels[row][0].set_ylabel(metric)
    for panel, kind in zip(panels[-1], kinds, strict=True):
        largest = table[kind].astype(float).max()
        room = MARGIN * (largest if largest > 0 else 1.0)
        panel.set_xlim(-room, (largest if largest > 0 else 1.0) + room)
        panel.set_xlabel(KINDS[kind])
    first = panels[0][0]
    for index, name in enumerate(names):
        first.plot([], [], linestyle="none", label=f"{index + 1} {name}")
    add_legend(figure, first, notice, 3 if len(kinds) > 1 else 1)
    _add_numbers(figure, panels, table, metrics, kinds, names)
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
    reference = rows[rows["role"] == REFERENCE]
    style: dict[str, Any] = {"color": VERMILLION, "marker": "s", "markersize": 3, "linewidth": 1.1, "zorder": 2}
    label = f"best of 1 to {len(reference)} of the study's seeds"
    panel.plot(reference[kind].astype(float), reference["mean"], label=label, **style)
    last = reference[reference["oracle"].eq(True) & reference["mean"].notna() & reference[kind].notna()].tail(1)
    for x, y in last[[kind, "mean"]].to_numpy(float).tolist():
        panel.annotate(DAGGER, (x, y), (3, -4), textcoords="offset points", color=VERMILLION, fontsize=7)
    shown = _points(rows)
    near, far = shown[~shown["far"]], shown[shown["far"]]
    at = near[kind].astype(float)
    panel.vlines(at, near["low95"], near["high95"], color=PALE, linewidth=0.9, zorder=1, label="95 % interval")
    for is_best, marker in STYLES:
        points = near[near["oracle"] == is_best]
        panel.plot(points[kind].astype(float), points["mean"], **POINT | marker | {"clip_on": points.empty})
    known = [*near["mean"], *reference["mean"].dropna()]
    if known:
        low, high = min(known), max(known)
        span = (high - low) or abs(high) or 1.0
        lowest = min(low, max(near["low95"].min(), low - REACH * span)) if near["low95"].notna().any() else low
        highest = max(high, min(near["high95"].max(), high + REACH * span)) if near["high95"].notna().any() else high
        room = MARGIN * ((highest - lowest) or span)
        panel.set_ylim(lowest - room, highest + room)
        for is_low, arrow in ((True, "v"), (False, "^")):
            points = far[(far["mean"] < low) == is_low]
            if len(points):
                places = points[kind].astype(float), [EDGE[is_low]] * len(points)
                panel.plot(*places, transform=panel.get_xaxis_transform(), **POINT | {"marker": arrow})
    panel.grid(color="0.94")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _points(rows: pd.DataFrame) -> pd.DataFrame:
    """The methods of one metric that have a mean, and their honest rows, with `oracle` as bool and `far` (off)."""
    shown = rows[rows["role"].isin([METHOD, HONEST]) & rows["mean"].notna()].reset_index(drop=True)
    far = far_off(shown["mean"], rows[rows["role"] == REFERENCE]["mean"])
    return shown.assign(oracle=shown["oracle"].astype(bool), far=far)


def _add_numbers(
    figure: Figure, panels: np.ndarray, table: pd.DataFrame, metrics: list[str], kinds: list[str], names: list[str]
) -> None:
    """A number beside each point, one list of numbers where points coincide; a thin line leads to one that is far."""
    import numpy as np
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.patheffects import withStroke

    from detailscribe.tables.budget.number_places import group_points, number_places

    FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # the layout decides where a point lies
    figure.set_layout_engine("none")
    pixel = figure.dpi / 72
    halo = [withStroke(linewidth=1.5, foreground="white")]
    for row, metric in enumerate(metrics):
        of_metric = table[table["metric"] == metric]
        shown = _points(of_metric)
        reference = of_metric[of_metric["role"] == REFERENCE]
        for panel, kind in zip(panels[row], kinds, strict=True):
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
            sizes = pixel * np.array([(LETTER_PT * len(label), LINE_PT) for label in labels]).reshape(-1, 2)
            curve = panel.transData.transform(reference[[kind, "mean"]].dropna().to_numpy(float).reshape(-1, 2))
            others = [each for each in curve if all(np.hypot(*(each - place)) >= pixel for place in at)]
            bounds = (box.x0, box.y0, box.x1 + 4 * pixel, box.y1 + 4 * pixel)
            places_of_others = np.array(others).reshape(-1, 2)
            found = number_places(at, sizes, places_of_others, curve, POINT_PT / 2 * pixel, bounds)
            for label, place, size, (centre, is_far) in zip(labels, at, sizes, found, strict=True):
                to_data = panel.transData.inverted().transform
                if is_far:
                    end = np.clip(place, centre - size / 2, centre + size / 2)
                    panel.plot(*to_data([place, end]).T, color="0.5", linewidth=0.5, zorder=3, clip_on=False)
                panel.text(*to_data(centre), label, path_effects=halo, **NUMBER)
