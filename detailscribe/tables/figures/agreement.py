"""Figure of agreement: how often each metric prefers the image that people prefer."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import GREEN, QUIET
from detailscribe.tables.figures.panels import (
    add_error_bars,
    add_legend,
    count_label,
    label_missing,
    legend_entries,
    line_panels,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure


def plot_agreement(table: pd.DataFrame, scenario: str, look: Look) -> Figure:
    """How often each metric prefers the image that people prefer, beside the chance level.

    Args:
        table: Rows of `human_agreement`: metric, pairs, agreement, low95, high95.
        scenario: Its name, for the title.
    """
    labels = [look.metric(metric) for metric in table["metric"]]
    figure, (panel,) = line_panels(f"{scenario}: agreement with people on pairs of images", [""], labels, look)
    rows = table.set_index("metric")
    add_error_bars(panel, rows["agreement"], rows, {"color": GREEN, "marker": "s"})
    label_missing(panel, rows["agreement"])
    panel.axvline(0.5, color=QUIET, linewidth=0.9, linestyle=":", label="chance")
    panel.set_xlim(0, 1)
    panel.set_xlabel(f"share of pairs, {count_label(rows['pairs'])}")
    add_legend(figure, legend_entries(panel), look)
    return figure
