"""Figure of a plan: smallest detectable difference against the number of prompts, one panel per metric and design."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from detailscribe.operations.power.comparisons import ASSISTED, ORACLE, PAIRS, Comparison
from detailscribe.operations.power.paired_power import detectable
from detailscribe.operations.power.power_table import Goal, judged_prompts
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import AMBER, BLUE, GREEN, INK, PURPLE, QUIET, SKY, VERMILLION
from detailscribe.tables.figures.panels import add_legend, legend_entries, panel_grid, panels_per_row
from detailscribe.tables.honest.oracle_cells import DAGGER
from detailscribe.tables.published import POOLED

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

LEAST_PANEL_IN, PANEL_HEIGHT_IN = 2.2, 1.7
COLOURS = (BLUE, VERMILLION, GREEN, AMBER, PURPLE, SKY, INK, "#b8a800")
DASHES = ("-", "--", "-.", ":")
POINTS = 40  # of a curve
EDGE, TICKS_APART = 1.2, 0.16  # room left of the prompts here; least distance of two labels, as a share of the axis


def plot_power(comparisons: Sequence[Comparison], goal: Goal, look: Look) -> Figure:
    """Smallest difference that is found with the wanted power, against prompts (assisted: prompts that people rate).

    A dotted vertical line marks the prompts of the data, a dashed horizontal one the difference that is wanted. Of
    several scenarios, all together are shown.

    Args:
        comparisons: Of all designs, at the repeats of the data.
        goal: What is to be found.
    """
    shown = [each for each in comparisons if each.spread.total() > 0]
    pooled = {(each.design, each.metric) for each in shown if each.scenario == POOLED}
    shown = [each for each in shown if each.scenario == POOLED or (each.design, each.metric) not in pooled]
    keys = list(dict.fromkeys((each.scenario, each.design, each.metric, each.judge) for each in shown))
    methods = list(dict.fromkeys(_label(each, look) for each in shown))
    power = f"{goal.settings['power']:.0%}".replace("%", " %")
    title = f"Difference found with {power} power after Holm's correction"
    per_row = panels_per_row(len(keys), look.width_in / LEAST_PANEL_IN)
    figure, panels = panel_grid(title, [_title(key, look) for key in keys], per_row, PANEL_HEIGHT_IN, look)
    for panel, key in zip(panels, keys, strict=False):
        of_key = [each for each in shown if (each.scenario, each.design, each.metric, each.judge) == key]
        _draw(panel, of_key, goal, methods, look)
    for index, method in enumerate(methods):
        panels[0].plot([], [], **_style(index), label=method)
    panels[0].plot([], [], color=QUIET, linestyle=":", label="prompts here")
    panels[0].plot([], [], color=QUIET, linestyle="--", linewidth=0.8, label="difference wanted")
    add_legend(figure, legend_entries(panels[0]), look)
    return figure


def _draw(panel: Axes, comparisons: list[Comparison], goal: Goal, methods: list[str], look: Look) -> None:
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
        panel.plot(at, found, **_style(methods.index(_label(each, look))))
    if counted := {each.spread.prompts for each in comparisons if low <= each.spread.prompts <= high}:
        panel.axvline(max(counted), color=QUIET, linestyle=":")
    if wanted := {goal.difference(each)[0] for each in comparisons} - {None}:
        panel.axhline(max(filter(None, wanted)), color=QUIET, linestyle="--", linewidth=0.8)
    panel.set_xscale("log")
    panel.set_xlim(low / EDGE if low < min(counts) else low, high)
    apart = (high / low) ** TICKS_APART
    named = [n for n in counts if n == high or n * apart <= min((m for m in counts if m > n), default=high)]
    panel.set_xticks(counts, [f"{count}" if count in named else "" for count in counts])
    panel.minorticks_off()
    panel.set_ylim(bottom=0)
    panel.set_xlabel("prompts that people rate" if first.design == ASSISTED else "prompts")
    panel.set_ylabel("smallest difference")
    panel.grid()
    panel.spines[["top", "right"]].set_visible(False)


def _title(key: tuple[str, str, str, str], look: Look) -> str:
    _, design, metric, judge = key
    by = f", with {look.metric(judge)}" if judge else ""
    label = look.metrics.get(f"judge-{metric}", metric) if design == PAIRS else look.metric(metric)
    return f"{label}{by} ({design})"


def _label(comparison: Comparison, look: Look) -> str:
    return look.method(comparison.method) + f" {DAGGER}" * (comparison.note == ORACLE)


def _style(index: int) -> dict:
    return {
        "color": COLOURS[index % len(COLOURS)],
        "linestyle": DASHES[index // len(COLOURS) % len(DASHES)],
        "linewidth": 1.2,
    }
