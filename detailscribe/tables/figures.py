"""Figures of a scenario: means, win rates, score against compute, agreement. The same table gives the same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.study.methods import denoising_steps_by_method
from detailscribe.study.notices import study_notice
from detailscribe.study.study import Study
from detailscribe.tables.figure_panels import (
    BEST,
    BLUE,
    DPI,
    GREEN,
    PALE,
    PLAIN,
    STYLE,
    VERMILLION,
    add_daggers,
    add_error_bars,
    add_legend,
    count_label,
    label_missing,
    make_panels,
)
from detailscribe.tables.honest.oracle_cells import DAGGER
from detailscribe.tables.honest.row_order import lines_of

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STAGE = "plot"
ALGORITHM = 3


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"plot": {"notice": study_notice(study), "steps": denoising_steps_by_method(study)}}


OUTCOMES: list[tuple[str, str, dict[str, Any]]] = [  # of a comparison: column, label, style
    ("wins", "better", {"color": BLUE}),
    ("ties", "tied", {"color": PALE, "hatch": "..", "edgecolor": "white"}),
    ("losses", "worse", {"color": VERMILLION}),
]


def save_figure(path: Path, plot: Callable[..., Figure], *values, kind: str = "svg") -> None:
    """Draw a figure with `plot(*values)` and save it as `kind`, svg or png, without date and software version.

    Neither the backend of a notebook (`MPLBACKEND`) nor the user's style (`matplotlibrc`) has an effect.
    """
    os.environ["MPLBACKEND"] = "agg"  # of another backend, importing matplotlib may already fail
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        figure = plot(*values)
        figure.savefig(path, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else {"Software": None})


def plot_means(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """The headline rows and their honest rows: one panel per metric, one marker per line with its interval.

    Args:
        table: The main table.
        scenario: Its name, for the title.
        notice: Warning to print on the figure; empty for none.
    """

    def add_markers(panel: Axes, metric: str, rows: pd.DataFrame) -> None:
        for style, chosen in ((PLAIN, ~rows["oracle"]), (BEST, rows["oracle"])):
            add_error_bars(panel, rows["mean"].where(chosen), rows, style)

    return _plot_lines(table, scenario, notice, add_markers)


def plot_bars(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """The same rows as bars from zero, for a judge that grades from 1, its lowest; arguments as of `plot_means`."""

    def add_bars(panel: Axes, metric: str, rows: pd.DataFrame) -> None:
        floor = 1 if metric.startswith("judge-") and (rows["mean"] > 1).any() else 0  # yes or no ends at 1
        for style, chosen in ((PLAIN, ~rows["oracle"]), (BEST, rows["oracle"])):
            means = rows["mean"].where(chosen)
            face: dict[str, Any] = {"facecolor": style["color"], "edgecolor": style["color"]}
            if style is BEST:
                face |= {"facecolor": "white", "hatch": "///"}
            panel.barh(range(len(means)), means - floor, left=floor, height=0.6, label=style["label"], **face)
        add_error_bars(panel, rows["mean"], rows, {"color": "0.15", "marker": ""})

    return _plot_lines(table, scenario, notice, add_bars)


def _plot_lines(
    table: pd.DataFrame, scenario: str, notice: str, add_rows: Callable[[Axes, str, pd.DataFrame], None]
) -> Figure:
    """A figure with one panel per metric, whose content `add_rows(panel, metric, rows)` adds: one row per line."""
    rows, labels = lines_of(table)
    metrics = list(dict.fromkeys(rows["metric"]))
    figure, panels = make_panels(f"{scenario}: mean and 95 % interval", metrics, labels, notice)
    for panel, metric, of_metric in _by_panel(panels, rows, metrics, list(range(len(labels)))):
        add_rows(panel, metric, of_metric)
        add_daggers(panel, of_metric["high95"].fillna(of_metric["mean"]), of_metric["oracle"])
        label_missing(panel, of_metric["mean"].where(of_metric["method"].notna(), 0.0))
        panel.set_xlabel(f"{metric} ({count_label(of_metric['n'])})")
    add_legend(figure, panels[0], notice, min(2, len(metrics)))
    return figure


def plot_wins(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """Shares of prompts that each line wins, ties and loses against the baseline; arguments as of `plot_means`."""
    rows, labels = lines_of(table)
    metrics, compared = list(dict.fromkeys(rows["metric"])), sorted(set(rows[rows["n_pairs"] > 0]["line"]))
    baseline = table["baseline"].iloc[0] if len(table) else ""
    title = f"{scenario}: prompt by prompt against {baseline}"
    figure, panels = make_panels(title, metrics, [labels[line] for line in compared], notice)
    for panel, metric, of_metric in _by_panel(panels, rows, metrics, compared):
        left: float | np.ndarray = 0.0
        for column, label, style in OUTCOMES:
            share = (of_metric[column].astype(float) / of_metric["n_pairs"].astype(float)).fillna(0).to_numpy()
            panel.barh(range(len(compared)), share, left=left, height=0.6, label=label, **style)
            left = left + share
        panel.axvline(0.5, color="0.3", linewidth=0.8, linestyle=":")
        panel.set_xlim(0, 1)
        add_daggers(panel, of_metric["n_pairs"].where(of_metric["n_pairs"] > 0) * 0 + 1, of_metric["oracle"])
        panel.set_xlabel(f"{metric} ({count_label(of_metric['n_pairs'])})")
    if rows["oracle"].any():
        panels[0].plot([], [], linestyle="none", label=BEST["label"])
    add_legend(figure, panels[0], notice, 4)
    return figure


def plot_compute(table: pd.DataFrame, scenario: str, notice: str, steps: dict[str, int]) -> Figure:
    """Mean score against denoising steps per prompt, for the methods whose images are generated here.

    A method with an oracle cell has its honest row, too; the number of the cell has a dagger.

    Args:
        table, scenario, notice: As of `plot_means`.
        steps: By method.
    """
    rows = lines_of(table)[0]
    rows = rows[rows["method"].isin(steps)]
    metrics = list(dict.fromkeys(rows["metric"]))
    title = f"{scenario}: score against compute"
    figure, panels = make_panels(title, metrics, list(steps), notice, methods_on_y=False)
    names = list(dict.fromkeys(rows["method"]))
    widest = max(steps.values(), default=1)
    costs = {line: steps[name] for line, name in rows[["line", "method"]].itertuples(index=False)}
    offsets = _spread_equal_costs(dict(sorted(costs.items())), 0.03 * widest)
    for panel, metric in zip(panels, metrics, strict=True):
        of_metric = rows[rows["metric"] == metric]
        for style, chosen in ((PLAIN, ~of_metric["oracle"]), (BEST, of_metric["oracle"])):
            points = of_metric[chosen & of_metric["mean"].notna()]
            reach = [points["mean"] - points["low95"], points["high95"] - points["mean"]]
            x = [offsets[line] for line in points["line"]]
            panel.errorbar(x, points["mean"], yerr=reach, linestyle="none", capsize=3, markersize=5, **style)
            for at, (_, point) in zip(x, points.iterrows(), strict=True):
                number = f"{names.index(point['method']) + 1}{DAGGER if style is BEST else ''}"
                place = (3, 4) if point["headline"] else (3, -9)
                panel.annotate(number, (at, point["mean"]), place, textcoords="offset points", fontsize=7)
        panel.set_xlabel("denoising steps per prompt")
        panel.set_ylabel(metric)
        panel.set_xlim(0, 1.12 * widest)
        panel.grid(color="0.9")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    for index, name in enumerate(names):
        panels[0].plot([], [], linestyle="none", label=f"{index + 1} {name}")
    add_legend(figure, panels[0], notice, min(2 * max(len(metrics), 1), 4))
    return figure


def plot_agreement(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """How often each metric prefers the image that people prefer.

    Args:
        table: Rows of `human_agreement`: metric, pairs, agreement, low95, high95.
        scenario, notice: As of `plot_means`.
    """
    metrics = list(table["metric"])
    figure, (panel,) = make_panels(f"{scenario}: agreement with people on image pairs", [""], metrics, notice)
    rows = table.set_index("metric")
    add_error_bars(panel, rows["agreement"], rows, {"color": GREEN, "marker": "s"})
    label_missing(panel, rows["agreement"])
    panel.axvline(0.5, color="0.3", linewidth=0.8, linestyle=":", label="chance level")
    panel.set_xlim(0, 1)
    panel.set_xlabel(f"share of pairs ({count_label(rows['pairs'])})")
    add_legend(figure, panel, notice, 1)
    return figure


def _by_panel(
    panels: Sequence[Axes], rows: pd.DataFrame, metrics: list[str], lines: list[int]
) -> list[tuple[Axes, str, pd.DataFrame]]:
    """Each panel with its metric and the metric's rows, one per line in this order; empty where a line has none."""
    by_metric = {metric: rows[rows["metric"] == metric].set_index("line").reindex(lines) for metric in metrics}
    marked = {metric: of_metric.assign(oracle=of_metric["oracle"].eq(True)) for metric, of_metric in by_metric.items()}
    return [(panel, metric, marked[metric]) for panel, metric in zip(panels, metrics, strict=True)]


def _spread_equal_costs(steps: dict[int, int], gap: float) -> dict[int, float]:
    """Position of each line of rows on the x axis: its steps; lines of equal cost side by side around them."""
    groups = {line: [other for other in steps if steps[other] == steps[line]] for line in steps}
    return {line: steps[line] + gap * (group.index(line) - (len(group) - 1) / 2) for line, group in groups.items()}
