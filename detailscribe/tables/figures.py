"""Figures of a scenario: means, win rates, score against compute, agreement. The same table gives the same bytes."""

import textwrap
from collections.abc import Callable
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from detailscribe.study.methods import denoising_steps_by_method
from detailscribe.study.study import Study

STAGE = "plot"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    values = {
        "notice": study.image_model["notice"],
        "steps": denoising_steps_by_method(study),
        "selector": study.config["seed_selector"],
    }
    return {"plot": values}


# Okabe and Ito's palette, which colour-blind readers tell apart; where it carries meaning, the shapes differ too.
BLUE, VERMILLION, GREEN, GREY, PALE = "#0072B2", "#D55E00", "#009E73", "#999999", "#BFD9EA"
PLAIN = {"color": BLUE, "marker": "o", "label": "one image, or picked by another metric"}
BEST = {"color": VERMILLION, "marker": "D", "label": "best of several under the metric shown"}
PANEL_IN = 2.7  # width of a panel in inches
ROW_IN = 0.32  # height of a method's line in inches
LETTERS_PER_IN = 12  # of the notice
DPI = 200
# Glyphs as outlines, so that the picture looks alike everywhere; a fixed salt, so that its ids stay.
STYLE = {"svg.hashsalt": "detailscribe", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9}
STYLE["text.parse_math"] = False  # a dollar in a notice is a dollar


def plot(path: Path, drawing: Callable[..., Figure], *values, kind: str = "svg") -> None:
    """Draw a figure with `drawing(*values)` and save it as `kind`, svg or png."""
    with matplotlib.rc_context(STYLE):
        figure = drawing(*values)
        figure.savefig(path, format=kind, dpi=DPI, metadata={"Date": None} if kind == "svg" else {"Software": None})


def draw(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """The headline rows: a panel a metric, a mark a method with its interval.

    Args:
        table: The main table.
        scenario: Its name, for the title.
        notice: Warning to print on the picture; empty for none.
    """
    rows, methods, metrics = _headline(table)
    figure, panels = _panels(f"{scenario}: mean and 95 % interval", metrics, methods, notice)
    for panel, metric in zip(panels, metrics, strict=True):
        of_metric = rows[rows["metric"] == metric].set_index("method").reindex(methods)
        best = _best_under_metric(of_metric, metric)
        for style, chosen in ((PLAIN, ~best), (BEST, best)):
            _errorbar(panel, of_metric["mean"].where(chosen), of_metric, "low95", "high95", style)
        _mark_missing(panel, of_metric["mean"])
        panel.set_xlabel(f"{metric} ({_count(of_metric['n'])})")
    _legend(figure, panels[0], notice, min(2, len(metrics)))
    return figure


def bars(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """The headline rows as bars from zero (from 1 for a judge, whose lowest mark that is); arguments as of `draw`."""
    rows, methods, metrics = _headline(table)
    figure, panels = _panels(f"{scenario}: mean and 95 % interval", metrics, methods, notice)
    for panel, metric in zip(panels, metrics, strict=True):
        of_metric = rows[rows["metric"] == metric].set_index("method").reindex(methods)
        best = _best_under_metric(of_metric, metric)
        floor = 1 if metric.startswith("judge-") else 0
        for style, chosen in ((PLAIN, ~best), (BEST, best)):
            means = of_metric["mean"].where(chosen)
            hatch = "///" if style is BEST else None
            face = {"facecolor": "white" if hatch else style["color"], "edgecolor": style["color"], "hatch": hatch}
            panel.barh(range(len(means)), means - floor, left=floor, height=0.6, label=style["label"], **face)
        line = {"color": "0.15", "marker": ""}
        _errorbar(panel, of_metric["mean"], of_metric, "low95", "high95", line)
        _mark_missing(panel, of_metric["mean"])
        panel.set_xlabel(f"{metric} ({_count(of_metric['n'])})")
    _legend(figure, panels[0], notice, min(2, len(metrics)))
    return figure


def wins(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """Share of prompts where a headline row beats, ties and loses against the baseline; arguments as of `draw`."""
    rows, methods, metrics = _headline(table)
    compared = set(rows[rows["n_pairs"] > 0]["method"])
    methods = [method for method in methods if method in compared]
    baseline = table["baseline"].iloc[0] if len(table) else ""
    figure, panels = _panels(f"{scenario}: prompt by prompt against {baseline}", metrics, methods, notice)
    for panel, metric in zip(panels, metrics, strict=True):
        of_metric = rows[rows["metric"] == metric].set_index("method").reindex(methods)
        left = np.zeros(len(methods))
        for column, label, style in (
            ("wins", "better", {"color": BLUE}),
            ("ties", "tied", {"color": PALE, "hatch": "..", "edgecolor": "white"}),
            ("losses", "worse", {"color": VERMILLION}),
        ):
            share = (of_metric[column].astype(float) / of_metric["n_pairs"].astype(float)).fillna(0).to_numpy()
            panel.barh(range(len(methods)), share, left=left, height=0.6, label=label, **style)
            left = left + share
        panel.axvline(0.5, color="0.3", linewidth=0.8, linestyle=":")
        panel.set_xlim(0, 1)
        panel.set_xlabel(f"{metric} ({_count(of_metric['n_pairs'])})")
    _legend(figure, panels[0], notice, 3)
    return figure


def compute(table: pd.DataFrame, scenario: str, notice: str, steps: dict[str, int], selector: str) -> Figure:
    """Mean score against denoising steps of a prompt; methods that draw nothing here have no place on it.

    Args:
        table, scenario, notice: As of `draw`.
        steps: By method.
        selector: Metric whose pick stands beside each oracle, where the metric shown is another.
    """
    shown = table["headline"] | (table["selection"] == f"by:{selector}")
    rows = table[shown & table["method"].isin(steps)]
    metrics = list(dict.fromkeys(rows["metric"]))
    figure, panels = _panels(f"{scenario}: score against compute", metrics, list(steps), notice, share=False)
    names = list(dict.fromkeys(rows["method"]))
    widest = max(steps.values(), default=1)
    alike = {name: [other for other in names if steps[other] == steps[name]] for name in names}
    # Methods of the same cost stand side by side around it.
    aside = {
        name: steps[name] + 0.03 * widest * (group.index(name) - (len(group) - 1) / 2) for name, group in alike.items()
    }
    for panel, metric in zip(panels, metrics, strict=True):
        of_metric = rows[rows["metric"] == metric]
        best = _best_under_metric(of_metric, metric)
        for style, chosen in ((PLAIN, ~best), (BEST, best)):
            kept = of_metric[chosen & of_metric["mean"].notna()]
            reach = [kept["mean"] - kept["low95"], kept["high95"] - kept["mean"]]
            across = [aside[name] for name in kept["method"]]
            panel.errorbar(across, kept["mean"], yerr=reach, linestyle="none", capsize=3, markersize=5, **style)
            for row, x in zip(kept.itertuples(), across, strict=True):
                number = str(names.index(row.method) + 1)
                panel.annotate(number, (x, row.mean), (5, 3), textcoords="offset points", fontsize=7)
        panel.set_xlabel("denoising steps of a prompt")
        panel.set_ylabel(metric)
        panel.set_xlim(0, 1.12 * widest)
        panel.grid(color="0.9")
        panel.set_axisbelow(True)
        panel.spines[["top", "right"]].set_visible(False)
    for number, name in enumerate(names, 1):
        panels[0].plot([], [], linestyle="none", label=f"{number} {name}")
    _legend(figure, panels[0], notice, min(2 * max(len(metrics), 1), 4))
    return figure


def agreement(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """How often each metric prefers the image that people prefer.

    Args:
        table: Rows of `human_agreement`: metric, pairs, agreement, low95, high95.
        scenario, notice: As of `draw`.
    """
    metrics = list(table["metric"])
    figure, (panel,) = _panels(f"{scenario}: agreement with people on image pairs", [""], metrics, notice)
    rows = table.set_index("metric")
    _errorbar(panel, rows["agreement"], rows, "low95", "high95", {"color": GREEN, "marker": "s"})
    _mark_missing(panel, rows["agreement"])
    panel.axvline(0.5, color="0.3", linewidth=0.8, linestyle=":", label="a coin")
    panel.set_xlim(0, 1)
    panel.set_xlabel(f"share of pairs ({_count(rows['pairs'])})")
    _legend(figure, panel, notice, 1)
    return figure


def _headline(table: pd.DataFrame) -> tuple[pd.DataFrame, list[str], list[str]]:
    rows = table[table["headline"]]
    return rows, list(dict.fromkeys(rows["method"])), list(dict.fromkeys(rows["metric"]))


def _best_under_metric(rows: pd.DataFrame, metric: str) -> pd.Series:
    """Which rows were chosen by looking at the very metric that is shown."""
    return rows["selection"].isin(["oracle", f"by:{metric}"])


def _panels(title: str, metrics: list[str], methods: list[str], notice: str, share: bool = True):
    width = 1.6 + PANEL_IN * max(len(metrics), 1.2)
    height = 1.3 + 0.18 * len(_wrapped(notice, width)) + max(ROW_IN * len(methods), 1)
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.get_layout_engine().set(wspace=0.05)
    figure.suptitle(title, fontweight="bold")
    panels = figure.subplots(1, max(len(metrics), 1), sharey=share, squeeze=False)[0]
    if share:
        for panel in panels:
            panel.set_ylim(len(methods) - 0.5, -0.5)
            panel.grid(axis="x", color="0.9")
            panel.set_axisbelow(True)
            panel.tick_params(axis="y", length=0)
            panel.spines[["top", "right", "left"]].set_visible(False)
        panels[0].set_yticks(range(len(methods)), methods)
    return figure, panels


def _errorbar(panel, means: pd.Series, rows: pd.DataFrame, low: str, high: str, style: dict) -> None:
    reach = [(means - rows[low]).clip(lower=0), (rows[high] - means).clip(lower=0)]
    look = {"linestyle": "none", "capsize": 3, "markersize": 6}
    panel.errorbar(means, range(len(means)), xerr=reach, **look, **style)


def _mark_missing(panel, means: pd.Series) -> None:
    for place, mean in enumerate(means):
        if pd.isna(mean):
            panel.text(0.5, place, "no score", transform=panel.get_yaxis_transform(), ha="center", va="center")


def _legend(figure: Figure, panel, notice: str, columns: int) -> None:
    handles, labels = panel.get_legend_handles_labels()
    legend = figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    legend.set_title("\n".join(_wrapped(notice, figure.get_figwidth())))  # where the layout keeps room for it
    legend.get_title().set(color="#B45309", multialignment="center")


def _wrapped(text: str, width_in: float) -> list[str]:
    return textwrap.wrap(text, int(width_in * LETTERS_PER_IN), break_on_hyphens=False)


def _count(n: pd.Series) -> str:
    n = n.dropna()
    if not len(n):
        return "n = 0"
    return f"n = {n.min():.0f}" if n.min() == n.max() else f"n = {n.min():.0f} to {n.max():.0f}"
