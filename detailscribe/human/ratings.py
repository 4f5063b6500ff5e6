"""Ratings parsed from filled sheets, with the missing ones and the defects; the files of a folder of filled sheets."""

import re
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from detailscribe.errors import InputError
from detailscribe.files.brought_files import brought_files
from detailscribe.human.assignment import cell_text

FORMULA_ONLY = "a formula without its value; open the file in a program that calculates and save it again"
CANNOT_TEXTS = {"yes": True, "x": True, "true": True, "": False, "no": False, "false": False}  # of "cannot judge"
RATING_TEXT = re.compile(r"([1-5])([.,]0{1,20})?")
SHEET_SUFFIXES = (".csv", ".xlsx", ".xlsm")  # of a filled sheet; of two the first counts until one of them is removed
SPREADSHEETS = (".xls", ".xlsb", ".xltx", ".ods", ".fods", ".ots", ".numbers", ".gsheet")  # which are not read
PAIRS_FOLDER = "pairs"  # in a folder of filled sheets: choices between pairs of images, which are read apart
OTHER_SHEETS = (*SPREADSHEETS, ".tsv", ".zip", *SHEET_SUFFIXES)  # what may hold ratings


class ParsedRatings(NamedTuple):
    """Content of one or several filled sheets.

    Attributes:
        ratings: Rows rater, id, image_set, rating, file, shown_as. Image sets that show the same image have a row each;
            `shown_as` is the first of them.
        missing: Cells or lines that the rater left empty.
        defects: Errors, each with its file and cell or line.
        notes: Rows as of `ratings`, and cannot_judge (bool), comment: of images without a rating (rating None), for
            whatever reason, and of those with a comment.
    """

    ratings: list[dict]
    missing: list[str]
    defects: list[str]
    notes: list[dict]

    def add_answer(self, place: list[dict], location: str, answer: tuple[object, object, object]) -> None:
        """Add what a rater says of one image.

        Args:
            place: Rows of its key: of the image sets that show it.
            location: Of its cell or line, for messages.
            answer: Contents of the cells rating, cannot judge and comment; None for an empty one.
        """
        value, cannot, remark = answer
        rating, cannot_judge = parse_rating(value), parse_cannot(cannot)
        if not is_empty_cell(value) and rating is None:
            self.defects.append(f"{location}: {invalid_rating(value)}")
        elif cannot_judge is None:
            self.defects.append(f"{location}: 'cannot judge' is yes or empty, got {_quoted(cannot)}")
        elif rating is not None and cannot_judge:
            self.defects.append(f"{location}: a rating of {rating}, and 'cannot judge'; empty one of the two cells")
        else:
            if rating is None and not cannot_judge:
                self.missing.append(location)
            comment = comment_text(remark)
            for row in place:
                kept = {name: row[name] for name in ("rater", "id", "image_set", "file")}
                kept |= {"rating": rating, "shown_as": place[0]["image_set"]}
                if rating is not None:
                    self.ratings.append(kept)
                if rating is None or comment:
                    self.notes.append({**kept, "cannot_judge": cannot_judge, "comment": comment})


def no_ratings(defects: Iterable[str] = ()) -> ParsedRatings:
    """Content of sheets that cannot be read, or of none."""
    return ParsedRatings([], [], list(defects), [])


def merge_ratings(parts: Iterable[ParsedRatings]) -> ParsedRatings:
    """The content of several sheets, in the order given."""
    merged = no_ratings()
    for part in parts:
        merged.ratings.extend(part.ratings)
        merged.missing.extend(part.missing)
        merged.defects.extend(part.defects)
        merged.notes.extend(part.notes)
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
    return f"a rating is a whole number from 1 to 5, got {_quoted(value)}"


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


def comment_text(value: object) -> str:
    """A comment as a table holds it: one line; one that a spreadsheet would read as a formula gets a leading `'`."""
    text = "" if value is None else cell_text(str(value))
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text


def parse_cannot(value: object) -> bool | None:
    """Whether a cell says that the rater cannot judge; None for what says neither."""
    text = "" if value is None else unicodedata.normalize("NFKC", str(value)[:100]).strip().casefold()
    return CANNOT_TEXTS.get(text)


def _quoted(value: object) -> str:
    return repr(value.strip()[:100] if isinstance(value, str) else value)


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
