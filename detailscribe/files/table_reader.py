"""Tables that people bring, as rows with line numbers: CSV, TSV and JSON lines of any encoding mark and separator.

Read is what has one meaning only: a byte order mark, any of the three line ends, column names in other case or with
blanks, separators of other countries, rows without content. Everything else is refused by its place. Lines are split
at line ends alone, since U+2028 and its like are characters of a JSON string.
"""

import csv
import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from detailscribe.errors import InputError
from detailscribe.files.json_reader import load_json

MAX_LINE_BYTES = 16 * 1024**2
MAX_TABLE_BYTES = 1024**3
SEPARATORS = {".csv": ",;\t|", ".tsv": "\t,;|"}  # by suffix: the separators to try, the usual one first
UTF16_MARKS = (b"\xff\xfe", b"\xfe\xff")

Row = tuple[int, dict]  # line number of the row's start, and its values by column


def read_table(path: Path, required: Sequence[Sequence[str]], max_bytes: int = MAX_TABLE_BYTES) -> list[Row]:
    """Rows of a table, without those that are empty.

    Args:
        path: A .csv, .tsv or .jsonl file.
        required: Groups of column names, lower case; the table must have one of each group.
        max_bytes: Largest size of the file.

    Returns:
        (line, values): column names stripped and in lower case; values are strings, in JSON lines whatever stands
        there.

    Raises:
        InputError: another kind of file, a size above `max_bytes`, a missing or repeated column, a line that cannot be
            read; names the file and, where there is one, the line.
    """
    suffix = path.suffix.lower()
    if suffix not in (*SEPARATORS, ".jsonl"):
        raise InputError(f"{path}: a table is a .csv, .tsv or .jsonl file, encoded as UTF-8; save it as one of them")
    if path.is_file() and path.stat().st_size > max_bytes:
        raise InputError(
            f"{path}: {path.stat().st_size / 1e6:.0f} MB, a table has at most {max_bytes / 1e6:.0f}; remove empty rows"
        )
    return _json_rows(path, required) if suffix == ".jsonl" else list(_separated_rows(path, required))


def json_lines(path: Path, faults: dict[int, str] | None = None) -> Iterator[tuple[int, object]]:
    """The value of each line of a JSON lines file that is not blank, with its line number.

    Args:
        path: The file.
        faults: Takes what is wrong with lines that cannot be read, which are then passed over.

    Raises:
        InputError: the file or a line cannot be read, or an object has a key twice; names file and line.
    """
    for number, line in text_lines(path):
        if line.strip():
            try:
                yield number, load_json(line, allow_nonfinite=True, unique_keys=True)
            except ValueError as error:
                if faults is None:
                    raise InputError(f"{path}, line {number}: {error}; correct this line") from None
                faults[number] = f"{error}; correct this line"


def text_lines(path: Path) -> Iterator[tuple[int, str]]:
    r"""Lines of a text file with their numbers and ends (\n, \r\n or \r): UTF-8, or UTF-16 with a byte order mark.

    Raises:
        InputError: the file cannot be read, is of another encoding, or holds a NUL or a line above `MAX_LINE_BYTES`.
    """
    number = 0
    try:
        with open(path, "rb") as file:
            for raw in _decoded_lines(path, file):
                for line in io.StringIO(raw, newline="") if "\r" in raw[:-2] or raw.endswith("\r") else (raw,):
                    number += 1
                    if "\0" in line:
                        raise InputError(
                            f"{path}, line {number}: holds a NUL character, as UTF-16 without its mark and files that "
                            "are no text do; save it as UTF-8"
                        )
                    yield number, line
    except OSError as error:
        raise InputError(f"{path} cannot be read ({error.strerror or error}); correct the path or its rights") from None


def _decoded_lines(path: Path, file: io.BufferedReader) -> Iterator[str]:
    r"""The text between two \n of a file, ends included."""
    if file.peek(2)[:2] in UTF16_MARKS:
        data = file.read(MAX_TABLE_BYTES)
        try:
            yield from io.StringIO(data.decode("utf-16"), newline="")
        except UnicodeDecodeError as error:
            raise InputError(f"{path}: marked as UTF-16, but {error.reason}; save it as UTF-8") from None
        return
    number = 0
    while data := file.readline(MAX_LINE_BYTES + 1):
        number += 1
        if len(data) > MAX_LINE_BYTES:
            raise InputError(f"{path}, line {number}: longer than {MAX_LINE_BYTES / 1e6:.0f} MB; is this a table?")
        try:
            yield data.decode("utf-8-sig" if number == 1 else "utf-8")
        except UnicodeDecodeError as error:
            column, byte = error.start + 1, error.object[error.start]
            raise InputError(
                f"{path}, line {number}: not UTF-8 (byte 0x{byte:02x} at column {column}); save the file as UTF-8"
            ) from None


def _json_rows(path: Path, required: Sequence[Sequence[str]]) -> list[Row]:
    rows = []
    for number, value in json_lines(path):
        if not isinstance(value, dict):
            raise InputError(f"{path}, line {number}: not a JSON object; write one with the keys {_spoken(required)}")
        row = dict(zip(_names(path, number, list(value)), value.values(), strict=True))
        if any(isinstance(row.get(name), dict | list | bool) for group in required for name in group):
            raise InputError(f"{path}, line {number}: {_spoken(required)} must be texts, got {value!r:.200}")
        rows.append((number, row))
    columns = {name for _, row in rows for name in row}
    if rows and (absent := [group for group in required if not columns & set(group)]):
        raise InputError(f"{path}: no row has a key {_spoken(absent)}; the keys are {', '.join(sorted(columns))}")
    return rows


def _separated_rows(path: Path, required: Sequence[Sequence[str]]) -> Iterator[Row]:
    lines = text_lines(path)
    separators = SEPARATORS[path.suffix.lower()]
    for number, line in lines:
        if chosen := re.fullmatch(r'"?sep=(.)"?', line.strip(), re.IGNORECASE):
            separators = chosen[1]  # a first line that Excel writes and hides
        elif line.strip(f'{separators}" \t\r\n'):
            header = end = number
            break
    else:
        raise InputError(f"{path}: empty; the first line names the columns {_spoken(required)}")
    separator, names = _header(path, header, line, separators, required)
    reader = csv.reader((line for _, line in lines), delimiter=separator, strict=True)
    while True:
        start = end + 1
        try:
            cells = next(reader)
        except StopIteration:
            return
        except csv.Error as error:
            raise InputError(
                f"{path}, line {start}: {error}; a quotation mark that opens a cell must be closed"
            ) from None
        end = header + reader.line_num
        if not any(cell.strip() for cell in cells):
            continue
        if any(cell.strip() for cell in cells[len(names) :]):
            raise InputError(
                f"{path}, line {start}: {len(cells)} cells, but {len(names)} columns; put a text that holds "
                f"{separator!r} in quotation marks"
            )
        yield start, dict(zip(names, [*cells, *[""] * len(names)], strict=False))


def _header(
    path: Path, number: int, line: str, separators: str, required: Sequence[Sequence[str]]
) -> tuple[str, list[str]]:
    """The separator with which the first line names every required column, and the columns' names."""
    found = []
    for separator in separators:
        try:
            cells = next(csv.reader([line], delimiter=separator))
        except csv.Error as error:
            raise InputError(f"{path}, line {number}: {error}; the first line names the columns") from None
        while cells and not cells[-1].strip():
            cells.pop()
        found.append((separator, cells))
        if not _absent(cells, required):
            return separator, _names(path, number, cells)
    separator, cells = max(found, key=lambda each: (-len(_absent(each[1], required)), len(each[1])))
    raise InputError(
        f"{path}, line {number}: no column {_spoken(_absent(cells, required))}; the columns of its first line are "
        f"{', '.join(cell.strip()[:60] for cell in cells[:20])}"
    )


def _absent(cells: list[str], required: Sequence[Sequence[str]]) -> list[Sequence[str]]:
    names = {_folded(cell) for cell in cells}
    return [group for group in required if not names & set(group)]


def _names(path: Path, number: int, names: list[str]) -> list[str]:
    folded = [_folded(name) for name in names]
    if repeated := sorted({name for name in folded if name and folded.count(name) > 1}):
        raise InputError(f"{path}, line {number}: the column {repeated[0]!r} is there twice; remove or rename one")
    return folded


def _folded(name: str) -> str:
    return name.strip().strip("\ufeff").casefold()


def _spoken(groups: Sequence[Sequence[str]]) -> str:
    return ", ".join(" or ".join(group) for group in groups)
