"""Rating workbooks: blind when written; ratings and defects when read back."""

import io
import re
import zipfile

from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from PIL import Image

from detailscribe.human import workbook
from detailscribe.human.filled_sheets import read_filled_sheets
from tests.unit.human.sample_ratings import IMAGE_SETS, METHODS, TEXTS, rating_of


def edit(path, sheet, **values) -> None:
    """Set cells of a sheet."""
    book = load_workbook(path)
    for cell, value in values.items():
        book[sheet][cell] = value
    book.save(path)


def read(keys, path, rater="rater_1"):
    return workbook.read_workbook(path, rater, lambda code: keys.get(code, []))


def parts(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# ---- written -----------------------------------------------------------------------------------------------------


def test_no_method_id_or_path_is_anywhere_in_the_workbook(empty_workbook, prompts):
    folder = str(prompts[0]["images"]["hosted"]).rpartition("/")[0]
    names = [*IMAGE_SETS, *(method["name"] for method in METHODS), *(row["id"] for row in prompts), folder]
    forbidden = re.compile("|".join(rf"\b{re.escape(name)}" for name in names))
    contents = parts(empty_workbook)
    assert sum(name.startswith("xl/media/") for name in contents) == len(TEXTS) * len(IMAGE_SETS)
    for name, data in contents.items():
        if name.startswith("xl/media/"):
            assert b"secret" not in data and b"Exif" not in data
            assert Image.open(io.BytesIO(data)).size == (256, 256)
        else:
            assert not forbidden.search(data.decode("utf-8")), name


def test_sheets_hold_at_most_so_many_prompts_and_number_them_throughout(empty_workbook):
    book = load_workbook(empty_workbook)
    assert book.sheetnames == ["instructions", "1 to 2", "3 to 4", "5 to 5"]
    numbers = [[row[0].value for row in book[name].iter_rows(min_row=2)] for name in book.sheetnames[1:]]
    assert numbers == [[1, 2], [3, 4], [5]]
    assert [len(book[name]._images) for name in book.sheetnames[1:]] == [8, 8, 4]


def test_texts_never_become_formulas(empty_workbook):
    book = load_workbook(empty_workbook)
    positions = [("1 to 2", "B2"), ("1 to 2", "C2"), ("1 to 2", "C3"), ("3 to 4", "C2"), ("3 to 4", "C3")]
    cells = [book[sheet][cell] for sheet, cell in positions]
    assert [cell.value for cell in cells] == ["==1+1 foxes", *TEXTS[:3], "@home with two lines"]
    assert {(cell.data_type, cell.quotePrefix) for cell in cells} == {("s", True)}
    contents = parts(empty_workbook)
    assert not any(b"<f>" in data for name, data in contents.items() if name.startswith("xl/worksheets"))


def test_a_rating_cell_takes_whole_numbers_from_1_to_5_and_is_the_only_one_unlocked(keys, empty_workbook):
    book = load_workbook(empty_workbook)
    (key,) = keys.values()
    for name in book.sheetnames[1:]:
        sheet = book[name]
        (rule,) = sheet.data_validations.dataValidation
        assert (rule.type, rule.operator, rule.formula1, rule.formula2) == ("whole", "between", "1", "5")
        cells = {f"{row['column']}{row['row']}" for row in key if row["sheet"] == name}
        assert {
            cell
            for span in rule.sqref.ranges
            for row in span.rows
            for cell in (f"{get_column_letter(column)}{line}" for line, column in row)
        } == cells
        unlocked = {cell.coordinate for row in sheet.iter_rows() for cell in row if not cell.protection.locked}
        assert sheet.protection.sheet and unlocked == cells


# ---- read --------------------------------------------------------------------------------------------------------


def test_ratings_are_assigned_to_their_images(keys, filled_workbook):
    ratings, missing, defects = read(keys, filled_workbook)
    assert (missing, defects) == ([], [])
    assert len(ratings) == len(TEXTS) * len(IMAGE_SETS)
    assert all(row["rating"] == rating_of(row) and row["rater"] == "rater_1" for row in ratings)
    assert len({(row["id"], row["image_set"]) for row in ratings}) == len(ratings)


def test_an_empty_cell_is_missing_and_no_defect(keys, filled_workbook):
    edit(filled_workbook, "3 to 4", G3=None, E2="  ")
    ratings, missing, defects = read(keys, filled_workbook)
    place = f"{filled_workbook}, sheet '3 to 4', cell"
    assert sorted(missing) == [f"{place} E2", f"{place} G3"]
    assert defects == [] and len(ratings) == 18


def test_anything_but_1_to_5_is_a_defect_with_its_cell(keys, filled_workbook):
    values = {"E2": 0, "G2": 6, "I2": 3.5, "E3": "4.5", "G3": "good", "I3": True}
    edit(filled_workbook, "1 to 2", **values)
    ratings, missing, defects = read(keys, filled_workbook)
    place = f"{filled_workbook}, sheet '1 to 2', cell"
    assert defects == [
        f"{place} {cell}: a rating is a whole number from 1 to 5, got {value!r}" for cell, value in values.items()
    ]
    assert len(ratings) == 14 and missing == []


def test_a_changed_row_a_missing_sheet_and_a_changed_code_are_named(keys, filled_workbook):
    path = filled_workbook
    edit(path, "5 to 5", C2="A goat paints a door.")
    assert read(keys, path)[2] == [
        f"{path}, sheet '5 to 5', cell C2: the row was changed; its prompt was 'A goat paints a fence.'"
    ]
    book = load_workbook(path)
    book.remove(book["3 to 4"])
    book.save(path)
    assert f"{path}, sheet '3 to 4': the sheet is missing" in read(keys, path)[2]
    edit(path, "instructions", **{workbook.CODE_CELL: "0" * 16})
    (defect,) = read(keys, path)[2]
    assert defect.startswith(f"{path}, sheet 'instructions', cell B8: no sheets with the code '0000000000000000'")
    path.write_bytes(b"not a workbook")
    assert "cannot be read as a workbook" in read(keys, path)[2][0]


def test_another_raters_sheets_and_an_unknown_rater_are_named(keys, empty_workbook, tmp_path):
    assert "these are the sheets of rater_1, not of rater_2" in read(keys, empty_workbook, "rater_2")[2][0]
    for name in ("rater_1.xlsx", "bob.xlsx", "~$rater_1.xlsx"):
        (tmp_path / name).write_bytes(empty_workbook.read_bytes())
    parsed = read_filled_sheets({"rater_1": tmp_path / "rater_1.xlsx"}, lambda code: keys[code])
    assert parsed[""] == ([], [], [f"{tmp_path / 'bob.xlsx'}: no rater of this name; human: raters has rater_1"])
    assert [len(part) for part in parsed["rater_1"]] == [0, 20, 0]


def test_a_moved_column_is_named(keys, filled_workbook):
    book = load_workbook(filled_workbook)
    sheet = book["1 to 2"]
    for line in (1, 2, 3):
        sheet[f"E{line}"].value, sheet[f"G{line}"].value = sheet[f"G{line}"].value, sheet[f"E{line}"].value
    book.save(filled_workbook)
    defects = read(keys, filled_workbook)[2]
    assert [defect.split("cell ")[1] for defect in defects] == [
        "E1: the column was moved; it must be 'rating 1'",
        "G1: the column was moved; it must be 'rating 2'",
    ]
