"""Figures of a scenario's main table, for two columns of text and for one: stage plot."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.study.methods import denoising_steps_by_method
from detailscribe.study.study import Study
from detailscribe.tables.figures.compute import plot_compute
from detailscribe.tables.figures.lines import plot_differences, plot_means, plot_wins
from detailscribe.tables.figures.look import Look, look_parameters
from detailscribe.tables.figures.saving import save_figures

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

STAGE = "plot"
ALGORITHM = 4
FORMER = ("bars",)  # figures that an earlier version made; `differences` says more


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage, by the name of their file: `figures` is the look that figures of other stages share."""
    return {"plot": {"steps": denoising_steps_by_method(study)}, "figures": look_parameters(study)}


def save_scenario(paths: Sequence[str], table: pd.DataFrame, scenario: str, steps: dict[str, int], look: Look) -> None:
    """Draw the figures of a scenario, each by the name of its file, and remove those of an earlier version.

    Args:
        paths: {figure}.svg and .png.
        table: The main table.
        scenario: Its name.
        steps: Denoising steps by method.
        look: Of the figures.
    """
    drawings: dict[str, tuple[Callable[..., Figure], tuple]] = {
        "main": (plot_means, (table, scenario)),
        "differences": (plot_differences, (table, scenario)),
        "wins": (plot_wins, (table, scenario)),
        "compute": (plot_compute, (table, scenario, steps)),
    }
    for name in dict.fromkeys(Path(path).stem for path in paths):
        plot, values = drawings[name]
        save_figures([path for path in paths if Path(path).stem == name], look, plot, *values)
    for path, former in itertools.product(map(Path, paths), FORMER):
        path.with_name(f"{former}{path.suffix}").unlink(missing_ok=True)  # it would stand there with old numbers
