"""Figure of Bradley-Terry strengths: log odds against the reference with their intervals, one panel per judge."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import BLUE, QUIET
from detailscribe.tables.figures.panels import add_error_bars, add_legend, legend_entries, line_panels, small

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STYLE: dict[str, Any] = {"color": BLUE, "marker": "o", "label": "strength, 95 % interval"}
ARROW: dict[str, Any] = {"ha": "center", "va": "center", "color": BLUE, "textcoords": "offset points"}


def plot_strengths(table: pd.DataFrame, scenario: str, look: Look) -> Figure:
    """Strength of each method, in the order of the list; an arrow where an interval has no end.

    Args:
        table: Rows of `strengths_table` of one or several judges.
        scenario: Its name, for the title.
    """
    judges, methods = (list(dict.fromkeys(table[column])) for column in ("judge", "method"))
    names = [look.metric(f"judge-{judge}") for judge in judges]
    title = f"{scenario}: strengths by pairs; higher is better"
    figure, panels = line_panels(title, names, [look.method(method) for method in methods], look)
    for panel, judge in zip(panels, judges, strict=False):
        rows = table[table["judge"] == judge]
        _draw(panel, rows.set_index("method").reindex(methods).reset_index(), set(rows["method"]))
        panel.set_xlabel(f"log odds against {look.method(rows['reference'].iloc[0])}", fontsize=small())
    add_legend(figure, legend_entries(panels[0]), look)
    return figure


def _draw(panel: Axes, rows: pd.DataFrame, compared: set[str]) -> None:
    """Points with their intervals; an arrow marks a limit that the answers do not set."""
    strengths = rows["strength"].astype(float)
    is_reference = rows["method"] == rows["reference"]
    low, high = (rows[name].astype(float).where(~is_reference, 0.0) for name in ("low95", "high95"))
    panel.axvline(0, color=QUIET, linewidth=0.9, zorder=0)
    ends = rows.assign(low95=low.fillna(strengths), high95=high.fillna(strengths))
    add_error_bars(panel, strengths, ends, STYLE)
    for line, (method, strength) in enumerate(zip(rows["method"], strengths, strict=True)):
        if strength == strength:
            for end, arrow, points in ((low[line], "◄", -8), (high[line], "►", 8)):
                if end != end:
                    panel.annotate(arrow, (strength, line), (points, 0), fontsize=small(), **ARROW)
        elif method in compared:
            panel.text(0.5, line, "no value", transform=panel.get_yaxis_transform(), ha="center", va="center")
    panel.margins(x=0.12)
