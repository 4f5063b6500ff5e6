"""Saved figures: the same bytes for the same values anywhere, light and dark in one SVG, a user's style, two widths."""

import os
import re
import subprocess
import sys

import pytest
from PIL import Image

from detailscribe.study.stages import FIGURES, figure_files, further_figure_files
from detailscribe.tables.figures.lines import plot_means, plot_wins
from detailscribe.tables.figures.look import Look
from detailscribe.tables.figures.palette import DARK, INK, PAPER
from detailscribe.tables.figures.plot import save_scenario
from detailscribe.tables.figures.saving import save_figures
from tests.browser import running_browser
from tests.paths import REPOSITORY
from tests.unit.tables.figures.main_table import LOOK, main_table


def rendered(folder, look=LOOK, plot=plot_means, table=None) -> str:
    save_figures([folder / "main.svg"], look, plot, main_table() if table is None else table, "demo")
    return (folder / "main.svg").read_text(encoding="utf-8")


def texts(svg: str) -> set[str]:
    return {text.strip() for text in re.findall(r"<!-- (.*?) -->", svg, flags=re.DOTALL)}


def test_same_table_same_bytes_and_no_date(tmp_path):
    first = rendered(tmp_path)
    assert first == rendered(tmp_path) and "<dc:date>" not in first
    assert first != rendered(tmp_path, table=main_table().assign(mean=0.5))
    for name in ("one.png", "two.png"):
        save_figures([tmp_path / name], LOOK, plot_means, main_table(), "demo")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()


def test_the_notice_is_on_the_figure(tmp_path):
    notice = "Means nothing, costs $0 and $1."
    assert notice in texts(rendered(tmp_path, Look(notice)))
    assert notice not in texts(rendered(tmp_path))


def test_a_scenario_has_each_figure_in_both_widths_and_loses_those_of_an_earlier_version(tmp_path):
    look = Look(width_in=6.0, column_in=3.0, style={"savefig.dpi": "100"})
    (tmp_path / "figures").mkdir()
    for kind in ("svg", "png"):
        (tmp_path / "figures" / f"bars.{kind}").write_text("old")
    files = [str(tmp_path / file) for file in figure_files(FIGURES)]
    save_scenario(files, main_table(), "demo", {"sd": 28}, look)
    found = {str(path) for path in tmp_path.rglob("*") if path.is_file()}
    assert found == set(files) and len(files) == 4 * len(FIGURES)
    for name in FIGURES:
        wide, narrow = (Image.open(tmp_path / f"figures/{folder}{name}.png").width for folder in ("", "one_column/"))
        assert (wide, narrow) == (600, 300)
    assert FIGURES[0] == "differences", "the report shows it first"
    assert set(further_figure_files(["main"])) == set(figure_files(["main"])) - {"figures/main.svg"}


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "tkagg"])
def test_a_notebooks_backend_and_a_matplotlibrc_change_nothing(tmp_path, backend):
    main_table().to_pickle(tmp_path / "table.pickle")
    (tmp_path / "matplotlibrc").write_text("axes.grid: True\nfont.size: 30\nbackend: nonsense\n")
    code = (
        "import pandas as pd; from detailscribe.tables.figures.lines import plot_means; "
        "from detailscribe.tables.figures.look import Look; "
        "from detailscribe.tables.figures.saving import save_figures; "
        "save_figures(['own.svg'], Look(), plot_means, pd.read_pickle('table.pickle'), 'demo')"
    )
    env = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-800:]
    assert (tmp_path / "own.svg").read_text(encoding="utf-8") == rendered(tmp_path, Look())


def test_a_users_style_replaces_ours_and_one_with_a_background_stays_as_it_is_in_dark_mode(tmp_path):
    ours = rendered(tmp_path)
    serif = rendered(tmp_path, Look(style={"font.family": "DejaVu Serif", "lines.markersize": "9"}))
    assert "DejaVuSerif" in serif and "DejaVuSerif" not in ours
    assert "prefers-color-scheme: dark" in ours and "prefers-color-scheme: dark" in serif
    assert "prefers-color-scheme" not in rendered(tmp_path, Look(style={"figure.facecolor": "black"}))


def test_every_colour_of_a_figure_has_one_for_dark_mode(tmp_path):
    """In whichever form matplotlib writes it; hatches have attributes of their own."""
    svg = rendered(tmp_path, plot=plot_wins) + rendered(tmp_path)
    body = re.sub(r"<style.*?</style>", "", svg, flags=re.DOTALL)
    used = set(re.findall(r"#[0-9a-f]{6}\b", re.sub(r"href=\"#[^\"]*\"|url\(#[^)]*\)", "", body)))
    assert used and used <= {*DARK, "#000000"}
    for colour in used:
        assert f'[style*="fill: {colour}"]' in svg and f'[fill="{colour}"]' in svg


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_browser_shows_the_figure_in_the_colours_of_its_page(tmp_path, scheme):
    rendered(tmp_path, plot=plot_wins)
    shades = {"light": (PAPER, INK), "dark": (DARK[PAPER], DARK[INK])}[scheme]
    with running_browser() as browser:
        page = browser.new_page(color_scheme=scheme)
        page.goto((tmp_path / "main.svg").as_uri())
        page.screenshot(path=tmp_path / "shot.png")
    colours = Image.open(tmp_path / "shot.png").convert("RGB").getcolors(1_000_000)
    seen = {"#{:02x}{:02x}{:02x}".format(*colour): count for count, colour in colours}
    assert max(seen, key=seen.get) in (shades[0], "#ffffff"), "paper, or the browser's own around it"
    assert all(seen.get(shade, 0) > 50 for shade in shades), "paper and text"
