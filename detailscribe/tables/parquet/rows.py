"""Rows of scores and manifests as Arrow tables, in the order of the study, whatever the number of shards."""

import csv
import json
from collections.abc import Callable, Iterable
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.errors import SetupError
from detailscribe.files.rows import REMEDY, read_rows
from detailscribe.images.image_set import CARRIED
from detailscribe.tables.parquet.columns import TEXT, TEXT_BY_NAME, Column, Table, arrow_schema
from detailscribe.tables.score_table import scores_by_metric

if TYPE_CHECKING:
    import pyarrow as pa

SLICE_ROWS = 50_000  # that are put in order at once
Place = tuple[int, int]  # of a row in its table: position of the prompt, position of the image set


class Prompts:
    """The prompts of a scenario: their order, topics and strata, and why some are in no table of means.

    Args:
        prompts: `prompts.jsonl`.
        scores: `tables/scores.csv`.
    """

    def __init__(self, prompts: Path, scores: Path):
        self._file = prompts
        self._positions: dict[str, int] = {}
        self._records: dict[str, dict] = {}
        for position, row in enumerate(read_rows(prompts, ("id",))):
            self._positions[row["id"]] = position
            self._records[row["id"]] = {"topic": row["topic"], "stratum": row.get("stratum")}
        with open(scores, encoding="utf-8", newline="") as file:
            for each in csv.DictReader(file):
                self._records.get(each["id"], {})["left_out"] = each["left_out"]

    def position(self, id: str, file: Path) -> int:
        """Position of the prompt that a row of `file` is of.

        Raises:
            SetupError: no such prompt; names both files.
        """
        if id not in self._positions:
            raise SetupError(f"{file} has a row of {id}, which is not in {self._file}; {REMEDY}")
        return self._positions[id]

    def facts(self, id: str) -> dict:
        """Columns topic, stratum and left_out of a prompt."""
        return self._records[id]


def score_rows(table: Table, files: Iterable[Path], prompts: Prompts, image_sets: list[str]) -> dict[str, "pa.Table"]:
    """Rows of one metric's files, and of the second metric that they may hold (`scores_by_metric`), by metric.

    Args:
        table: `columns.SCORES`.
        files: `scores/{metric}/{shard}.jsonl` of every shard.
        prompts: Of the scenario.
        image_sets: In the order of the study.

    Raises:
        InputError, SetupError: a file cannot be read (`read_rows`), or has a row of another prompt.
    """
    order = {name: position for position, name in enumerate(image_sets)}
    found: dict[str, _OrderedRows] = {}
    for file in files:
        for metric, rows in scores_by_metric([file]).items():
            places = [(prompts.position(row["id"], file), order.get(row["image_set"], len(order))) for row in rows]
            full = [{**prompts.facts(row["id"]), **row, "metric": metric} for row in rows]
            found.setdefault(metric, _OrderedRows(table)).add(full, places)
    return {metric: each.sorted() for metric, each in found.items()}


def image_rows(
    table: Table, files: Iterable[Path], prompts: Prompts, more: Callable[[dict], dict] = lambda row: {}
) -> "pa.Table":
    """Rows of one image set's manifests.

    Args:
        table: `columns.IMAGES`, with further columns if `more` gives them.
        files: `images/{image_set}/{shard}.jsonl` of every shard.
        prompts: Of the scenario.
        more: Further columns of a row.

    Raises:
        InputError, SetupError: a file cannot be read (`read_rows`), or has a row of another prompt.
    """
    found = _OrderedRows(table)
    for file in files:
        rows = read_rows(file, ("id",))
        places = [(prompts.position(row["id"], file), 0) for row in rows]
        own = [{**row, "image_set": file.parent.name, CARRIED: bool(row.get(CARRIED))} for row in rows]
        found.add([{**prompts.facts(row["id"]), **row, **more(row)} for row in own], places)
    return found.sorted()


class _OrderedRows:
    """Rows of several files, held as Arrow tables: a tenth of the memory of their dictionaries."""

    def __init__(self, table: Table):
        self._columns = table.columns
        self._schema = arrow_schema(table)
        self._tables: list[pa.Table] = []
        self._places: list[tuple[Place, int, int]] = []  # with the table and the row in it

    def add(self, rows: list[dict], places: list[Place]) -> None:
        """Add rows with their places."""
        import pyarrow as pa

        values = {each.name: [_value(each, row.get(each.name)) for row in rows] for each in self._columns}
        self._places += [(place, len(self._tables), row) for row, place in enumerate(places)]
        self._tables.append(pa.Table.from_pydict(values, schema=self._schema))

    def sorted(self) -> "pa.Table":
        """All rows by their places.

        Rows are taken some at a time: `take` on the whole joins each column into one array, which holds 2 GiB of text.
        """
        import pyarrow as pa

        order = [(table, row) for _, table, row in sorted(self._places)]
        slices = [self._rows(order[start : start + SLICE_ROWS]) for start in range(0, len(order), SLICE_ROWS)]
        return pa.concat_tables([self._schema.empty_table(), *slices])

    def _rows(self, order: list[tuple[int, int]]) -> "pa.Table":
        """Rows, each by its table and its number in it, in this order."""
        import pyarrow as pa

        by_table = sorted(range(len(order)), key=lambda place: order[place][0])
        groups = [
            self._tables[number].take([order[place][1] for place in places])
            for number, places in groupby(by_table, key=lambda place: order[place][0])
        ]
        back = sorted(range(len(order)), key=by_table.__getitem__)
        return pa.concat_tables(groups).take(back)


def _value(column: Column, value: Any) -> Any:
    """A cell: an empty text is null, a mapping becomes pairs or, in a column of text, JSON."""
    if column.type == TEXT and isinstance(value, dict):
        return json.dumps(value, ensure_ascii=False)
    if column.type == TEXT_BY_NAME and value is not None:
        return [(name, str(each)) for name, each in value.items()]
    return None if value == "" else value
