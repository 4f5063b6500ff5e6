"""Workbook reader: cells of an .xlsx or .xlsm file that people bring, within bounds of time and memory.

Values are read as a stream up to the rows and columns that are asked for; pictures, comments and charts are not read.
"""

import zipfile
from functools import cached_property
from pathlib import Path
from typing import Any, Self

from openpyxl import Workbook
from openpyxl.reader.excel import ExcelReader

from detailscribe.errors import InputError

WORKBOOK_SUFFIXES = (".xlsx", ".xlsm")
MAX_PARTS = 100_000  # entries of the archive; each picture is one
MAX_SHEET_BYTES = 32 * 1024**2  # of all sheets, unpacked; 1000 rows of ratings have 1
MAX_OTHER_BYTES = 4 * 1024**2  # of all other parts that are read: texts, styles, names
SHEETS = "xl/worksheets/sheet"
UNREAD_PARTS = (
    *("xl/media/", "xl/drawings/", "xl/charts/", "xl/chartsheets/", "xl/comments", "xl/threadedComments/"),
    *("xl/embeddings/", "xl/printerSettings/", "xl/externalLinks/", "xl/pivot", "xl/ctrlProps/", "xl/activeX/"),
    *("xl/richData/", "xl/vbaProject.bin", "xl/calcChain.xml", "customXml/"),
)
AS_XLSX = "open it in a spreadsheet program and save it as .xlsx again"


class WorkbookCells:
    """Cells of a workbook, a context manager.

    Args:
        path: The file.

    Raises:
        InputError: also from every method: it is no workbook, broken, or too large; one sentence with the file.
    """

    def __init__(self, path: Path):
        self.path = path
        self._books: list[Workbook] = []
        try:
            _check_sizes(path)
            self._sheets = self._load(data_only=True)
        except InputError:
            raise
        except Exception as error:  # noqa: BLE001 - openpyxl raises whatever broken parts make of it
            raise self._broken(error) from None
        self.names = list(self._sheets)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for book in self._books:
            book.close()

    def values(self, sheet: str, rows: int, columns: int) -> list[tuple]:
        """Values of the first rows and columns of a sheet, (rows, columns), None for an empty cell."""
        read = self._read(self._sheets, sheet, rows, columns, values_only=True)
        return read + [(None,) * columns] * (rows - len(read))

    def formulas(self, sheet: str, rows: int, columns: int) -> set[tuple[int, int]]:
        """Row and column, from 1, of each cell among the first that holds a formula."""
        read = self._read(self._sheets_with_formulas, sheet, rows, columns, values_only=False)
        return {
            (row, column)
            for row, cells in enumerate(read, 1)
            for column, cell in enumerate(cells, 1)
            if cell.data_type == "f"
        }

    @cached_property
    def _sheets_with_formulas(self) -> dict[str, Any]:
        return self._load(data_only=False)

    def _load(self, data_only: bool) -> dict[str, Any]:
        reader = _CellReader(self.path, read_only=True, data_only=data_only, keep_links=False)
        reader.read()
        book = reader.wb
        self._books.append(book)
        return {sheet.title: sheet for sheet in book.worksheets}

    def _read(self, sheets: dict[str, Any], sheet: str, rows: int, columns: int, values_only: bool) -> list[tuple]:
        try:
            return list(sheets[sheet].iter_rows(max_row=rows, max_col=columns, values_only=values_only))
        except Exception as error:  # noqa: BLE001 - as above
            raise self._broken(error) from None

    def _broken(self, error: Exception) -> InputError:
        reason = " ".join(str(error).split())[:200]
        return InputError(f"{self.path}: cannot be read as a workbook ({type(error).__name__}: {reason}); {AS_XLSX}")


class _ReadParts(zipfile.ZipFile):
    """Archive that refuses the parts whose sizes are not counted: a list in the file decides where each part lies."""

    def open(self, name: Any, *args: Any, **options: Any) -> Any:
        """Open a part for reading."""
        if _is_unread(part := name if isinstance(name, str) else name.filename):
            raise zipfile.BadZipFile(f"cells or texts in {part}, where pictures and the like are kept")
        return super().open(name, *args, **options)


class _CellReader(ExcelReader):
    """openpyxl's reader without sheets of charts, which hold no cells and can fail."""

    def __init__(self, path: Path, **options: bool):
        super().__init__(path, **options)
        self.archive.close()
        self.archive = _ReadParts(path)

    def read_chartsheet(self, sheet: object, rel: object) -> None:
        pass


def _is_unread(part: str) -> bool:
    return part.lstrip("/").startswith(UNREAD_PARTS)


def _check_sizes(path: Path) -> None:
    """Raise an InputError if the parts that are read have more bytes than those of any filled sheet.

    `zipfile` unpacks no more of a part than its entry says, so that a false entry gains nothing.
    """
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
    if len(parts) > MAX_PARTS:
        raise InputError(f"{path}: a workbook of {len(parts)} parts, at most {MAX_PARTS} are read; {AS_XLSX}")
    read = [part for part in parts if not _is_unread(part.filename)]
    sheets = [part for part in read if part.filename.lstrip("/").startswith(SHEETS)]
    others = [part for part in read if part not in sheets]
    for kind, most in ((sheets, MAX_SHEET_BYTES), (others, MAX_OTHER_BYTES)):
        if (total := sum(part.file_size for part in kind)) > most:
            largest = max(kind, key=lambda part: part.file_size)
            raise InputError(
                f"{path}: its part {largest.filename} has {largest.file_size / 1e6:.0f} MB unpacked (all of its kind "
                f"{total / 1e6:.0f}, at most {most / 1e6:.0f}); delete the rows below the table and long texts, and "
                "save it again"
            )
