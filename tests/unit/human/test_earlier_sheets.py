"""Sheets of earlier versions: a workbook with images side by side, and a table without the columns of today.

The files in `earlier/` were written by the version before rows per image, and filled in but for one rating.
"""

import shutil
from pathlib import Path

import pytest
from openpyxl import load_workbook

from detailscribe.files.rows import read_rows
from detailscribe.human.assignment import key_digest
from detailscribe.human.filled_sheets import read_filled_sheets
from tests.unit.human.sample_ratings import rating_of

EARLIER = Path(__file__).parent / "earlier"
KEY = read_rows(EARLIER / "key.jsonl")
OPEN = KEY[5]


def parsed_of(path: Path):
    return read_filled_sheets({"rater_1": path}, {key_digest(KEY): KEY}.__getitem__)["rater_1"]


@pytest.mark.parametrize("name", ["rater_1.xlsx", "rater_1.csv"])
def test_an_earlier_sheet_is_read_as_before(name, tmp_path):
    parsed = parsed_of(Path(shutil.copy(EARLIER / name, tmp_path)))
    kept = [{name: row[name] for name in ("rater", "id", "image_set", "file")} for row in KEY]
    ratings = [
        {**names, "rating": rating_of(row), "shown_as": row["image_set"]}
        for row, names in zip(KEY, kept, strict=True)
        if row is not OPEN
    ]
    assert parsed.ratings == ratings and len(ratings) == 11 and parsed.defects == []
    (missing,) = parsed.missing
    assert ("cell G3" if name.endswith("xlsx") else "line 7") in missing
    assert [(row["id"], row["image_set"], row["cannot_judge"]) for row in parsed.notes] == [
        (OPEN["id"], OPEN["image_set"], False)
    ]


def test_a_moved_column_and_a_wrong_rating_of_an_earlier_workbook_are_named(tmp_path):
    path = Path(shutil.copy(EARLIER / "rater_1.xlsx", tmp_path))
    book = load_workbook(path)
    sheet = book["1 to 2"]
    sheet["E1"].value, sheet["G1"].value = sheet["G1"].value, sheet["E1"].value
    sheet["I2"].value = 7
    book.save(path)
    assert [defect.split("cell ")[1] for defect in parsed_of(path).defects] == [
        "E1: the column was moved; it must be 'rating 1'",
        "G1: the column was moved; it must be 'rating 2'",
        "I2: a rating is a whole number from 1 to 5, got 7",
    ]
