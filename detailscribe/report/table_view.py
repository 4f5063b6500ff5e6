"""Tables on the pages: cells in words, what each column is, which are shown at first, and why a table is empty."""

from __future__ import annotations

import functools
import math
import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import yaml

from detailscribe.report.labels import Labels
from detailscribe.tables.honest.oracle_cells import DAGGER

if TYPE_CHECKING:  # jobs that ask models import this module for the parameters of the report
    import pandas as pd

COLUMNS_FILE = Path(__file__).parent / "pages" / "columns.yaml"
MOST_ROWS = 400
DIGEST = re.compile(r"^[0-9a-f]{32,}$")
DIGEST_LENGTH = 8
SMALLEST = 0.0005  # below it, three decimals show nothing
LONG_TEXT = 45  # letters; longer cells have several lines
P_COLUMNS = ("p", "p_holm", "position_bias_p")
METHOD_COLUMNS = ("method", "other", "reference", "next_best", "baseline", "critic")
METRIC_COLUMNS = ("metric", "judge", "first", "second")
IMAGE_SET_COLUMNS = ("image_set", "made_by")


@dataclass(frozen=True)
class TableFile:
    """A table with its file.

    Attributes:
        name: `main`, or `human/main` for one of the folder human/.
        title: On the page.
        caption: What the table is; empty for none.
        path: CSV file.
        rows: Its content.
    """

    name: str
    title: str
    caption: str
    path: Path
    rows: pd.DataFrame

    @property
    def site_path(self) -> str:
        """Where a site has the CSV file."""
        return f"tables/{self.title.replace(': ', '-').replace('/', '-').replace(' ', '_')}.csv"


@dataclass(frozen=True)
class Column:
    """A column: `description` (empty for none), whether it is hidden at first, and whether it holds numbers."""

    name: str
    description: str
    extra: bool = False
    numeric: bool = False


@dataclass(frozen=True)
class Cell:
    """A cell: its text, what hovering shows (empty for none), and its kind: yes, no, text (long), or empty."""

    text: str
    title: str
    kind: str


@dataclass(frozen=True)
class TableView:
    """A table as a page shows it; `empty` says why it has no rows, `count` is the number of rows of the file.

    `hidden` and `right` are the numbers, from 1, of the columns that are hidden at first and that hold numbers.
    """

    title: str
    caption: str
    csv: str
    columns: list[Column]
    rows: list[list[Cell]]
    count: int
    empty: str

    @property
    def hidden(self) -> list[int]:
        return [number for number, column in enumerate(self.columns, 1) if column.extra]

    @property
    def right(self) -> list[int]:
        return [number for number, column in enumerate(self.columns, 1) if column.numeric]


def table_view(table: TableFile, labels: Labels) -> TableView:
    """The first MOST_ROWS rows of a table, with labels for names and marks for digests and truth values."""
    from pandas.api.types import is_numeric_dtype

    numeric = {name for name in table.rows if is_numeric_dtype(table.rows[name])}
    facts = [
        replace(column, numeric=column.name in numeric and table.rows[column.name].dtype != bool)
        for column in column_facts(table.name, table.rows.columns)
    ]
    dagger = marked_column(table.rows)
    rows = []
    for row in table.rows.head(MOST_ROWS).to_dict("records"):
        cells = []
        for column in facts:
            text, title, kind = _cell(column.name, row[column.name], labels)
            is_oracle = column.name == dagger and row["oracle"]
            cells.append(Cell(text + DAGGER if is_oracle else text, title, kind))
        rows.append(cells)
    empty = "" if len(table.rows) else _facts()["tables"].get(table.name, {}).get("empty", "The file has no rows.")
    return TableView(table.title, table.caption, table.site_path, facts, rows, len(table.rows), empty)


def column_facts(name: str, columns: Iterable[str]) -> list[Column]:
    """The columns of a table with their descriptions; all are shown where the table names none to show at first."""
    of_table = _facts()["tables"].get(name, {})
    described = {**_facts()["columns"], **of_table.get("columns", {})}
    shown = of_table.get("shown")
    return [Column(each, described.get(each, ""), bool(shown) and each not in shown) for each in columns]


def marked_column(rows: pd.DataFrame) -> str:
    """The column of a table whose values get a dagger where its column `oracle` is true; empty for none."""
    if "oracle" not in rows or rows["oracle"].dtype != bool:  # of tables/optimism.csv it is a score
        return ""
    return next((name for name in ("mean", "ours") if name in rows), "")


def number_text(value: object) -> str:
    """Text of a value: floats to three decimals, a dash for a missing value."""
    if value is None or str(value) == "<NA>" or (isinstance(value, float) and math.isnan(value)):
        return "–"
    return f"{value:.3f}" if isinstance(value, float) else str(value)


def _cell(column: str, value: object, labels: Labels) -> tuple[str, str, str]:
    """Text, title and kind of a cell."""
    if isinstance(value, bool):
        return ("✓", "yes", "yes") if value else ("✗", "no", "no")
    if isinstance(value, str):
        if DIGEST.match(value):
            return f"{value[:DIGEST_LENGTH]}…", value, ""
        shown = value
        if column in METHOD_COLUMNS:
            shown = labels.method(value)
        elif column in METRIC_COLUMNS:
            shown = labels.metric(value) if value in labels.metrics else labels.judge(value)
        elif column in IMAGE_SET_COLUMNS:
            shown = labels.image_set(value)
        elif column in ("selection", "against"):
            shown = labels.selection(value)
        return shown, value if shown != value else "", "text" if len(shown) > LONG_TEXT else ""
    text = number_text(value)
    if column in P_COLUMNS and isinstance(value, float) and 0 < value < SMALLEST:
        text = f"{value:.1e}"
    return text, "", ""


@functools.cache
def _facts() -> dict:
    return yaml.safe_load(COLUMNS_FILE.read_text(encoding="utf-8"))
