"""Panels, error bars, legends and style that the figures share; the same values give the same bytes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detailscribe.tables.honest.oracle_cells import DAGGER

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

# Okabe and Ito's palette for colour-blind readers; where colour carries meaning, the shapes differ too.
BLUE, VERMILLION, GREEN, PALE = "#0072B2", "#D55E00", "#009E73", "#BFD9EA"
PLAIN: dict[str, Any] = {"color": BLUE, "marker": "o", "label": "not selected by the metric shown"}
BEST: dict[str, Any] = {"color": VERMILLION, "marker": "D", "markerfacecolor": "white"}
BEST["label"] = f"{DAGGER} oracle: selected among several by the metric shown"
PANEL_IN = 2.7  # width of a panel in inches
ROW_IN = 0.32  # height of a method's line in inches
LETTERS_PER_IN = 12  # of the notice
DPI = 200
# Glyphs as outlines, so that the figure looks the same everywhere; a fixed salt for constant ids.
STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "detailscribe",
    "svg.fonttype": "path",
    "font.family": "DejaVu Sans",
    "font.size": 9,
    "text.parse_math": False,  # a dollar in a notice is a dollar
}


def make_panels(
    title: str, metrics: list[str], methods: list[str], notice: str, methods_on_y: bool = True
) -> tuple[Figure, Sequence[Axes]]:
    """A figure with one panel per metric.

    Args:
        methods_on_y: Whether each method has a line, named on the shared y axis.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    width = 1.6 + PANEL_IN * max(len(metrics), 1.2)
    height = 1.3 + 0.18 * len(_wrapped(notice, width)) + max(ROW_IN * len(methods), 1)
    figure = Figure(figsize=(width, height), layout=ConstrainedLayoutEngine(wspace=0.05))
    figure.suptitle(title, fontweight="bold")
    panels = figure.subplots(1, max(len(metrics), 1), sharey=methods_on_y, squeeze=False)[0]
    if methods_on_y:
        for panel in panels:
            panel.set_ylim(len(methods) - 0.5, -0.5)
            panel.grid(axis="x", color="0.9")
            panel.set_axisbelow(True)
            panel.tick_params(axis="y", length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
        panels[0].set_yticks(range(len(methods)), methods)
    return figure, panels


def add_error_bars(panel: Axes, means: pd.Series, rows: pd.DataFrame, style: dict[str, Any]) -> None:
    """Means with their intervals `low95` and `high95`, one method per line."""
    reach = [(means - rows["low95"]).clip(lower=0), (rows["high95"] - means).clip(lower=0)]
    panel.errorbar(means, range(len(means)), xerr=reach, linestyle="none", capsize=3, markersize=6, **style)


def add_daggers(panel: Axes, places: pd.Series, oracle: pd.Series) -> None:
    """A dagger right of the place of each line with an oracle cell.

    Args:
        places: By line, on the x axis of the panel.
        oracle: Whether the line has an oracle cell.
    """
    for line, (place, is_oracle) in enumerate(zip(places, oracle, strict=True)):
        if is_oracle and place == place:
            panel.annotate(DAGGER, (place, line), (6, 0), textcoords="offset points", va="center", color=VERMILLION)


def label_missing(panel: Axes, means: pd.Series) -> None:
    """Write `no score` on the lines without a mean."""
    for line, missing in enumerate(means.isna()):
        if missing:
            panel.text(0.5, line, "no score", transform=panel.get_yaxis_transform(), ha="center", va="center")


def add_legend(figure: Figure, panel: Axes, notice: str, columns: int) -> None:
    """The legend of a panel below the figure, with the notice as its title."""
    handles, labels = panel.get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    legend.set_title("\n".join(_wrapped(notice, figure.get_figwidth())))  # the layout reserves room for it
    legend.get_title().set(color="#B45309", multialignment="center")


def count_label(n: pd.Series) -> str:
    """`n = 6`, or `n = 0 to 6` if the counts differ."""
    n = n.dropna()
    if not len(n):
        return "n = 0"
    return f"n = {n.min():.0f}" if n.min() == n.max() else f"n = {n.min():.0f} to {n.max():.0f}"


def _wrapped(text: str, width_in: float) -> list[str]:
    return textwrap.wrap(text, int(width_in * LETTERS_PER_IN), break_on_hyphens=False)
