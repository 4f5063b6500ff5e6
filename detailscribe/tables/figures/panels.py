"""Grid of panels, error bars, daggers and legends that the figures share."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import INK, SMALL, VERMILLION, WARNING
from detailscribe.tables.honest.oracle_cells import DAGGER

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from matplotlib.artist import Artist
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NARROW_IN = 4.5  # width of a figure below which it is narrow
LEAST_PANEL_IN = {True: 0.85, False: 1.2}  # width of a panel of lines, in a narrow figure and in a wide one
LABEL_LETTERS = {True: 20, False: 24}  # of a label on the y axis; what is longer goes on below
LETTER = 0.56  # mean width of a letter in font sizes
BOLD = 0.85  # of a width: room for bold letters
LINE = 1.75  # height of a line of a panel in font sizes
TICKS: dict[str, Any] = {"steps": [1, 2, 2.5, 5, 10], "min_n_ticks": 2}
TEXT_LINE = 1.35  # height of a line of text in font sizes


def line_panels(title: str, names: Sequence[str], labels: Sequence[str], look: Look) -> tuple[Figure, list[Axes]]:
    """A figure with one panel per metric, in which each of some lines is named on the y axis of the first of a row.

    Args:
        title: Of the figure.
        names: Of the panels.
        labels: Of the lines, from above.
    """
    from matplotlib.ticker import MaxNLocator

    em = font_in()
    is_narrow = look.width_in < NARROW_IN
    wrapped = [textwrap.fill(label, LABEL_LETTERS[is_narrow], break_long_words=False) for label in labels]
    counts = [label.count("\n") + 1 for label in wrapped]
    crowded = max((one + other for one, other in zip(counts, counts[1:], strict=False)), default=2) > 3
    widest = max((len(line) for label in wrapped for line in label.splitlines()), default=0)
    room = look.width_in - (widest * LETTER + 2) * em
    per_row = panels_per_row(len(names), room / LEAST_PANEL_IN[is_narrow])
    height = max(len(labels), 2) * (LINE + 0.5 * crowded) * em
    figure, panels = panel_grid(title, names, per_row, height, look, sharey=True)
    for panel in panels:
        panel.set_ylim(max(len(labels), 1) - 0.5, -0.5)
        panel.xaxis.set_major_locator(MaxNLocator(min(max(2, int(room / per_row / (4 * em))), 6), **TICKS))
        panel.grid(axis="x")
        panel.tick_params(axis="y", length=0)
        panel.spines[["top", "right", "left"]].set_visible(False)
        panel.set_yticks(range(len(labels)), wrapped, linespacing=1.0)
    return figure, panels


def panel_grid(
    title: str, names: Sequence[str | None], per_row: int, height_in: float, look: Look, sharey: bool = False
) -> tuple[Figure, list[Axes]]:
    """A figure of the look's width with named panels, `height_in` high, in as many rows as it takes.

    Args:
        title: Of the figure.
        names: Of the panels in the order of reading; None leaves a place empty.
        per_row: Panels in a row.
        height_in, look, sharey: Height of a panel, and width; whether panels have one y axis.
    """
    from matplotlib.figure import Figure
    from matplotlib.layout_engine import ConstrainedLayoutEngine

    em, count = font_in(), max(len(names), 1)
    rows = math.ceil(count / per_row)
    letters = int(look.width_in / per_row / (LETTER * em))
    titles = [textwrap.fill(name or "", max(letters - 12 * sharey, 14)) for name in names]
    lines = max((name.count("\n") + 1 for name in titles), default=1)
    heading = wrapped_to(title, BOLD * look.width_in)
    height = rows * (height_in + (lines * TEXT_LINE + 4.5) * em) + len(heading) * TEXT_LINE * em
    figure = Figure(figsize=(look.width_in, height), dpi=100, layout=ConstrainedLayoutEngine(wspace=0.04, hspace=0.04))
    figure.suptitle("\n".join(heading), fontweight="bold")
    panels = []
    kept = [*(name is not None for name in names or [""]), *[False] * (rows * per_row)]
    grid = figure.subplots(rows, per_row, squeeze=False, sharey=sharey).ravel()
    for panel, name, is_kept in zip(grid, [*titles, *[""] * len(grid)], kept, strict=False):
        if is_kept:
            panel.set_title(name, loc="left", linespacing=1.1)
            panel.set_axisbelow(True)
            panels.append(panel)
        else:
            panel.remove()
    return figure, panels


def panels_per_row(count: int, most: float) -> int:
    """How many panels stand in a row, if `most` have room there: rows of equal length, as far as possible."""
    return max(1, math.ceil(count / math.ceil(count / max(int(most), 1)))) if count else 1


def add_error_bars(panel: Axes, means: pd.Series, rows: pd.DataFrame, style: dict[str, Any], what: str = "") -> None:
    """Means with their intervals `{what}low95` and `{what}high95`, one line each from above."""
    reach = [(means - rows[f"{what}low95"]).clip(lower=0), (rows[f"{what}high95"] - means).clip(lower=0)]
    panel.errorbar(means, range(len(means)), xerr=reach, linestyle="none", capsize=2, **style)


def add_daggers(panel: Axes, places: pd.Series, oracle: pd.Series) -> None:
    """A dagger right of the place of each line with an oracle cell.

    Args:
        places: By line, on the x axis of the panel.
        oracle: Whether the line has an oracle cell.
    """
    add_marks(panel, places.where(oracle), DAGGER, VERMILLION)


def add_marks(panel: Axes, places: pd.Series, mark: str, color: str = INK) -> None:
    """A mark right of the place of each line that has one; NaN for none."""
    for line, place in enumerate(places):
        if place == place:
            where: dict[str, Any] = {"textcoords": "offset points", "va": "center", "annotation_clip": False}
            panel.annotate(mark, (place, line), (4, 0), color=color, **where)


def label_missing(panel: Axes, means: pd.Series) -> None:
    """Write `no score` on the lines without a mean."""
    for line, missing in enumerate(means.isna()):
        if missing:
            panel.text(0.5, line, "no score", transform=panel.get_yaxis_transform(), ha="center", va="center")


def add_legend(figure: Figure, entries: Sequence[tuple[Artist, str]], look: Look) -> None:
    """A legend below the figure, in as many columns as have room, with the notice as its title.

    Args:
        entries: Handles and their labels; a label that was there before is left out.
    """
    em, shown = font_in() * SMALL, {label: handle for handle, label in reversed(entries)}
    labels = [label for label in dict.fromkeys(label for _, label in entries)]
    width = look.width_in / em
    widest = max((min(len(label) * LETTER, width) + 4 for label in labels), default=1)
    columns = min(max(int(width / widest), 1), max(len(labels), 1))
    texts = [textwrap.fill(label, max(int((width / columns - 4) / LETTER), 12)) for label in labels]
    notice = wrapped_to(look.notice, look.width_in)
    lines = sum(text.count("\n") + 1 for text in texts[::columns]) + len(notice)
    figure.set_figheight(figure.get_figheight() + (lines * TEXT_LINE + 1.5) * em)  # the layout reserves room for it
    legend = figure.legend(
        [shown[label] for label in labels],
        texts,
        loc="outside lower center",
        ncols=columns,
        fontsize=small(),
        handlelength=1.6,
        columnspacing=1.2,
        labelspacing=0.35,
    )
    legend.set_title("\n".join(notice))
    legend.get_title().set(color=WARNING, multialignment="center", fontsize=small())


def legend_entries(panel: Axes) -> list[tuple[Artist, str]]:
    """Handles of a panel with their labels."""
    return list(zip(*panel.get_legend_handles_labels(), strict=True))


def count_label(n: pd.Series) -> str:
    """`n = 6`, or `n = 0 to 6` if the counts differ."""
    n = n.dropna()
    if not len(n):
        return "n = 0"
    return f"n = {n.min():.0f}" if n.min() == n.max() else f"n = {n.min():.0f} to {n.max():.0f}"


def limits_of_points(means: np.ndarray, lows: np.ndarray, highs: np.ndarray, margin: float, reach: float) -> tuple:
    """Limits of an axis with all means, and with their intervals as far as these reach beyond the means.

    Args:
        means: Without NaN, at least one.
        lows, highs: Ends of intervals; NaN for none.
        margin: Around what is shown, as a share of it.
        reach: Of the range of the means: how far beyond it intervals widen the axis.
    """
    import numpy as np

    low, high = float(means.min()), float(means.max())
    span = (high - low) or abs(high) or 1.0
    lowest = min(low, max(np.nanmin(lows), low - reach * span)) if np.isfinite(lows).any() else low
    highest = max(high, min(np.nanmax(highs), high + reach * span)) if np.isfinite(highs).any() else high
    room = margin * ((highest - lowest) or span)
    return float(lowest - room), float(highest + room)


def font_in() -> float:
    """Size of the figure's font in inches."""
    return _font_pt() / 72


def small() -> float:
    """Size of small text in points: that of numbers and labels inside panels."""
    return SMALL * _font_pt()


def _font_pt() -> float:
    import matplotlib

    return float(matplotlib.rcParams["font.size"])


def wrapped_to(text: str, width_in: float) -> list[str]:
    """Lines of a text of small letters that have room in a width."""
    return textwrap.wrap(text, int(width_in / (LETTER * font_in())), break_on_hyphens=False)
