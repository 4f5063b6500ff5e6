"""Figures with one line per method: means, paired differences from the baseline, and shares of wins and losses."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import BEST, BLUE, INK, PALE, PAPER, PLAIN, QUIET, VERMILLION
from detailscribe.tables.figures.panels import (
    add_daggers,
    add_error_bars,
    add_legend,
    add_marks,
    count_label,
    label_missing,
    legend_entries,
    line_panels,
)
from detailscribe.tables.honest.row_order import lines_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

OUTCOMES: list[tuple[str, str, str]] = [  # of a comparison: column, label, colour
    ("wins", "better", BLUE),
    ("ties", "tied", PALE),
    ("losses", "worse", VERMILLION),
]
HATCH = "//////"
LEVEL, STAR = 0.05, "*"


def plot_means(table: pd.DataFrame, scenario: str, look: Look) -> Figure:
    """The headline rows and their honest rows: one panel per metric, one marker per line with its interval.

    Args:
        table: The main table.
        scenario: Its name, for the title.
    """
    rows, labels = _lines(table, look)
    metrics = list(dict.fromkeys(rows["metric"]))
    names = [look.metric(metric) for metric in metrics]
    figure, panels = line_panels(f"{scenario}: mean score with 95 % interval; higher is better", names, labels, look)
    for panel, of_metric in _by_panel(panels, rows, metrics, list(range(len(labels)))):
        _add_points(panel, of_metric, "mean", "")
        label_missing(panel, of_metric["mean"].where(of_metric["method"].notna(), 0.0))
        panel.set_xlabel(count_label(of_metric["n"]))
    _add_line_legend(figure, panels, look, [])
    return figure


def plot_differences(table: pd.DataFrame, scenario: str, look: Look) -> Figure:
    """Paired differences of each line from the baseline with their intervals; arguments as of `plot_means`.

    Differences that are significant after Holm's correction have a star; oracle cells have none, since their p value
    compares a choice among several with a single image.
    """
    rows, labels = _lines(table, look)
    metrics, compared = list(dict.fromkeys(rows["metric"])), sorted(set(rows[rows["n_pairs"] > 0]["line"]))
    baseline = look.method(table["baseline"].iloc[0]) if len(table) else ""
    title = f"{scenario}: difference from {baseline} on the same prompts, with 95 % interval; higher is better"
    names = [look.metric(metric) for metric in metrics]
    figure, panels = line_panels(title, names, [labels[line] for line in compared], look)
    has_star = False
    for panel, of_metric in _by_panel(panels, rows, metrics, compared):
        panel.axvline(0, color=QUIET, linewidth=0.9)
        _add_points(panel, of_metric, "difference", "difference_")
        starred = (of_metric["p_holm"].astype(float) < LEVEL) & ~of_metric["oracle"]
        ends = of_metric["difference_high95"].fillna(of_metric["difference"])
        add_marks(panel, ends.where(starred), STAR)
        has_star |= bool(starred.any())
        panel.set_xlabel(count_label(of_metric["n_pairs"]))
    found = f"{STAR} p < {LEVEL} after Holm's correction"
    _add_line_legend(figure, panels, look, [found if has_star else f"no p < {LEVEL} after Holm's correction"])
    return figure


def plot_wins(table: pd.DataFrame, scenario: str, look: Look) -> Figure:
    """Shares of prompts that each line wins, ties and loses against the baseline; arguments as of `plot_means`."""
    from matplotlib.patches import Patch

    rows, labels = _lines(table, look)
    metrics, compared = list(dict.fromkeys(rows["metric"])), sorted(set(rows[rows["n_pairs"] > 0]["line"]))
    baseline = look.method(table["baseline"].iloc[0]) if len(table) else ""
    title = f"{scenario}: share of prompts better, tied and worse than {baseline}"
    names = [look.metric(metric) for metric in metrics]
    figure, panels = line_panels(title, names, [labels[line] for line in compared], look)
    for panel, of_metric in _by_panel(panels, rows, metrics, compared):
        left: float | np.ndarray = 0.0
        for column, label, color in OUTCOMES:
            share = (of_metric[column].astype(float) / of_metric["n_pairs"].astype(float)).fillna(0).to_numpy()
            bars = panel.barh(range(len(compared)), share, left=left, height=0.66, label=label, color=color)
            for bar, is_oracle in zip(bars, of_metric["oracle"], strict=True):
                if is_oracle:
                    bar.set(hatch=HATCH, edgecolor=PAPER, linewidth=0)
            left = left + share
        panel.axvline(0.5, color=INK, linewidth=0.8, linestyle=":")
        panel.set_xlim(0, 1)
        panel.set_xticks([0, 0.5, 1], ["0", "0.5", "1"])
        add_daggers(panel, of_metric["n_pairs"].where(of_metric["n_pairs"] > 0) * 0 + 1, of_metric["oracle"])
        panel.set_xlabel(count_label(of_metric["n_pairs"]))
    entries = [(Patch(color=color), label) for _, label, color in OUTCOMES]
    if rows["oracle"].any():
        entries.append((Patch(facecolor=QUIET, edgecolor=PAPER, linewidth=0, hatch=HATCH), BEST["label"]))
    add_legend(figure, entries, look)
    return figure


def _lines(table: pd.DataFrame, look: Look) -> tuple[pd.DataFrame, list[str]]:
    return lines_of(table, look.methods, look.metrics)


def _add_points(panel: Axes, rows: pd.DataFrame, column: str, what: str) -> None:
    """Values of the lines with intervals: full circles, and hollow diamonds with a dagger for oracle cells."""
    for style, chosen in ((PLAIN, ~rows["oracle"]), (BEST, rows["oracle"])):
        if (chosen & rows[column].notna()).any():
            add_error_bars(panel, rows[column].where(chosen), rows, style, what)
    add_daggers(panel, rows[f"{what}high95"].fillna(rows[column]), rows["oracle"])


def _add_line_legend(figure: Figure, panels: Sequence[Axes], look: Look, further: list[str]) -> None:
    from matplotlib.lines import Line2D

    nothing = Line2D([], [], linestyle="none")
    entries: list[tuple[Any, str]] = [entry for panel in panels for entry in legend_entries(panel)]
    if not any(label == BEST["label"] for _, label in entries):
        entries = []  # one kind of marker explains itself
    add_legend(figure, [*entries, *((nothing, text) for text in further)], look)


def _by_panel(
    panels: Sequence[Axes], rows: pd.DataFrame, metrics: list[str], lines: list[int]
) -> list[tuple[Axes, pd.DataFrame]]:
    """Each panel with the rows of its metric, one per line in this order; empty where a line has none."""
    by_metric = [rows[rows["metric"] == metric].set_index("line").reindex(lines) for metric in metrics]
    marked = [of_metric.assign(oracle=of_metric["oracle"].eq(True)) for of_metric in by_metric]
    return list(zip(panels, marked, strict=False))
