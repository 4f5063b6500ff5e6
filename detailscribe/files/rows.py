"""Rows on disk: JSON lines (JSONL) and CSV, written atomically."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.errors import SetupError
from detailscribe.files.atomic import atomic_write, write_text

if TYPE_CHECKING:  # planning writes no table
    import pandas as pd

MISSING_ROW = "{} has no row for {}: delete that file and run again; the work behind it is kept"


def to_jsonl(rows: Iterable[dict]) -> str:
    """Rows as JSON lines, keys in their order."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_rows(path: Path, rows: Iterable[dict]) -> None:
    """Write JSON lines."""
    write_text(path, to_jsonl(rows))


def write_csv(path: Path, columns: list[str], rows: Iterable[dict]) -> None:
    """Write rows as CSV: floats with six decimals, None as an empty cell."""
    with atomic_write(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        for row in rows:
            table.writerow([f"{row[name]:.6f}" if isinstance(row[name], float) else row[name] for name in columns])


def read_rows(path: Path) -> list[dict]:
    """Read JSON lines.

    Raises:
        ValueError: a line is not JSON; the message names file and line.
    """
    rows = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: not JSON ({error}); delete the file and run again") from error
    return rows


def write_frame(path: Path, frame: "pd.DataFrame", exact: bool = False) -> None:
    """Write a data frame as CSV: floats with six decimals or `exact`, NaN as an empty cell."""
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=None if exact else "%.6f")


class RowsById(dict):
    """Rows of a JSON lines file by id. A missing id, of a file that was truncated or edited, raises a SetupError."""

    def __init__(self, path: Path):
        super().__init__((row["id"], row) for row in read_rows(path))
        self._path = path

    def __missing__(self, id: str):
        raise SetupError(MISSING_ROW.format(self._path, id))


def rows_by_id(path: str | Path) -> RowsById:
    """Rows of a JSON lines file by id."""
    return RowsById(Path(path))
