"""The honest row right below the oracle cell of its method, in long and short tables."""

import pytest

from detailscribe.tables.honest.row_order import lines_of, ordered_selections
from detailscribe.tables.main_table import tabulate
from tests.unit.tables.sample_scores import METHODS, SETTINGS, hand_worked


@pytest.fixture
def table():
    return tabulate(hand_worked(), METHODS, SETTINGS)


def test_a_long_table_has_the_honest_rows_below_each_oracle_and_single_candidates_at_the_end(table):
    assert [(method, selection) for method, selection, _ in ordered_selections(table)] == [
        ("sd", "single"),
        *(("multi_seed", selection) for selection in ("by:clip", "oracle", "mean", "by:judge")),
        *(("ours", selection) for selection in ("oracle", "mean", "by:clip", "by:judge")),
        *(("multi_seed", selection) for selection in ("o1", "o2")),
        *(("ours", selection) for selection in ("k0", "k1")),
    ]
    assert len(ordered_selections(table)) == len(table[["method", "selection"]].drop_duplicates())


def test_a_short_table_has_a_line_of_honest_rows_for_methods_with_an_oracle_cell(table):
    rows, labels = lines_of(table)
    assert labels == ["sd", "multi_seed †", "↳ mean", "ours †", "↳ mean or by:clip"]
    by_line = {line: list(of["selection"]) for line, of in rows.groupby("line")}
    assert by_line == {0: ["single"] * 2, 1: ["by:clip"] * 2, 2: ["mean"], 3: ["oracle"] * 2, 4: ["mean", "by:clip"]}


def test_an_empty_table_has_no_lines(table):
    rows, labels = lines_of(table.iloc[:0])
    assert labels == [] and len(rows) == 0 and "line" in rows and ordered_selections(table.iloc[:0]) == []
