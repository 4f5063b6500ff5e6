"""Colours, markers and matplotlib defaults of the figures, in light and in dark."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from detailscribe.tables.honest.oracle_cells import DAGGER

if TYPE_CHECKING:
    from matplotlib.typing import RcKeyType

# Okabe and Ito's palette for colour-blind readers; where colour carries meaning, the shapes differ too.
BLUE, VERMILLION, GREEN, PALE = "#0072b2", "#d55e00", "#009e73", "#bfd9ea"
AMBER, PURPLE, SKY = "#e69f00", "#cc79a7", "#56b4e9"
PAPER, INK, QUIET, GRID, WARNING = "#ffffff", "#1d1f23", "#5d636e", "#e4e4e4", "#8a4b00"
DARK = {  # what a page in dark mode shows instead
    **{PAPER: "#15171a", INK: "#e7e6e3", QUIET: "#a4a9b3", GRID: "#33373d", WARNING: "#ffd79a"},
    **{BLUE: "#4fb0e6", VERMILLION: "#ff9a56", GREEN: "#35c99d", PALE: "#31556d"},
    **{AMBER: "#f0b840", PURPLE: "#e3a3c6", SKY: "#8ccbf2"},
}
PLAIN: dict[str, Any] = {"color": BLUE, "marker": "o", "label": "not selected by the metric shown"}
BEST: dict[str, Any] = {"color": VERMILLION, "marker": "D", "markerfacecolor": PAPER}
BEST["label"] = f"{DAGGER} oracle: selected among several by the metric shown"
BEHIND = {"facecolor": PAPER, "edgecolor": "none", "pad": 0.4}  # a name or number inside a panel
# Glyphs as outlines, so that the figure looks the same everywhere; a fixed salt for constant ids.
STYLE: dict[RcKeyType, Any] = {
    "svg.hashsalt": "detailscribe",
    "svg.fonttype": "path",
    "savefig.dpi": 300,
    "font.family": "DejaVu Sans",
    "font.size": 8,  # points at the width that the figure is printed at; nothing is smaller than SMALL of it
    **dict.fromkeys(("axes.titlesize", "axes.labelsize", "figure.titlesize", "legend.fontsize"), "medium"),
    **dict.fromkeys(("xtick.labelsize", "ytick.labelsize"), "medium"),
    **dict.fromkeys(("text.color", "axes.labelcolor", "axes.edgecolor", "xtick.color", "ytick.color"), INK),
    **{"axes.linewidth": 0.6, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "hatch.linewidth": 0.8},
    **{"lines.linewidth": 1.1, "lines.markersize": 4.5, "grid.color": GRID, "grid.linewidth": 0.6},
    "legend.frameon": False,
    "text.parse_math": False,  # a dollar in a notice is a dollar
}
SMALL = 0.875  # of the font's size: 7 points
