"""The main figure: everything of the headline is on it, and its bytes depend on the table alone."""

import re

import pandas as pd
import pytest

from detailscribe.figures import draw, plot

ROWS = [
    ("sd", "single", "clip_score", 0.8),
    ("sd", "single", "judge-main", 3.5),
    ("multi_seed", "by:clip_score", "clip_score", 0.9),
    ("multi_seed", "by:clip_score", "judge-main", 3.75),
    ("ours", "oracle", "clip_score", 0.95),
    ("ours", "oracle", "judge-main", None),
]
BLUE, VERMILLION = "#0072b2", "#d55e00"


@pytest.fixture
def table() -> pd.DataFrame:
    rows = [
        {"method": m, "selection": s, "metric": k, "n": 6 if v else 0, "mean": v}
        | {"low95": v and v - 0.1, "high95": v and v + 0.1, "headline": True}
        for m, s, k, v in ROWS
    ]
    return pd.DataFrame([*rows, rows[4] | {"selection": "hidden_choice", "method": "hidden", "headline": False}])


def drawn(table, tmp_path, notice="") -> str:
    plot(table, "demo", notice, tmp_path / "main.svg")
    return (tmp_path / "main.svg").read_text(encoding="utf-8")


def texts(svg: str) -> list[str]:
    return [text.strip() for text in re.findall(r"<!-- (.*?) -->", svg, flags=re.DOTALL)]


def test_every_method_metric_and_count_is_named_and_nothing_else(table, tmp_path):
    said = texts(drawn(table, tmp_path))
    assert {"sd", "multi_seed", "ours", "clip_score (n = 6)", "judge-main (n = 0 to 6)"} <= set(said)
    assert said.count("no score") == 1
    assert "hidden" not in said


def test_methods_stand_in_the_order_of_the_table(table):
    panel = draw(table, "demo", "").axes[0]
    heights = [panel.transData.transform((0, place))[1] for place in range(3)]
    assert [label.get_text() for label in panel.get_yticklabels()] == ["sd", "multi_seed", "ours"]
    assert heights == sorted(heights, reverse=True)


def test_a_pick_by_the_metric_shown_looks_different(table, tmp_path):
    def marks(rows, colour):
        return drawn(rows, tmp_path).lower().count(colour)

    only = table[(table["method"] == "multi_seed")]
    by_itself, by_another = only[only["metric"] == "clip_score"], only[only["metric"] == "judge-main"]
    assert marks(by_itself, VERMILLION) > marks(by_another, VERMILLION)
    assert marks(by_itself, BLUE) < marks(by_another, BLUE)


def test_the_notice_is_on_the_picture(table, tmp_path):
    notice = "Means nothing, costs $0 and $1."
    assert notice in texts(drawn(table, tmp_path, notice))
    assert notice not in texts(drawn(table, tmp_path))


def test_same_table_same_bytes_and_no_date(table, tmp_path):
    first = drawn(table, tmp_path, "notice")
    assert first == drawn(table, tmp_path, "notice")
    assert "<dc:date>" not in first
    assert first != drawn(table.assign(mean=table["mean"] + 0.01), tmp_path, "notice")
