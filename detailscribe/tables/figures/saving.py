"""Saving of figures as SVG, which follows a page's dark mode, and as PNG for papers; same values, same bytes."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.files.atomic import atomic_write
from detailscribe.study.stages import ONE_COLUMN
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import DARK, INK, PAPER, STYLE

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def save_figures(paths: Iterable[str | Path], look: Look, plot: Callable[..., Figure], *values) -> None:
    """Save a figure under each path, as its suffix says; in the folder ONE_COLUMN as wide as one column."""
    files = list(map(Path, paths))
    for is_narrow in (False, True):
        own = look.in_one_column() if is_narrow else look
        with ExitStack() as written:
            chosen = [path for path in files if (path.parent.name == ONE_COLUMN) == is_narrow]
            targets = [(written.enter_context(atomic_write(path)), path.suffix[1:]) for path in chosen]
            if targets:
                save_figure(targets, own, plot, *values)


def save_figure(files: Sequence[tuple[Path, str]], look: Look, plot: Callable[..., Figure], *values) -> None:
    """Draw a figure with `plot(*values, look)` and save it without date and software version.

    Neither the backend of a notebook (`MPLBACKEND`) nor the user's own `matplotlibrc` has an effect.

    Args:
        files: Paths, each with its kind, svg or png.
    """
    os.environ["MPLBACKEND"] = "agg"  # of another backend, importing matplotlib may already fail
    import matplotlib

    with matplotlib.rc_context():
        matplotlib.rcdefaults()
        matplotlib.rcParams.update(STYLE)
        matplotlib.rcParams.update(dict[Any, Any](look.style))
        figure = plot(*values, look)
        figure.draw_without_rendering()
        figure.set_layout_engine("none")  # laid out once for both kinds
        for path, kind in files:
            figure.savefig(path, format=kind, metadata={"Date": None} if kind == "svg" else {"Software": None})
    # A style with a background of its own is meant for light and dark alike.
    if matplotlib.colors.to_hex(figure.get_facecolor()) == PAPER:
        for path in (path for path, kind in files if kind == "svg"):
            svg = Path(path).read_text(encoding="utf-8")
            Path(path).write_text(svg.replace("<defs>", f"<defs>\n  {_dark_mode()}", 1), encoding="utf-8")


def _dark_mode() -> str:
    """A style sheet that replaces our colours where the reader prefers dark; other programs than browsers ignore it."""
    rules = [f"svg {{fill: {DARK[INK]}}}"]  # what is black has no colour of its own
    for light, dark in {**DARK, "#000000": DARK[INK]}.items():
        for use in ("fill", "stroke"):
            rules.append(f'[style*="{use}: {light}"], [{use}="{light}"] {{{use}: {dark} !important}}')
    return f'<style type="text/css">@media (prefers-color-scheme: dark) {{{" ".join(rules)}}}</style>'
