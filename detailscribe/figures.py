"""The main figure of a scenario: a panel a metric, a mark a method with its interval, the same bytes every time."""

import textwrap
from pathlib import Path

import matplotlib
import pandas as pd
from matplotlib.figure import Figure

# Blue and vermillion of Okabe and Ito's palette, which colour-blind readers tell apart; the shapes differ too.
PLAIN = {"color": "#0072B2", "marker": "o", "label": "one image, or picked by another metric"}
BEST = {"color": "#D55E00", "marker": "D", "label": "best of several under the metric shown"}
PANEL_IN = 2.7  # width of a panel in inches
ROW_IN = 0.32  # height of a method's line in inches
LETTERS_PER_IN = 12  # of the notice
# Glyphs as outlines, so that the picture looks alike everywhere; a fixed salt, so that its ids stay.
STYLE = {"svg.hashsalt": "detailscribe", "svg.fonttype": "path", "font.family": "DejaVu Sans", "font.size": 9}
STYLE["text.parse_math"] = False  # a dollar in a notice is a dollar


def plot(table: pd.DataFrame, scenario: str, notice: str, path: Path) -> None:
    """Draw the main table into an SVG file; the arguments are those of `draw`."""
    with matplotlib.rc_context(STYLE):
        figure = draw(table, scenario, notice)
        figure.savefig(path, format="svg", metadata={"Date": None})


def draw(table: pd.DataFrame, scenario: str, notice: str) -> Figure:
    """Draw the headline rows of the main table.

    Args:
        table: The main table.
        scenario: Its name, for the title.
        notice: Warning to print on the picture; empty for none.
    """
    rows = table[table["headline"]]
    methods, metrics = list(dict.fromkeys(rows["method"])), list(dict.fromkeys(rows["metric"]))
    width = 1.6 + PANEL_IN * len(metrics)
    warning = textwrap.wrap(notice, int(width * LETTERS_PER_IN))
    height = 1.3 + 0.18 * len(warning) + ROW_IN * len(methods)
    figure = Figure(figsize=(width, height), layout="constrained")
    figure.suptitle(f"{scenario}: mean and 95 % interval", fontweight="bold")
    panels = figure.subplots(1, len(metrics), sharey=True, squeeze=False)[0]
    for panel, metric in zip(panels, metrics, strict=True):
        of_metric = rows[rows["metric"] == metric].set_index("method").reindex(methods)
        _panel(panel, of_metric, metric)
        panel.set_xlabel(f"{metric} ({_count(of_metric['n'])})")
    panels[0].set_yticks(range(len(methods)), methods)
    handles, labels = panels[0].get_legend_handles_labels()
    columns = min(2, len(metrics))
    key = figure.legend(handles, labels, loc="outside lower center", ncols=columns, frameon=False, fontsize=8)
    key.set_title("\n".join(warning))  # where the layout keeps room for it
    key.get_title().set(color="#B45309", multialignment="center")
    return figure


def _panel(panel, rows: pd.DataFrame, metric: str) -> None:
    places = range(len(rows))
    best = rows["selection"].isin(["oracle", f"by:{metric}"])
    for style, chosen in ((PLAIN, ~best), (BEST, best)):
        means = rows["mean"].where(chosen)
        reach = [means - rows["low95"], rows["high95"] - means]
        panel.errorbar(means, places, xerr=reach, linestyle="none", capsize=3, markersize=6, **style)
    for place, mean in zip(places, rows["mean"], strict=True):
        if pd.isna(mean):
            panel.text(0.5, place, "no score", transform=panel.get_yaxis_transform(), ha="center", va="center")
    panel.set_ylim(len(rows) - 0.5, -0.5)
    panel.grid(axis="x", color="0.9")
    panel.set_axisbelow(True)
    panel.tick_params(axis="y", length=0)
    panel.spines[["top", "right", "left"]].set_visible(False)


def _count(n: pd.Series) -> str:
    return f"n = {n.min():.0f}" if n.min() == n.max() else f"n = {n.min():.0f} to {n.max():.0f}"
