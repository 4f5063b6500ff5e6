"""Ratings parsed from filled sheets, with the missing ones and the defects; the files of a folder of filled sheets."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from detailscribe.errors import InputError
from detailscribe.files.brought_files import brought_files

FORMULA_ONLY = "a formula without its value; open the file in a program that calculates and save it again"
RATING_TEXT = re.compile(r"([1-5])([.,]0{1,20})?")
SHEET_SUFFIXES = (".csv", ".xlsx", ".xlsm")  # of a filled sheet; of two the first counts until one of them is removed
SPREADSHEETS = (".xls", ".xlsb", ".xltx", ".ods", ".fods", ".ots", ".numbers", ".gsheet")  # which are not read
PAIRS_FOLDER = "pairs"  # in a folder of filled sheets: choices between pairs of images, which are read apart
OTHER_SHEETS = (*SPREADSHEETS, ".tsv", ".zip", *SHEET_SUFFIXES)  # what may hold ratings


class ParsedRatings(NamedTuple):
    """Content of one or several filled sheets.

    Attributes:
        ratings: Rows rater, id, image_set, rating, file.
        missing: Cells or lines without a rating.
        defects: Errors, each with its file and cell or line.
    """

    ratings: list[dict]
    missing: list[str]
    defects: list[str]


def merge_ratings(parts: Iterable[ParsedRatings]) -> ParsedRatings:
    """The content of several sheets, in the order given."""
    merged = ParsedRatings([], [], [])
    for part in parts:
        merged.ratings.extend(part.ratings)
        merged.missing.extend(part.missing)
        merged.defects.extend(part.defects)
    return merged


def require_no_defects(parsed: ParsedRatings, source: str) -> None:
    """Check that the sheets can be used.

    Raises:
        InputError: there are defects; the message lists all of them.
    """
    if parsed.defects:
        count = len(parsed.defects)
        raise InputError("\n".join([f"{count} defects in the {source}; fix them and run again", *parsed.defects]))


def invalid_rating(value: object) -> str:
    """Message for a cell that holds no rating."""
    return f"a rating is a whole number from 1 to 5, got {value.strip()[:100] if isinstance(value, str) else value!r}"


def is_empty_cell(value: object) -> bool:
    """Whether a cell holds nothing, or blanks."""
    return value is None or not str(value).strip()


def parse_rating(value: object) -> int | None:
    """The rating from 1 to 5 that a cell holds as a number or as a text ("3", "3.0", "3,0", full-width digits).

    None for anything else.
    """
    if isinstance(value, str):
        match = RATING_TEXT.fullmatch(unicodedata.normalize("NFKC", value[:100]).strip())
        return int(match[1]) if match else None
    if isinstance(value, bool) or not isinstance(value, int | float) or value not in range(1, 6):
        return None
    return int(value)


def rating_file(folder: Path, rater: str) -> Path:
    """The filled sheet of a rater: the table that the rating page exported if there is one, otherwise the workbook."""
    files = [path for path in brought_files(folder) if path.stem == rater and path.is_file()]
    for suffix in SHEET_SUFFIXES:
        for path in files:
            if path.suffix.lower() == suffix:
                return path
    return folder / f"{rater}.xlsx"


def choice_files(folder: Path) -> list[Path]:
    """Tables of choices between pairs of images in a folder; their names do not matter."""
    return [path for path in brought_files(folder) if path.suffix.lower() == ".csv" and path.is_file()]


def unread_files(folder: Path, read: Iterable[Path]) -> tuple[list[Path], list[Path]]:
    """Files of a folder of filled sheets that are not read: those that may hold ratings, and the others."""
    sheets, others = [], []
    for path in sorted(set(brought_files(folder)) - set(read)):
        inner = [path, *brought_files(path)] if path.is_dir() else [path]
        may_hold = [each for each in inner if each.suffix.lower() in OTHER_SHEETS]
        sheets += may_hold
        others += [] if may_hold else [path]
    return sheets, others
