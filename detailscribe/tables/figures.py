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
    add_error_bars,
    add_legend,
    count_label,
    label_missing,
    make_panels,
)

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

STAGE = "plot"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    notice, selector = study_notice(study), study.config["seed_selector"]
    return {"plot": {"notice": notice, "steps": denoising_steps_by_method(study), "selector": selector}}


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
    """The headline rows: one panel per metric, one marker per method with its interval.

    Args:
        table: The main table.
        scenario: Its name, for the title.
        notice: Warning to print on the figure; empty for none.
    """

    def add_markers(panel: Axes, metric: str, rows: pd.DataFrame) -> None:
        best = _best_under_metric(rows, metric)
        for style, chosen in ((PLAIN, ~best), (BEST, best)):
            add_error_bars(panel, rows["mean"].where(chosen), rows, style)

    return _plot_headline(table, scenario, notice, add_markers)


def plot_bars(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """The headline rows as bars from zero (from 1, the lowest rating, for a judge); arguments as of `plot_means`."""

    def add_bars(panel: Axes, metric: str, rows: pd.DataFrame) -> None:
        best = _best_under_metric(rows, metric)
        floor = 1 if metric.startswith("judge-") else 0
        for style, chosen in ((PLAIN, ~best), (BEST, best)):
            means = rows["mean"].where(chosen)
            face: dict[str, Any] = {"facecolor": style["color"], "edgecolor": style["color"]}
            if style is BEST:
                face |= {"facecolor": "white", "hatch": "///"}
            panel.barh(range(len(means)), means - floor, left=floor, height=0.6, label=style["label"], **face)
        add_error_bars(panel, rows["mean"], rows, {"color": "0.15", "marker": ""})

    return _plot_headline(table, scenario, notice, add_bars)


def _plot_headline(
    table: pd.DataFrame, scenario: str, notice: str, add_rows: Callable[[Axes, str, pd.DataFrame], None]
) -> Figure:
    """A figure of the headline rows with one panel per metric, whose content `add_rows(panel, metric, rows)` adds."""
    rows, methods, metrics = _headline(table)
    figure, panels = make_panels(f"{scenario}: mean and 95 % interval", metrics, methods, notice)
    for panel, metric, of_metric in _by_panel(panels, rows, metrics, methods):
        add_rows(panel, metric, of_metric)
        label_missing(panel, of_metric["mean"])
        panel.set_xlabel(f"{metric} ({count_label(of_metric['n'])})")
    add_legend(figure, panels[0], notice, min(2, len(metrics)))
    return figure


def plot_wins(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """Shares of prompts that a headline row wins, ties and loses against the baseline; arguments as of `plot_means`."""
    rows, methods, metrics = _headline(table)
    compared = set(rows[rows["n_pairs"] > 0]["method"])
    methods = [method for method in methods if method in compared]
    baseline = table["baseline"].iloc[0] if len(table) else ""
    figure, panels = make_panels(f"{scenario}: prompt by prompt against {baseline}", metrics, methods, notice)
    for panel, metric, of_metric in _by_panel(panels, rows, metrics, methods):
        left: float | np.ndarray = 0.0
        for column, label, style in OUTCOMES:
            share = (of_metric[column].astype(float) / of_metric["n_pairs"].astype(float)).fillna(0).to_numpy()
            panel.barh(range(len(methods)), share, left=left, height=0.6, label=label, **style)
            left = left + share
        panel.axvline(0.5, color="0.3", linewidth=0.8, linestyle=":")
        panel.set_xlim(0, 1)
        panel.set_xlabel(f"{metric} ({count_label(of_metric['n_pairs'])})")
    add_legend(figure, panels[0], notice, 3)
    return figure


def plot_compute(table: pd.DataFrame, scenario: str, notice: str, steps: dict[str, int], selector: str) -> Figure:
    """Mean score against denoising steps per prompt, for the methods whose images are generated here.

    Args:
        table, scenario, notice: As of `plot_means`.
        steps: By method.
        selector: Metric whose selection is shown beside each oracle, if the metric shown is another.
    """
    shown = table["headline"] | (table["selection"] == f"by:{selector}")
    rows = table[shown & table["method"].isin(steps)]
    metrics = list(dict.fromkeys(rows["metric"]))
    title = f"{scenario}: score against compute"
    figure, panels = make_panels(title, metrics, list(steps), notice, methods_on_y=False)
    names = list(dict.fromkeys(rows["method"]))
    widest = max(steps.values(), default=1)
    offsets = _spread_equal_costs(names, steps, 0.03 * widest)
    for panel, metric in zip(panels, metrics, strict=True):
        of_metric = rows[rows["metric"] == metric]
        best = _best_under_metric(of_metric, metric)
        for style, chosen in ((PLAIN, ~best), (BEST, best)):
            points = of_metric[chosen & of_metric["mean"].notna()]
            reach = [points["mean"] - points["low95"], points["high95"] - points["mean"]]
            x = [offsets[name] for name in points["method"]]
            panel.errorbar(x, points["mean"], yerr=reach, linestyle="none", capsize=3, markersize=5, **style)
            for name, at, mean in zip(points["method"], x, points["mean"], strict=True):
                number = str(names.index(name) + 1)
                panel.annotate(number, (at, mean), (5, 3), textcoords="offset points", fontsize=7)
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


def _headline(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    """The headline rows, their methods and their metrics."""
    rows = table[table["headline"]]
    return rows, list(dict.fromkeys(rows["method"])), list(dict.fromkeys(rows["metric"]))


def _by_panel(
    panels: Sequence[Axes], rows: pd.DataFrame, metrics: list[str], methods: list[str]
) -> list[tuple[Axes, str, pd.DataFrame]]:
    """Each panel with its metric and the metric's rows, one per method in this order."""
    by_metric = {metric: rows[rows["metric"] == metric].set_index("method").reindex(methods) for metric in metrics}
    return [(panel, metric, by_metric[metric]) for panel, metric in zip(panels, metrics, strict=True)]


def _best_under_metric(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Which rows were selected by the metric that is shown."""
    return rows["selection"].isin(["oracle", f"by:{metric}"])


def _spread_equal_costs(names: list[str], steps: dict[str, int], gap: float) -> dict[str, float]:
    """Position of each method on the x axis: its steps; methods of equal cost side by side around them."""
    groups = {name: [other for other in names if steps[other] == steps[name]] for name in names}
    return {name: steps[name] + gap * (group.index(name) - (len(group) - 1) / 2) for name, group in groups.items()}
