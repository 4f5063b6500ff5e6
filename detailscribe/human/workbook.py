"""Rating workbooks: written blind, read back with every defect named by file, sheet and cell.

A workbook shows a rater prompts and images, and no id and no method; what un-blinds it is the key of `human.lay_out`.
"""

import io
from collections.abc import Callable
from itertools import groupby
from pathlib import Path
from zipfile import BadZipFile

from openpyxl import Workbook, load_workbook
from openpyxl.drawing.image import Image as SheetImage
from openpyxl.styles import Alignment, Border, Font, PatternFill, Protection, Side
from openpyxl.utils import column_index_from_string, get_column_letter
from openpyxl.utils.exceptions import InvalidFileException
from openpyxl.worksheet.datavalidation import DataValidation
from openpyxl.worksheet.properties import PageSetupProperties
from PIL import Image, ImageOps

from detailscribe.human.assignment import FIRST_RATING_COLUMN, cell_text, key_digest
from detailscribe.human.page import read_export

THUMBNAIL_PX = 256
MARGIN_PX = 8
POINTS_PER_PX = 0.75
LETTERS_PER_PX = 1 / 7  # width of a column in a workbook's unit
FORMULA_STARTS = ("=", "+", "-", "@")
CODE_CELL = "B8"
COVER = "instructions"
TO_FILL = PatternFill("solid", fgColor="FFF7DB")
FRAME = Border(*[Side(style="thin", color="999999")] * 4)
INSTRUCTIONS = [
    "Give each image a whole number from 1 to 5: how well does it show what its prompt asks for?",
    "5 = nothing to correct",
    "4 = nearly perfect, some details need work",
    "3 = a critical part is missing",
    "2 = a subject is wrong or inaccurate",
    "1 = the interaction is poor, or the subjects do not act as they should",
]


def workbook(key: list[dict], thumbnail: Callable[[str], bytes]) -> Workbook:
    """The workbook of one rater.

    Args:
        key: Rows of `lay_out`.
        thumbnail: The bytes of the small image of a `file`.
    """
    book = Workbook()
    cover = book.active
    cover.title = COVER
    cover.column_dimensions["A"].width, cover.column_dimensions["B"].width = 90, 20
    _print_on_one_width(cover)
    for line in INSTRUCTIONS:
        cover.append([line])
    cover[CODE_CELL] = key_digest(key)
    cover[CODE_CELL].offset(column=-1).value = "Code of this workbook; leave it as it is:"
    number = 0
    for name, rows in groupby(key, key=lambda row: row["sheet"]):
        sheet, marks = _new_sheet(book, name)
        for line, images in groupby(rows, key=lambda row: row["row"]):
            number += 1
            sheet.cell(line, 1, number).alignment = Alignment(vertical="top")
            sheet.row_dimensions[line].height = (THUMBNAIL_PX + MARGIN_PX) * POINTS_PER_PX
            for place, row in enumerate(images, 1):
                _write_text(sheet.cell(line, 2), row["topic"])
                _write_text(sheet.cell(line, 3), row["prompt"])
                rating = sheet[f"{row['column']}{line}"]
                picture = rating.offset(column=-1)
                sheet.add_image(SheetImage(io.BytesIO(thumbnail(row["file"]))), picture.coordinate)
                _head(sheet, picture.column, f"image {place}", (THUMBNAIL_PX + MARGIN_PX) * LETTERS_PER_PX)
                _head(sheet, rating.column, f"rating {place}", 10)
                rating.protection = Protection(locked=False)
                rating.alignment = Alignment(horizontal="center", vertical="center")
                rating.fill, rating.border = TO_FILL, FRAME
                marks.add(rating)
    return book


def thumbnail(path: Path) -> bytes:
    """A JPEG of at most 256 x 256 pixels, without what the file says of its making."""
    with Image.open(path) as image:
        small = ImageOps.contain(image.convert("RGB"), (THUMBNAIL_PX, THUMBNAIL_PX))
    bare = Image.new("RGB", small.size)
    bare.paste(small)
    buffer = io.BytesIO()
    bare.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()


def read_folder(
    workbooks: dict[str, Path], key_of: Callable[[str], list[dict]]
) -> dict[str, tuple[list[dict], list[str], list[str]]]:
    """What `read_workbook` returns, by rater, over their workbooks or exported tables.

    A file beside these that is no rater's, or a rater's second one, is a defect too, under the name "": its marks would
    be left out unseen.
    """
    kinds = {".xlsx": read_workbook, ".csv": read_export}
    found = {rater: kinds[path.suffix](path, rater, key_of) for rater, path in workbooks.items()}
    folders = {path.parent for path in workbooks.values()}
    beside = {path for folder in folders for path in folder.iterdir() if path.suffix in kinds}
    found[""] = (
        [],
        [],
        [
            f"{path}: {path.stem} has two files here; keep one of them"
            if path.stem in workbooks
            else f"{path}: no rater of this name; human: raters has {', '.join(workbooks)}"
            for path in sorted(beside - set(workbooks.values()))
            if not path.name.startswith("~$")  # the lock of an open workbook
        ],
    )
    return found


def read_workbook(
    path: Path, rater: str, key_of: Callable[[str], list[dict]]
) -> tuple[list[dict], list[str], list[str]]:
    """The marks in a filled workbook.

    Args:
        path: The workbook.
        rater: Whose it should be.
        key_of: The key of a code; empty for an unknown one.

    Returns:
        Ratings {rater, id, image_set, rating, file}, the cells without a rating, and the defects; each of these names
        file, sheet and cell.
    """
    try:
        book = load_workbook(path, data_only=True)
    except (BadZipFile, InvalidFileException, KeyError, OSError, ValueError) as error:
        return [], [], [f"{path}: not a workbook that can be read ({error})"]
    code = book[COVER][CODE_CELL].value if COVER in book.sheetnames else None
    key = key_of(str(code))
    place = f"{path}, sheet {COVER!r}, cell {CODE_CELL}"
    if not key:
        return [], [], [f"{place}: no sheets of the code {code!r} were made here; put the code back, or their key"]
    if key[0]["rater"] != rater:
        return [], [], [f"{place}: these are the sheets of {key[0]['rater']}, not of {rater}; rename the file"]
    ratings, missing, defects = [], [], []
    changed = set()
    for row in key:
        place = f"{path}, sheet {row['sheet']!r}, cell"
        if row["sheet"] not in book.sheetnames:
            changed.add(f"{path}, sheet {row['sheet']!r}: the sheet is gone")
            continue
        sheet = book[row["sheet"]]
        for column, name in (("B", "topic"), ("C", "prompt")):
            cell = f"{column}{row['row']}"
            if cell_text(sheet[cell].value) != row[name]:
                changed.add(f"{place} {cell}: the row was changed; its {name} was {row[name]!r}")
        cell = f"{row['column']}{row['row']}"
        heading = f"rating {(column_index_from_string(row['column']) - FIRST_RATING_COLUMN) // 2 + 1}"
        if sheet[f"{row['column']}1"].value != heading:
            changed.add(f"{place} {row['column']}1: the column was moved; it must be {heading!r}")
        rating = sheet[cell].value
        if rating is None or str(rating).strip() == "":
            missing.append(f"{place} {cell}")
        elif isinstance(rating, bool) or not isinstance(rating, int | float) or rating not in range(1, 6):
            defects.append(f"{place} {cell}: a rating is a whole number from 1 to 5, got {rating!r}")
        else:
            kept = {name: row[name] for name in ("rater", "id", "image_set", "file")}
            ratings.append({**kept, "rating": int(rating)})
    return ratings, missing, sorted(changed) + defects


def _new_sheet(book: Workbook, name: str):
    sheet = book.create_sheet(name)
    sheet.freeze_panes = "D2"
    _print_on_one_width(sheet)
    sheet.protection.sheet = True  # against slips: all but the ratings is locked, without a password
    sheet.protection.formatColumns = sheet.protection.formatRows = False
    for column, (title, width) in enumerate((("row", 6), ("topic", 20), ("prompt", 40)), 1):
        _head(sheet, column, title, width)
    marks = DataValidation(type="whole", operator="between", formula1="1", formula2="5", allow_blank=True)
    marks.showErrorMessage, marks.error = True, "A whole number from 1 to 5"
    sheet.add_data_validation(marks)
    return sheet, marks


def _print_on_one_width(sheet) -> None:
    sheet.page_setup.orientation, sheet.page_setup.fitToHeight = "landscape", 0
    sheet.sheet_properties.pageSetUpPr = PageSetupProperties(fitToPage=True)


def _head(sheet, column: int, title: str, width: float) -> None:
    sheet.cell(1, column, title).font = Font(bold=True)
    sheet.column_dimensions[get_column_letter(column)].width = width


def _write_text(cell, text: str) -> None:
    cell.value = text
    cell.data_type = "s"  # never a formula
    cell.quotePrefix = text.startswith(FORMULA_STARTS)  # nor when the cell is edited
    cell.alignment = Alignment(wrap_text=True, vertical="top")
