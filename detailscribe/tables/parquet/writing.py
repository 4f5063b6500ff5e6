"""Parquet files: written row group by row group, the same bytes from the same rows, with their own description."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.files.atomic import atomic_write
from detailscribe.tables.parquet.columns import FORMAT, Table, arrow_schema

if TYPE_CHECKING:
    import pyarrow as pa

GROUP_ROWS = 100_000  # of a row group, at most
# What decides the bytes besides the rows and the version of pyarrow; 2.6 and pages 1.0 are what every reader knows.
OPTIONS = {"compression": "zstd", "compression_level": 3, "version": "2.6", "data_page_version": "1.0"}


def write_parquet(path: Path, table: Table, scenario: str, pieces: Iterable["pa.Table"]) -> int:
    """Write a table whose metadata tells what it is: description, format, scenario, and columns with descriptions.

    Args:
        path: The file.
        table: Its columns.
        scenario: What the rows are of.
        pieces: Rows with the columns of the table, in their order; each piece begins a row group, so that a reader of
            one metric or image set reads no other.

    Returns:
        Number of rows.
    """
    import pyarrow.parquet as pq

    facts = {
        "description": table.description.format(scenario=scenario),
        "table": table.name,
        "format": str(FORMAT),
        "scenario": scenario,
        "columns": json.dumps({each.name: each.description for each in table.columns}, ensure_ascii=False),
    }
    schema, count = arrow_schema(table).with_metadata(facts), 0
    with atomic_write(path) as temporary, pq.ParquetWriter(temporary, schema, **OPTIONS) as writer:
        for piece in pieces:
            writer.write_table(piece.cast(schema), row_group_size=GROUP_ROWS)
            count += piece.num_rows
    return count
