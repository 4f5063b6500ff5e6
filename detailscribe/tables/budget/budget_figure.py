"""Figure of costs: score against denoising steps, seconds, calls and dollars, with best of N as the reference curve."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detailscribe.tables.budget.budget_table import METHOD, REFERENCE
from detailscribe.tables.budget.costs_of_methods import seconds_of
from detailscribe.tables.figure_panels import BLUE, VERMILLION, add_legend

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
PANEL_IN = (3.3, 2.7)  # width, height
MARKER_PT = 10  # diameter, with the number inside
MARKER: dict[str, Any] = {"marker": "o", "markersize": MARKER_PT, "markeredgecolor": "white"}
NUMBER: dict[str, Any] = {"fontsize": 6, "fontweight": "bold", "ha": "center", "va": "center_baseline"}
RADII = (1.0, 1.3, 1.6, 2.0, 2.5, 3.0, 3.5, 4.0)  # by how much a marker moves aside, in markers
MARGIN = 0.1  # of a panel, around its points


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
    size = (max(width * len(kinds) + 0.4, 5), height * max(len(metrics), 1) + 0.5 + 0.16 * (len(names) + 8) / 2)
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=0.05, hspace=0.06))
    figure.suptitle(f"{scenario}: score against cost", fontweight="bold")
    panels = figure.subplots(max(len(metrics), 1), len(kinds), squeeze=False, sharex="col", sharey="row")
    for row, metric in enumerate(metrics):
        of_metric = table[table["metric"] == metric]
        for panel, kind in zip(panels[row], kinds, strict=True):
            _draw(panel, of_metric, kind, names)
            panel.label_outer()
        panels[row][0].set_ylabel(metric)
    for panel, kind in zip(panels[-1], kinds, strict=True):
        panel.set_xlabel(KINDS[kind])
    first = panels[0][0]
    for index, name in enumerate(names):
        first.plot([], [], linestyle="none", label=f"{index + 1} {name}")
    add_legend(figure, first, notice, 3 if len(kinds) > 1 else 2)
    _number_points(figure, panels, table, metrics, kinds, names)
    return figure


def _draw(panel: Axes, rows: pd.DataFrame, kind: str, names: list[str]) -> None:
    """The reference curve, and limits that hold all points."""
    reference = rows[rows["role"] == REFERENCE]
    style: dict[str, Any] = {"color": VERMILLION, "marker": "s", "markersize": 3.5, "linewidth": 1.2, "zorder": 2}
    label = f"best of 1 to {len(reference)} of the study's seeds"
    panel.plot(reference[kind].astype(float), reference["mean"], label=label, **style)
    for axis, values in (("x", rows[kind].astype(float)), ("y", rows["mean"])):
        known = values.dropna()
        if len(known):
            low, high = float(known.min()), float(known.max())
            low = min(low, 0.0) if axis == "x" else low
            room = MARGIN * ((high - low) or abs(high) or 1.0)
            getattr(panel, f"set_{axis}lim")(low - room, high + room)
    panel.grid(color="0.92")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _number_points(
    figure: Figure,
    panels: np.ndarray,
    table: pd.DataFrame,
    metrics: list[str],
    kinds: list[str],
    names: list[str],
) -> None:
    """Numbered markers, moved aside where they would cover each other; a line leads to the place of a moved one."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    FigureCanvasAgg(figure)
    figure.draw_without_rendering()  # the layout decides where a point lies
    figure.set_layout_engine("none")
    unit = MARKER_PT * figure.dpi / 72
    for row, metric in enumerate(metrics):
        rows = table[(table["metric"] == metric) & (table["role"] == METHOD)].set_index("method")
        for panel, kind in zip(panels[row], kinds, strict=True):
            points = rows[[kind, "mean"]].astype(float).dropna()
            places = panel.transData.transform(points.to_numpy().reshape(-1, 2))
            for name, place, moved in zip(points.index, places, spread(places, unit), strict=True):
                to = panel.transData.inverted().transform(moved)
                at = panel.transData.inverted().transform(place)
                if moved != tuple(place):
                    panel.plot([at[0], to[0]], [at[1], to[1]], color=BLUE, linewidth=0.7, zorder=3, clip_on=False)
                    panel.plot(*at, color=BLUE, marker=".", markersize=4, zorder=3, clip_on=False)
                panel.plot(*to, color=BLUE, zorder=4, clip_on=False, **MARKER)
                panel.text(*to, str(names.index(name) + 1), color="white", zorder=5, **NUMBER)


def spread(places: np.ndarray, size: float) -> list[tuple[float, float]]:
    """Places of markers that cover neither each other nor another's own place, each near to its own, in their order.

    Args:
        places: (markers, 2), in pixels.
        size: Diameter of a marker in pixels.
    """
    import numpy as np

    angles = sorted(np.linspace(0, 2 * np.pi, 16, endpoint=False), key=lambda angle: abs(np.sin(angle)))
    around = np.column_stack([np.cos(angles), np.sin(angles)])  # aside first: a score is read off the other axis
    taken: list[np.ndarray] = []
    for place in places:
        options = np.concatenate([[place], *(place + radius * size * around for radius in RADII)])
        others = places[np.hypot(*(places - place).T) > size / 100]
        room = np.array([min((np.hypot(*(each - option)) for each in taken), default=np.inf) for option in options])
        clear = np.array([np.hypot(*(others - option).T).min(initial=np.inf) for option in options])
        clear[0] = np.inf
        free = np.flatnonzero((room >= size) & (clear >= 0.75 * size))
        free = free if len(free) else np.flatnonzero(room >= size)
        taken.append(options[free[0] if len(free) else 0])
    return [(float(x), float(y)) for x, y in taken]
