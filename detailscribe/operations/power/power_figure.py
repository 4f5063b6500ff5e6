"""Figure of a plan: smallest detectable difference against the number of prompts, one panel per metric and design."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from detailscribe.operations.power.comparisons import ASSISTED, ORACLE, Comparison
from detailscribe.operations.power.paired_power import detectable
from detailscribe.operations.power.power_table import Goal, judged_prompts
from detailscribe.tables.figure_panels import BLUE, GREEN, VERMILLION, add_legend
from detailscribe.tables.honest.oracle_cells import DAGGER
from detailscribe.tables.published import POOLED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS_OF_PANELS = 3
PANEL_IN = (3.3, 2.7)  # width, height
COLOURS = (BLUE, VERMILLION, GREEN, "#E69F00", "#CC79A7", "#56B4E9", "0.25", "#B8A800")
DASHES = ("-", "--", "-.", ":")
POINTS = 40  # of a curve
EDGE, TICKS_APART = 1.2, 0.12  # room left of the prompts here; least distance of two labels, as a share of the axis


def plot_power(comparisons: Sequence[Comparison], goal: Goal, notice: str) -> Figure:
    """Smallest difference that is found with the wanted power, against prompts (assisted: prompts that people rate).

    A dotted vertical line marks the prompts of the data, a dashed horizontal one the difference that is wanted. Of
    several scenarios, all together are shown.

    Args:
        comparisons: Of all designs, at the repeats of the data.
        goal: What is to be found.
        notice: Warning to print on the figure; empty for none.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    shown = [each for each in comparisons if each.spread.total() > 0]
    pooled = {(each.design, each.metric) for each in shown if each.scenario == POOLED}
    shown = [each for each in shown if each.scenario == POOLED or (each.design, each.metric) not in pooled]
    keys = list(dict.fromkeys((each.scenario, each.design, each.metric, each.judge) for each in shown))
    methods = list(dict.fromkeys(_label(each) for each in shown))
    columns = min(COLUMNS_OF_PANELS, max(len(keys), 1))
    rows = max(math.ceil(len(keys) / columns), 1)
    width, height = PANEL_IN
    size = (max(width * columns, 5.5), height * rows + 0.9 + 0.09 * len(methods))
    figure = Figure(figsize=size, layout=ConstrainedLayoutEngine(wspace=0.05, hspace=0.06))
    power = f"{goal.settings['power']:.0%}".replace("%", " %")
    figure.suptitle(f"Difference found with {power} power after Holm's correction", fontweight="bold")
    panels = figure.subplots(rows, columns, squeeze=False).ravel()
    for panel, key in zip(panels, keys, strict=False):
        _draw(
            panel,
            [each for each in shown if (each.scenario, each.design, each.metric, each.judge) == key],
            goal,
            methods,
        )
    for panel in panels[len(keys) :]:
        panel.set_axis_off()
    for index, method in enumerate(methods):
        panels[0].plot([], [], **_style(index), label=method)
    panels[0].plot([], [], color="0.5", linestyle=":", label="prompts here")
    panels[0].plot([], [], color="0.5", linestyle="--", linewidth=0.8, label="difference wanted")
    add_legend(figure, panels[0], notice, 3 if columns > 1 else 2)
    return figure


def _draw(panel: Axes, comparisons: list[Comparison], goal: Goal, methods: list[str]) -> None:
    first = comparisons[0]
    counts = goal.settings["prompts"]
    low, high = min([*counts, *(each.spread.prompts for each in comparisons if each.spread.prompts)]), max(counts)
    for each in comparisons:
        level = goal.level(each)[1]
        judged = judged_prompts(each, each.spread.repeats, goal)
        end = min(high, judged) if judged else high
        ratio = max(end / low, 1.0)
        at = sorted({round(low * ratio ** (step / (POINTS - 1))) for step in range(POINTS)})
        variance = partial(each.spread.of_mean, judged=judged)
        ranks = goal.is_tested(each, "wilcoxon")
        found = [detectable(variance, count, level, goal.settings["power"], ranks) for count in at]
        panel.plot(at, found, **_style(methods.index(_label(each))))
    if counted := {each.spread.prompts for each in comparisons if low <= each.spread.prompts <= high}:
        panel.axvline(max(counted), color="0.5", linestyle=":")
    if wanted := {goal.difference(each)[0] for each in comparisons} - {None}:
        panel.axhline(max(filter(None, wanted)), color="0.5", linestyle="--", linewidth=0.8)
    panel.set_xscale("log")
    panel.set_xlim(low / EDGE if low < min(counts) else low, high)
    apart = (high / low) ** TICKS_APART
    named = [n for n in counts if n == high or n * apart <= min((m for m in counts if m > n), default=high)]
    panel.set_xticks(counts, [f"{count}" if count in named else "" for count in counts])
    panel.minorticks_off()
    panel.set_ylim(bottom=0)
    by = f", with {first.judge}" if first.judge else ""
    panel.set_title(f"{first.metric}{by} ({first.design})", fontsize=9)
    panel.set_xlabel("prompts that people rate" if first.design == ASSISTED else "prompts")
    panel.set_ylabel("smallest difference")
    panel.grid(color="0.94")
    panel.set_axisbelow(True)
    panel.spines[["top", "right"]].set_visible(False)


def _label(comparison: Comparison) -> str:
    is_oracle = comparison.note == ORACLE
    return f"{comparison.method} {DAGGER}" if is_oracle else comparison.method


def _style(index: int) -> dict:
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
        "linewidth": 1.2,
    }
