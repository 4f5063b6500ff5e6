"""Rating workbook: a rater's sheets as an Excel file with a row per image, and reading back the ratings filled in.

A workbook shows prompts and images, but no id and no method; the key of `assign_images` says which image is where.
Workbooks of earlier versions, with a row per prompt and its images side by side, are still read.
"""

import io
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from typing import Any

from openpyxl import Workbook
from openpyxl.cell import Cell, MergedCell
from openpyxl.drawing.image import Image as SheetImage
from openpyxl.drawing.spreadsheet_drawing import AnchorMarker, OneCellAnchor
from openpyxl.drawing.xdr import XDRPositiveSize2D
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import column_index_from_string, coordinate_to_tuple, get_column_letter
from openpyxl.utils.units import pixels_to_EMU
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from openpyxl.worksheet.worksheet import Worksheet

from detailscribe.errors import InputError
from detailscribe.human.assignment import RATING_COLUMN, cell_text, key_digest, rated_places, same_text
from detailscribe.human.instructions import EXAMPLE_PROMPT, QUESTION, RULES, SCALE
from detailscribe.human.ratings import FORMULA_ONLY, ParsedRatings, is_empty_cell, no_ratings
from detailscribe.human.workbook_reader import WorkbookCells

SHOWN_PX = 384  # the longer side of an image on a sheet; it may be stored with more pixels
MARGIN_PX = 6
POINTS_PER_PX = 0.75
LETTERS_PER_PX = 1 / 7  # width of a column in a workbook's unit
FORMULA_STARTS = ("=", "+", "-", "@")
CODE_CELL = "B8"
CODE_LABEL = "Code of this workbook; do not change it:"
COVER = "instructions"
# Headings and widths of the columns: together 1300 px, which fits a screen without scrolling sideways.
IMAGE_WIDTH = (SHOWN_PX + 2 * MARGIN_PX) * LETTERS_PER_PX + 1
COLUMNS = (
    *(("number", 14), ("topic", 16), ("prompt", 36), ("image", IMAGE_WIDTH)),
    *(("rating", 9), ("cannot judge", 14), ("comment", 36)),
)
FIRST_ANSWER = column_index_from_string(RATING_COLUMN)  # rating, cannot judge, comment
ANSWERS = [title for title, _ in COLUMNS[FIRST_ANSWER - 1 :]]
FILL = PatternFill("solid", fgColor="FFF7DB")
LINE = Side(style="thin", color="999999")
BORDER = Border(left=LINE, right=LINE, top=LINE, bottom=LINE)
NEW_PROMPT = Side(style="medium", color="333333")
FIRST_OLD_RATING = 5  # in workbooks of earlier versions: row, topic and prompt, then image, rating, image, rating ...


def build_workbook(key: list[dict], image: Callable[[str], bytes]) -> Workbook:
    """The workbook of one rater.

    Args:
        key: Rows of `assign_images`.
        image: The JPEG bytes to show of a `file`.
    """
    book = Workbook()
    _write_cover(book.worksheets[0], key_digest(key))
    number = 0
    for name, places in groupby(rated_places(key), key=lambda rows: rows[0]["sheet"]):
        sheet = book.create_sheet(name)
        last = 1
        for _, group in groupby(places, key=lambda rows: rows[0]["id"]):
            number += 1
            images = [rows[0] for rows in group]
            for row in images:
                _write_image(sheet, row, f"prompt {number}\nimage {row['image']} of {len(images)}", image(row["file"]))
            last = images[-1]["row"]
        _finish_sheet(sheet, last)
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
        return no_ratings([str(error)])


def _ratings_of(book: WorkbookCells, rater: str, key_of: Callable[[str], list[dict]]) -> ParsedRatings:
    row, column = coordinate_to_tuple(CODE_CELL)
    code = book.values(COVER, row, column)[row - 1][column - 1] if COVER in book.names else None
    key = key_of(str(code))
    location = f"{book.path}, sheet {COVER!r}, cell {CODE_CELL}"
    if not key:
        message = f"no sheets with the code {code!r} were written here; restore the code, or its key file"
        return no_ratings([f"{location}: {message}"])
    if key[0]["rater"] != rater:
        return no_ratings([f"{location}: these are the sheets of {key[0]['rater']}, not of {rater}; rename the file"])
    parsed = no_ratings()
    changed: list[str] = []
    for sheet, places in groupby(rated_places(key), key=lambda rows: rows[0]["sheet"]):
        if sheet in book.names:
            _read_sheet(book, sheet, list(places), parsed, changed)
        else:
            changed.append(f"{book.path}, sheet {sheet!r}: the sheet is missing")
    return parsed._replace(defects=sorted(set(changed)) + parsed.defects)


def _read_sheet(
    book: WorkbookCells, sheet: str, places: list[list[dict]], parsed: ParsedRatings, changed: list[str]
) -> None:
    """Add the answers of a sheet, its defects, and what was changed in it."""
    rows = [each[0] for each in places]
    first_columns = [column_index_from_string(row["column"]) for row in rows]
    headings = [_answer_headings(row) for row in rows]
    size = max(row["row"] for row in rows), max(first_columns) + max(map(len, headings)) - 1
    cells = book.values(sheet, *size)
    formulas: set[tuple[int, int]] | None = None
    where = f"{book.path}, sheet {sheet!r}, cell"
    for place, row, first, titles in zip(places, rows, first_columns, headings, strict=True):
        line = row["row"]
        for column, name in ((2, "topic"), (3, "prompt")):
            if not same_text(cells[line - 1][column - 1], row[name]):
                cell = f"{get_column_letter(column)}{line}"
                changed.append(f"{where} {cell}: the row was changed; its {name} was {row[name]!r}")
        for column, title in enumerate(titles, first):
            if cell_text(cells[0][column - 1]) != title:
                cell = f"{get_column_letter(column)}1"
                changed.append(f"{where} {cell}: the column was moved; it must be {title!r}")
        answer: list[Any] = [cells[line - 1][column - 1] for column in range(first, first + len(titles))]
        if any(map(is_empty_cell, answer)):
            formulas = book.formulas(sheet, *size) if formulas is None else formulas
            unread = [
                column
                for column, value in enumerate(answer, first)
                if is_empty_cell(value) and (line, column) in formulas
            ]
            if unread:
                parsed.defects.append(f"{where} {get_column_letter(unread[0])}{line}: {FORMULA_ONLY}")
                continue
        rating, cannot, comment = (*answer, None, None)[: len(ANSWERS)]
        parsed.add_answer(place, f"{where} {row['column']}{line}", (rating, cannot, comment))


def _answer_headings(row: dict) -> list[str]:
    """Headings of the columns that a rater fills in, from the rating of a key's row on."""
    if "image" in row:
        return ANSWERS
    return [f"rating {(column_index_from_string(row['column']) - FIRST_OLD_RATING) // 2 + 1}"]


def _write_cover(cover: Worksheet, code: str) -> None:
    """Instructions, the scale with its examples, and the code."""
    cover.title = COVER
    cover.column_dimensions["A"].width, cover.column_dimensions["B"].width = 110, 20
    _fit_page_width(cover)
    lines = [
        *(QUESTION, ""),
        "Fill in the yellow cells of the next sheets: a rating from 1 to 5, or yes under 'cannot judge'; a comment if "
        "you like. Zoom in to see details.",
        "Images that look the same are shown once. Save the file as .xlsx under its name and send it back.",
    ]
    row, column = coordinate_to_tuple(CODE_CELL)
    lines += [""] * (row - 1 - len(lines)) + [
        CODE_LABEL,
        "",
        f"What the ratings mean, for the prompt: {EXAMPLE_PROMPT}",
    ]
    lines += [f"{each.rating} = {each.meaning}. Example: {each.example}" for each in reversed(SCALE)]
    for number, line in enumerate([*lines, "", *RULES], 1):
        cell = cover.cell(number, 1, line or None)
        cell.alignment = Alignment(wrap_text=True, vertical="top")
        # A line of some 95 letters fits the column; programs do not adjust the height of rows that are not edited.
        cover.row_dimensions[number].height = 16 * (1 + len(line) // 95)
    cover["A1"].font = Font(bold=True)
    cover.cell(row, column, code)


def _write_image(sheet: Worksheet, row: dict, number: str, jpeg: bytes) -> None:
    """The row of an image: its number, topic and prompt, the image, and the cells to fill in."""
    line = row["row"]
    sheet.row_dimensions[line].height = (SHOWN_PX + 2 * MARGIN_PX) * POINTS_PER_PX
    for column, text in enumerate((number, row["topic"], row["prompt"]), 1):
        _write_text(sheet.cell(line, column), text)
    picture = SheetImage(io.BytesIO(jpeg))
    scale = SHOWN_PX / max(picture.width, picture.height)
    size = XDRPositiveSize2D(*(pixels_to_EMU(round(side * scale)) for side in (picture.width, picture.height)))
    margin = pixels_to_EMU(MARGIN_PX)
    place = AnchorMarker(col=FIRST_ANSWER - 2, colOff=margin, row=line - 1, rowOff=margin)
    picture.anchor = OneCellAnchor(_from=place, ext=size)
    sheet.add_image(picture)
    for column, title in enumerate(ANSWERS, FIRST_ANSWER):
        cell = sheet.cell(line, column)
        cell.protection = Protection(locked=False)
        is_comment = title == ANSWERS[-1]
        cell.alignment = Alignment(horizontal=None if is_comment else "center", vertical="center", wrap_text=is_comment)
        cell.fill, cell.border = FILL, BORDER
        if not is_comment:
            cell.font = Font(bold=True, size=18)
        else:
            cell.number_format = "@"  # what is typed is text, never a formula
    if row["image"] == 1:
        for column in range(1, len(COLUMNS) + 1):
            cell = sheet.cell(line, column)
            cell.border = Border(
                left=cell.border.left, right=cell.border.right, top=NEW_PROMPT, bottom=cell.border.bottom
            )


def _finish_sheet(sheet: Worksheet, last: int) -> None:
    """Headings, drop-downs and protection of a sheet with images up to row `last`."""
    sheet.freeze_panes = "A2"
    _fit_page_width(sheet)
    sheet.print_title_rows = "1:1"
    sheet.protection.sheet = True  # against accidents: every cell but the answers is locked, without a password
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    for column, (title, width) in enumerate(COLUMNS, 1):
        sheet.cell(1, column, title).font = Font(bold=True)
        sheet.column_dimensions[get_column_letter(column)].width = width
    for column, choices, message in (
        (FIRST_ANSWER, "1,2,3,4,5", "Enter a whole number from 1 to 5"),
        (FIRST_ANSWER + 1, "yes", "Enter yes, or leave the cell empty"),
    ):
        validation = DataValidation(type="list", formula1=f'"{choices}"', allow_blank=True)
        validation.showErrorMessage, validation.error = True, message
        letter = get_column_letter(column)
        validation.add(f"{letter}2:{letter}{last}")
        sheet.add_data_validation(validation)


def _fit_page_width(sheet: Worksheet) -> None:
    """Print on landscape pages as wide as the sheet."""
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _write_text(cell: Cell | MergedCell, text: str) -> None:
    cell.value = text
    cell.data_type = "s"  # never a formula
    cell.quotePrefix = text.startswith(FORMULA_STARTS)  # nor when the cell is edited
    cell.alignment = Alignment(wrap_text=True, vertical="top")
