"""Rating workbook: a rater's sheets as an Excel file, and reading back the ratings filled in.

A workbook shows prompts and images, but no id and no method; the key of `assign_images` says which image is where.
"""

import io
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell
from openpyxl.drawing.image import Image as SheetImage
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import column_index_from_string, coordinate_to_tuple, get_column_letter
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from detailscribe.errors import InputError
from detailscribe.human.assignment import FIRST_RATING_COLUMN, cell_text, key_digest, same_text
from detailscribe.human.ratings import FORMULA_ONLY, ParsedRatings, invalid_rating, is_empty_cell, parse_rating
from detailscribe.human.thumbnail import THUMBNAIL_PX
from detailscribe.human.workbook_reader import WorkbookCells

MARGIN_PX = 8
POINTS_PER_PX = 0.75
LETTERS_PER_PX = 1 / 7  # width of a column in a workbook's unit
FORMULA_STARTS = ("=", "+", "-", "@")
CODE_CELL = "B8"
COVER = "instructions"
RATING_FILL = PatternFill("solid", fgColor="FFF7DB")
LINE = Side(style="thin", color="999999")
RATING_BORDER = Border(left=LINE, right=LINE, top=LINE, bottom=LINE)


def build_workbook(key: list[dict], thumbnail: Callable[[str], bytes], instructions: list[str]) -> Workbook:
    """The workbook of one rater.

    Args:
        key: Rows of `assign_images`.
        thumbnail: The JPEG bytes of the thumbnail of a `file`.
        instructions: Lines of text, at most six.
    """
    book = Workbook()
    cover = book.worksheets[0]
    cover.title = COVER
    cover.column_dimensions["A"].width, cover.column_dimensions["B"].width = 90, 20
    _fit_page_width(cover)
    for line in instructions:
        cover.append([line])
    cover[CODE_CELL] = key_digest(key)
    cover[CODE_CELL].offset(column=-1).value = "Code of this workbook; do not change it:"
    number = 0
    for name, rows in groupby(key, key=lambda row: row["sheet"]):
        sheet, validation = _new_sheet(book, name)
        for line, images in groupby(rows, key=lambda row: row["row"]):
            number += 1
            sheet.cell(line, 1, number).alignment = Alignment(vertical="top")
            sheet.row_dimensions[line].height = (THUMBNAIL_PX + MARGIN_PX) * POINTS_PER_PX
            for position, row in enumerate(images, 1):
                _write_text(sheet[f"B{line}"], row["topic"])
                _write_text(sheet[f"C{line}"], row["prompt"])
                rating = sheet[f"{row['column']}{line}"]
                image = rating.offset(column=-1)
                sheet.add_image(SheetImage(io.BytesIO(thumbnail(row["file"]))), image.coordinate)
                _write_heading(sheet, image.column, f"image {position}", (THUMBNAIL_PX + MARGIN_PX) * LETTERS_PER_PX)
                _write_heading(sheet, rating.column, f"rating {position}", 10)
                rating.protection = Protection(locked=False)
                rating.alignment = Alignment(horizontal="center", vertical="center")
                rating.fill, rating.border = RATING_FILL, RATING_BORDER
                validation.add(rating)
    return book


def read_workbook(path: Path, rater: str, key_of: Callable[[str], list[dict]]) -> ParsedRatings:
    """Ratings of a filled workbook. Defects and missing ratings name file, sheet and cell.

    Args:
        path: The workbook.
        rater: Whose it should be.
        key_of: The key of a code; empty for an unknown code.
    """
    try:
        with WorkbookCells(path) as book:
            return _ratings_of(book, rater, key_of)
    except InputError as error:
        return ParsedRatings([], [], [str(error)])


def _ratings_of(book: WorkbookCells, rater: str, key_of: Callable[[str], list[dict]]) -> ParsedRatings:
    row, column = coordinate_to_tuple(CODE_CELL)
    code = book.values(COVER, row, column)[row - 1][column - 1] if COVER in book.names else None
    key = key_of(str(code))
    location = f"{book.path}, sheet {COVER!r}, cell {CODE_CELL}"
    if not key:
        message = f"no sheets with the code {code!r} were written here; restore the code, or its key file"
        return ParsedRatings([], [], [f"{location}: {message}"])
    if key[0]["rater"] != rater:
        message = f"these are the sheets of {key[0]['rater']}, not of {rater}; rename the file"
        return ParsedRatings([], [], [f"{location}: {message}"])
    parsed = ParsedRatings([], [], [])
    changed: list[str] = []
    for sheet, rows in groupby(key, key=lambda row: row["sheet"]):
        if sheet in book.names:
            _read_sheet(book, sheet, list(rows), parsed, changed)
        else:
            changed.append(f"{book.path}, sheet {sheet!r}: the sheet is missing")
    return parsed._replace(defects=sorted(set(changed)) + parsed.defects)


def _read_sheet(book: WorkbookCells, sheet: str, key: list[dict], parsed: ParsedRatings, changed: list[str]) -> None:
    """Add the ratings of a sheet, its missing ratings and defects, and what was changed in it."""
    size = max(row["row"] for row in key), max(column_index_from_string(row["column"]) for row in key)
    cells = book.values(sheet, *size)
    formulas: set[tuple[int, int]] | None = None

    def value_at(line: int, column: int) -> Any:
        return cells[line - 1][column - 1]

    for row in key:
        location, line = f"{book.path}, sheet {sheet!r}, cell", row["row"]
        for column, name in ((2, "topic"), (3, "prompt")):
            if not same_text(value_at(line, column), row[name]):
                cell = f"{get_column_letter(column)}{line}"
                changed.append(f"{location} {cell}: the row was changed; its {name} was {row[name]!r}")
        column = column_index_from_string(row["column"])
        heading = f"rating {(column - FIRST_RATING_COLUMN) // 2 + 1}"
        if cell_text(value_at(1, column)) != heading:
            changed.append(f"{location} {row['column']}1: the column was moved; it must be {heading!r}")
        cell, value = f"{row['column']}{line}", value_at(line, column)
        if is_empty_cell(value):
            formulas = book.formulas(sheet, *size) if formulas is None else formulas
            if (line, column) in formulas:
                parsed.defects.append(f"{location} {cell}: {FORMULA_ONLY}")
            else:
                parsed.missing.append(f"{location} {cell}")
        elif (rating := parse_rating(value)) is None:
            parsed.defects.append(f"{location} {cell}: {invalid_rating(value)}")
        else:
            kept = {name: row[name] for name in ("rater", "id", "image_set", "file")}
            parsed.ratings.append({**kept, "rating": rating})


def _new_sheet(book: Workbook, name: str) -> tuple[Worksheet, DataValidation]:
    sheet = book.create_sheet(name)
    sheet.freeze_panes = "D2"
    _fit_page_width(sheet)
    sheet.protection.sheet = True  # against accidents: every cell but the ratings is locked, without a password
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    for column, (title, width) in enumerate((("row", 6), ("topic", 20), ("prompt", 40)), 1):
        _write_heading(sheet, column, title, width)
    validation = DataValidation(type="whole", operator="between", formula1="1", formula2="5", allow_blank=True)
    validation.showErrorMessage, validation.error = True, "Enter a whole number from 1 to 5"
    sheet.add_data_validation(validation)
    return sheet, validation


def _fit_page_width(sheet: Worksheet) -> None:
    """Print on landscape pages as wide as the sheet."""
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _write_heading(sheet: Worksheet, column: int, title: str, width: float) -> None:
    sheet.cell(1, column, title).font = Font(bold=True)
    sheet.column_dimensions[get_column_letter(column)].width = width


def _write_text(cell: Cell, text: str) -> None:
    cell.value = text
    cell.data_type = "s"  # never a formula
    cell.quotePrefix = text.startswith(FORMULA_STARTS)  # nor when the cell is edited
    cell.alignment = Alignment(wrap_text=True, vertical="top")
