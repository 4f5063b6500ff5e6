"""Rows on disk: JSON lines (JSONL) and CSV, written atomically; no row is there twice, and no number is infinite."""

import csv
import json
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.errors import InputError, SetupError
from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.files.json_reader import load_json

if TYPE_CHECKING:  # planning writes no table
    import pandas as pd

MISSING_ROW = "{} has no row for {}: delete that file and run again; the work behind it is kept"
REMEDY = "delete the file and run again; the work behind it is kept"
SCORE_KEY = ("id", "image_set")  # what a row of scores is of


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


def read_rows(path: str | Path, key: tuple[str, ...] = ()) -> list[dict]:
    """Read JSON lines.

    Args:
        path: The file.
        key: Columns that no two rows have in common, such as `("id",)`.

    Raises:
        InputError: a line is not a JSON object, holds a number that is not finite, lacks a column of the key, or has
            the key of an earlier line; the message names file and line.
    """
    rows: list[dict] = []
    seen: dict[tuple, int] = {}
    with open(path, "rb") as file:
        for number, line in enumerate(file, 1):
            try:
                row = decode_line(line)
                if type(row) is not dict:
                    raise ValueError("not a JSON object")
                if key:
                    of = tuple([row[column] for column in key])
                    if seen.setdefault(of, number) != number:
                        raise ValueError(f"a second row of {' '.join(map(str, of))}, after line {seen[of]}")
            except (ValueError, KeyError, TypeError) as error:
                reason = f"no {error.args[0]}" if isinstance(error, KeyError) else error
                raise InputError(f"{path}, line {number}: {reason}; {REMEDY}") from error
            rows.append(row)
    return rows


def read_score_rows(path: str | Path) -> list[dict]:
    """Rows of a file of scores; one of each prompt and image set (`read_rows`)."""
    return read_rows(path, SCORE_KEY)


def write_frame(path: Path, frame: "pd.DataFrame", exact: bool = False) -> None:
    """Write a data frame as CSV: floats with six decimals or `exact`, NaN as an empty cell."""
    with atomic_write(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=None if exact else "%.6f")


class RowsById(dict):
    """Rows of a JSON lines file by id. A missing id, of a file that was truncated or edited, raises a SetupError."""

    def __init__(self, path: Path):
        super().__init__((row["id"], row) for row in read_rows(path, ("id",)))
        self._path = path

    def __missing__(self, id: str):
        raise SetupError(MISSING_ROW.format(self._path, id))


def rows_by_id(path: str | Path) -> RowsById:
    """Rows of a JSON lines file by id; an InputError names a line that repeats an id (`read_rows`)."""
    return RowsById(Path(path))


def _finite(digits: str) -> float:
    number = float(digits)
    if number - number != 0:
        raise ValueError(digits)
    return number


def _refuse(name: str) -> float:
    raise ValueError(name)


# One decoder for all lines: `json.loads` with arguments builds one per call.
_strict = json.JSONDecoder(parse_float=_finite, parse_constant=_refuse).decode


def decode_line(line: bytes) -> object:
    """The value of a JSON line; only a line that cannot be read pays for the reason.

    Raises:
        ValueError: the reason (`json_reader.load_json`).
    """
    try:
        return _strict(line.decode())
    except (ValueError, RecursionError):
        return load_json(line)
