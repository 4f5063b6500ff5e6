"""Figures: they show all headline rows and nothing else, and their bytes depend on the table only."""

import os
import re
import subprocess
import sys

import pandas as pd
import pytest

from detailscribe.tables.figures import plot_agreement, plot_bars, plot_compute, plot_means, plot_wins, save_figure
from tests.paths import REPOSITORY

ROWS = [  # method, selection, metric, mean, headline, oracle
    ("sd", "single", "clip_score", 0.8, True, False),
    ("sd", "single", "judge-main", 3.5, True, False),
    ("multi_seed", "by:clip_score", "clip_score", 0.9, True, True),
    ("multi_seed", "by:clip_score", "judge-main", 3.75, True, False),
    ("multi_seed", "mean", "clip_score", 0.82, False, False),
    ("ours", "oracle", "clip_score", 0.95, True, True),
    ("ours", "oracle", "judge-main", None, True, True),
    ("ours", "mean", "clip_score", 0.7, False, False),
    ("ours", "by:clip_score", "judge-main", None, False, False),
]
LINES = ["sd", "multi_seed †", "↳ mean", "ours †", "↳ mean or by:clip_score"]
BLUE, VERMILLION = "#0072b2", "#d55e00"


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        {"method": m, "selection": s, "metric": k, "n": 6 if v else 0, "mean": v}
        | {"low95": v and v - 0.1, "high95": v and v + 0.1, "headline": headline, "baseline": "sd"}
        | {"oracle": oracle, "honest": not oracle}
        | ({"n_pairs": 6, "wins": 3, "ties": 2, "losses": 1} if m != "sd" and v else {"n_pairs": 0})
        for m, s, k, v, headline, oracle in ROWS
    ]
    hidden = {"selection": "hidden_choice", "method": "hidden", "headline": False, "honest": False}
    return pd.DataFrame([*rows, rows[5] | hidden])


def rendered(table, tmp_path, notice="") -> str:
    save_figure(tmp_path / "main.svg", plot_means, table, "demo", notice)
    return (tmp_path / "main.svg").read_text(encoding="utf-8")


def texts(svg: str) -> list[str]:
    return [text.strip() for text in re.findall(r"<!-- (.*?) -->", svg, flags=re.DOTALL)]


def test_every_method_metric_and_count_is_named_and_nothing_else(table, tmp_path):
    labels = texts(rendered(table, tmp_path))
    assert {*LINES, "clip_score (n = 6)", "judge-main (n = 0 to 6)"} <= set(labels)
    assert labels.count("no score") == 2, "a line without a row under a metric stays empty"
    assert "hidden" not in labels


def test_methods_are_in_the_order_of_the_table(table):
    panel = plot_means(table, "demo", "").axes[0]
    heights = [panel.transData.transform((0, index))[1] for index in range(5)]
    assert [label.get_text() for label in panel.get_yticklabels()] == LINES
    assert heights == sorted(heights, reverse=True)


@pytest.mark.parametrize("plot", [plot_means, plot_bars, plot_wins])
def test_every_oracle_cell_has_a_dagger_in_its_panel_and_no_other_cell(table, plot):
    """The dagger stands on the line of the cell; every kind of figure has it."""
    clip, judge = plot(table, "demo", "").axes
    lines = [label.get_text() for label in clip.get_yticklabels()]
    marked = [[lines[int(text.xy[1])] for text in panel.texts if text.get_text() == "†"] for panel in (clip, judge)]
    assert marked == [["multi_seed †", "ours †"], []], "there is no score of ours by the judge"
    assert any(text.get_text().startswith("† oracle") for text in clip.figure.legends[0].get_texts())
    honest = plot(table.assign(oracle=False, headline=table["honest"]), "demo", "")
    assert not any("†" in text.get_text() for panel in honest.axes for text in [*panel.texts, *panel.get_yticklabels()])


def test_a_selection_by_the_metric_shown_looks_different(table, tmp_path):
    def marks(rows, colour):
        return rendered(rows, tmp_path).lower().count(colour)

    only = table[(table["method"] == "multi_seed") & table["headline"]]
    by_itself, by_another = only[only["metric"] == "clip_score"], only[only["metric"] == "judge-main"]
    assert marks(by_itself, VERMILLION) > marks(by_another, VERMILLION)
    assert marks(by_itself, BLUE) < marks(by_another, BLUE)


def test_the_notice_is_on_the_figure(table, tmp_path):
    notice = "Means nothing, costs $0 and $1."
    assert notice in texts(rendered(table, tmp_path, notice))
    assert notice not in texts(rendered(table, tmp_path))


def test_same_table_same_bytes_and_no_date(table, tmp_path):
    first = rendered(table, tmp_path, "notice")
    assert first == rendered(table, tmp_path, "notice")
    assert "<dc:date>" not in first
    assert first != rendered(table.assign(mean=table["mean"] + 0.01), tmp_path, "notice")


def test_bars_are_as_long_as_the_means_and_start_where_the_scale_does(table):
    panels = plot_bars(table, "demo", "").axes
    clip = [patch for patch in panels[0].patches if not pd.isna(patch.get_width())]
    assert sorted(patch.get_x() + patch.get_width() for patch in clip) == pytest.approx([0.7, 0.8, 0.82, 0.9, 0.95])
    judge = [patch for patch in panels[1].patches if not pd.isna(patch.get_width())]
    assert {patch.get_x() for patch in judge} == {1}
    assert sorted(patch.get_x() + patch.get_width() for patch in judge) == pytest.approx([3.5, 3.75])


def test_shares_of_wins_ties_and_losses_fill_the_bar(table):
    panel = plot_wins(table, "demo", "").axes[0]
    assert [label.get_text() for label in panel.get_yticklabels()] == LINES[1:]
    widths = [patch.get_width() for patch in panel.patches]
    assert widths == pytest.approx([0.5] * 4 + [1 / 3] * 4 + [1 / 6] * 4)


def test_compute_shows_methods_of_equal_cost_side_by_side_and_only_methods_with_steps(table):
    figure = plot_compute(table, "demo", "", {"sd": 28, "multi_seed": 28, "ours": 140})
    marks = [line for line in figure.axes[0].lines if len(line.get_xdata())]
    across = sorted({float(x) for line in marks for x in line.get_xdata()})
    assert len(across) == 5 and across[0] < 28 == across[1] < across[2] < across[3] < 140 < across[4]
    assert sorted(text.get_text() for text in figure.axes[0].texts) == ["1", "2", "2†", "3", "3†"]
    named = plot_compute(table, "demo", "", {"sd": 28}).legends[0].get_texts()
    assert [text.get_text() for text in named if text.get_text()[0].isdigit()] == ["1 sd"]


def test_agreement_shows_each_metric_beside_the_chance_level(tmp_path):
    table = pd.DataFrame(
        [("clip_score", 40, 0.7, 0.6, 0.8), ("judge-main", 0, None, None, None)],
        columns=["metric", "pairs", "agreement", "low95", "high95"],
    )
    save_figure(tmp_path / "agreement.svg", plot_agreement, table, "demo", "")
    labels = texts((tmp_path / "agreement.svg").read_text(encoding="utf-8"))
    assert {"clip_score", "judge-main", "chance level", "no score", "share of pairs (n = 0 to 40)"} <= set(labels)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "nonsense", "tkagg"])
def test_a_notebooks_backend_and_the_users_style_change_nothing(table, tmp_path, backend):
    table.to_pickle(tmp_path / "table.pickle")
    (tmp_path / "matplotlibrc").write_text("axes.grid: True\nfont.size: 30\nbackend: nonsense\n")
    code = (
        "from pathlib import Path; import pandas as pd; "
        "from detailscribe.tables.figures import plot_means, save_figure; "
        "save_figure(Path('own.svg'), plot_means, pd.read_pickle('table.pickle'), 'demo', '')"
    )
    env = os.environ | {"MPLBACKEND": backend, "PYTHONPATH": str(REPOSITORY)}
    run = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=env, capture_output=True, text=True)
    assert run.returncode == 0, run.stderr[-800:]
    assert (tmp_path / "own.svg").read_text(encoding="utf-8") == rendered(table, tmp_path)


def test_a_png_is_the_same_bytes_every_time(table, tmp_path):
    for name in ("one.png", "two.png"):
        save_figure(tmp_path / name, plot_means, table, "demo", "", kind="png")
    assert (tmp_path / "one.png").read_bytes() == (tmp_path / "two.png").read_bytes()
    assert (tmp_path / "one.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(("scale", "floor"), [(1.0, 1), (0.2, 0)])
def test_bars_of_a_judge_begin_at_its_lowest_mark(table, scale, floor):
    judged = table["metric"] == "judge-main"
    for column in ("mean", "low95", "high95"):
        table[column] = table[column].astype(float).where(~judged, table[column].astype(float) * scale)
    panel = plot_bars(table, "demo", "").axes[1]
    starts = {bar.get_x() for bar in panel.patches if bar.get_width() == bar.get_width() and bar.get_width()}
    assert starts == {floor}
