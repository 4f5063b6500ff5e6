"""Rating workbooks: blind when written; ratings and defects when read back."""

import io
import re
import zipfile

from openpyxl import load_workbook
from openpyxl.utils.units import EMU_to_pixels
from PIL import Image

from detailscribe.human import workbook
from detailscribe.human.filled_sheets import read_filled_sheets
from detailscribe.human.instructions import SCALE
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
            assert Image.open(io.BytesIO(data)).size == (64, 64)
        else:
            assert not forbidden.search(data.decode("utf-8")), name


def test_sheets_hold_at_most_so_many_prompts_and_number_them_throughout(empty_workbook):
    book = load_workbook(empty_workbook)
    assert book.sheetnames == ["instructions", "1 to 2", "3 to 4", "5 to 5"]
    numbers = [[row[0].value for row in book[name].iter_rows(min_row=2)] for name in book.sheetnames[1:]]
    expected = [[f"prompt {number}\nimage {image} of 4" for image in range(1, 5)] for number in range(1, 6)]
    assert numbers == [expected[0] + expected[1], expected[2] + expected[3], expected[4]]
    assert [len(book[name]._images) for name in book.sheetnames[1:]] == [8, 8, 4]


def test_texts_never_become_formulas(empty_workbook):
    book = load_workbook(empty_workbook)
    positions = [("1 to 2", "B2"), ("1 to 2", "C2"), ("1 to 2", "C6"), ("3 to 4", "C2"), ("3 to 4", "C9")]
    cells = [book[sheet][cell] for sheet, cell in positions]
    assert [cell.value for cell in cells] == ["==1+1 foxes", *TEXTS[:3], "@home with two lines"]
    assert {(cell.data_type, cell.quotePrefix) for cell in cells} == {("s", True)}
    contents = parts(empty_workbook)
    assert not any(b"<f>" in data for name, data in contents.items() if name.startswith("xl/worksheets"))


def test_the_cells_to_fill_in_offer_their_values_and_are_the_only_ones_unlocked(keys, empty_workbook):
    book = load_workbook(empty_workbook)
    (key,) = keys.values()
    for name in book.sheetnames[1:]:
        sheet = book[name]
        rules = {str(rule.sqref): (rule.type, rule.formula1) for rule in sheet.data_validations.dataValidation}
        last = max(row["row"] for row in key if row["sheet"] == name)
        assert rules == {f"E2:E{last}": ("list", '"1,2,3,4,5"'), f"F2:F{last}": ("list", '"yes"')}
        unlocked = {cell.coordinate for row in sheet.iter_rows() for cell in row if not cell.protection.locked}
        assert sheet.protection.sheet and unlocked == {f"{c}{line}" for c in "EFG" for line in range(2, last + 1)}
        assert sheet.freeze_panes == "A2" and sheet.print_title_rows == "$1:$1"
        assert [cell.value for cell in sheet[1]] == [title for title, _ in workbook.COLUMNS]
        assert {sheet[f"G{line}"].number_format for line in range(2, last + 1)} == {"@"}  # "=1" typed here is a text


def test_every_image_lies_within_its_cell_and_the_sheet_fits_a_screen(keys, tmp_path):
    def picture(file):
        data, wide = io.BytesIO(), "hosted" in file
        Image.new("RGB", (300, 200) if wide else (1024, 1024), (9, 9, 200 if wide else 9)).save(data, format="JPEG")
        return data.getvalue()

    (key,) = keys.values()
    workbook.build_workbook(key, picture).save(tmp_path / "x.xlsx")
    book = load_workbook(tmp_path / "x.xlsx")
    for name in book.sheetnames[1:]:
        sheet = book[name]
        widths = [sheet.column_dimensions[letter].width * 7 + 5 for letter in "ABCDEFG"]
        assert sum(widths) < 1366
        rows = {row["row"]: row for row in key if row["sheet"] == name}
        assert sorted(each.anchor._from.row + 1 for each in sheet._images) == sorted(rows)
        for each in sheet._images:
            start, size = each.anchor._from, each.anchor.ext
            assert start.col == 3 and sheet.cell(1, start.col + 1).value == "image"
            assert EMU_to_pixels(start.colOff + size.width) < widths[3]
            assert EMU_to_pixels(start.rowOff + size.height) < sheet.row_dimensions[start.row + 1].height / 0.75
            wide = rows[start.row + 1]["image_set"] == "hosted"  # the image of this very row
            assert (EMU_to_pixels(size.width), EMU_to_pixels(size.height)) == (384, 256 if wide else 384)
            assert Image.open(io.BytesIO(each._data())).getpixel((0, 0))[2] > 100 or not wide


def test_the_cover_says_what_each_rating_means_with_an_example(empty_workbook):
    cover = load_workbook(empty_workbook)["instructions"]
    lines = [cell.value or "" for cell in cover["A"]]
    for each in SCALE:
        assert f"{each.rating} = {each.meaning}. Example: {each.example}" in lines
    assert any("do not change it" in line for line in lines) and re.fullmatch("[0-9a-f]{16}", cover["B8"].value)


# ---- read --------------------------------------------------------------------------------------------------------


def test_ratings_are_assigned_to_their_images(keys, filled_workbook):
    ratings, missing, defects, _ = read(keys, filled_workbook)
    assert (missing, defects) == ([], [])
    assert len(ratings) == len(TEXTS) * len(IMAGE_SETS)
    assert all(row["rating"] == rating_of(row) and row["rater"] == "rater_1" for row in ratings)
    assert len({(row["id"], row["image_set"]) for row in ratings}) == len(ratings)


def test_an_empty_cell_is_missing_and_no_defect(keys, filled_workbook):
    edit(filled_workbook, "3 to 4", E3=None, E2="  ")
    ratings, missing, defects, _ = read(keys, filled_workbook)
    place = f"{filled_workbook}, sheet '3 to 4', cell"
    assert sorted(missing) == [f"{place} E2", f"{place} E3"]
    assert defects == [] and len(ratings) == 18


def test_anything_but_1_to_5_is_a_defect_with_its_cell(keys, filled_workbook):
    values = {"E2": 0, "E3": 6, "E4": 3.5, "E6": "4.5", "E7": "good", "E8": True}
    edit(filled_workbook, "1 to 2", **values)
    ratings, missing, defects, _ = read(keys, filled_workbook)
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
    assert parsed[""].defects == [f"{tmp_path / 'bob.xlsx'}: no rater of this name; human: raters has rater_1"]
    assert [len(part) for part in parsed["rater_1"]] == [0, 20, 0, 20]


def test_moved_columns_are_named(keys, filled_workbook):
    book = load_workbook(filled_workbook)
    sheet = book["1 to 2"]
    for line in range(1, 10):
        sheet[f"E{line}"].value, sheet[f"F{line}"].value = sheet[f"F{line}"].value, sheet[f"E{line}"].value
    book.save(filled_workbook)
    defects = [defect.split("cell ")[1] for defect in read(keys, filled_workbook)[2]]
    assert defects[:2] == [
        "E1: the column was moved; it must be 'rating'",
        "F1: the column was moved; it must be 'cannot judge'",
    ]


def test_cannot_judge_and_comments_are_read(keys, filled_workbook):
    edit(filled_workbook, "1 to 2", E2=None, F2="Yes", G2="too dark", F3="yes", G4="a finger\ntoo many", F5="perhaps")
    ratings, missing, defects, notes = read(keys, filled_workbook)
    place = f"{filled_workbook}, sheet '1 to 2', cell"
    assert (len(ratings), missing) == (17, [])
    assert [defect.split(": ", 1)[0] for defect in defects] == [f"{place} E3", f"{place} E5"]
    assert [(row["rating"] is None, row["cannot_judge"], row["comment"]) for row in notes] == [
        (True, True, "too dark"),
        (False, False, "a finger too many"),
    ]
