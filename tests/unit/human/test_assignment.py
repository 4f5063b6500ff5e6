"""Rating workbooks: blind on the way out, un-blinded and checked on the way in, averaged as the paper does."""

import io
import json
import re
import zipfile

import pytest
import yaml
from openpyxl import load_workbook
from openpyxl.utils import get_column_letter
from PIL import Image

from detailscribe.errors import InputError
from detailscribe.human import assignment, workbook
from detailscribe.images.image_set import save
from detailscribe.study.study import Study
from tests.paths import REPOSITORY

METHODS = [
    {"name": "sd", "candidates": ["original-11"], "headline": "oracle"},
    {"name": "hosted", "candidates": ["hosted"], "headline": "oracle"},
    {"name": "detailscribe", "candidates": ["detailscribe-k0", "detailscribe-k1"], "headline": "oracle"},
]
IMAGE_SETS = assignment.rated_image_sets(METHODS)
TEXTS = ["=1+1 foxes", "+ a crow", "-5 degrees", "@home with\u000b two\nlines", "A goat paints a fence."]


@pytest.fixture
def prompts(tmp_path) -> list[dict]:
    rows = []
    for number, text in enumerate(TEXTS):
        files = {}
        for place, name in enumerate(IMAGE_SETS):
            path = tmp_path / f"{name}-{number}.jpg"
            image = Image.new("RGB", (64, 64), (40 * number, 60 * place, 99))
            save(image, path, {"format": "jpeg", "quality": 75}, {"key": "k", "prompt": "secret words", "seed": 11})
            files[name] = str(path)
        rows.append({"id": f"fox-{number}abcdef012", "topic": f"={text}", "prompt": text, "images": files})
    return rows


@pytest.fixture
def sheets(prompts, tmp_path):
    """Keys by code, and the path of rater_1's workbook."""
    key = assignment.assign_images("rater_1", prompts, IMAGE_SETS, 2, 0)
    path = tmp_path / "rater_1.xlsx"
    workbook.workbook(key, workbook.thumbnail).save(path)
    return {assignment.key_digest(key): json.loads(json.dumps(key))}, path


def fill(keys, path, marks) -> None:
    """Give the image set of every key row the mark that `marks(row)` says."""
    book = load_workbook(path)
    for key in keys.values():
        for row in key:
            book[row["sheet"]][f"{row['column']}{row['row']}"] = marks(row)
    book.save(path)


def edit(path, sheet, cell, value) -> None:
    book = load_workbook(path)
    book[sheet][cell] = value
    book.save(path)


def read(keys, path, rater="rater_1"):
    return workbook.read_workbook(path, rater, lambda code: keys.get(code, []))


def parts(path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


# ---- out ---------------------------------------------------------------------------------------------------------


def test_no_method_id_or_path_is_anywhere_in_the_workbook(sheets, prompts, tmp_path):
    _, path = sheets
    names = [*IMAGE_SETS, *(method["name"] for method in METHODS), *(row["id"] for row in prompts), str(tmp_path)]
    forbidden = re.compile("|".join(rf"\b{re.escape(name)}" for name in names))
    found = parts(path)
    assert sum(name.startswith("xl/media/") for name in found) == len(TEXTS) * len(IMAGE_SETS)
    for name, data in found.items():
        if name.startswith("xl/media/"):
            assert b"secret" not in data and b"Exif" not in data
            assert Image.open(io.BytesIO(data)).size == (256, 256)
        else:
            assert not forbidden.search(data.decode("utf-8")), name


def test_order_of_images_is_the_raters_own_and_reproducible(prompts):
    def order(rater, seed=0):
        key = assignment.assign_images(rater, prompts, IMAGE_SETS, 25, seed)
        return [row["image_set"] for row in key]

    assert order("rater_1") == order("rater_1")
    assert order("rater_1") != order("rater_2")
    assert order("rater_1") != order("rater_1", seed=1)
    whole = assignment.assign_images("rater_1", prompts, IMAGE_SETS, 25, 0)
    fewer = assignment.assign_images("rater_1", prompts[2:], IMAGE_SETS, 25, 0)
    assert [row["image_set"] for row in whole if row["id"] == prompts[3]["id"]] == [
        row["image_set"] for row in fewer if row["id"] == prompts[3]["id"]
    ]


def test_sheets_hold_at_most_so_many_prompts_and_number_them_through(sheets):
    book = load_workbook(sheets[1])
    assert book.sheetnames == ["instructions", "1 to 2", "3 to 4", "5 to 5"]
    numbers = [[row[0].value for row in book[name].iter_rows(min_row=2)] for name in book.sheetnames[1:]]
    assert numbers == [[1, 2], [3, 4], [5]]
    assert [len(book[name]._images) for name in book.sheetnames[1:]] == [8, 8, 4]


def test_texts_never_become_formulas(sheets):
    book = load_workbook(sheets[1])
    cells = [
        book["1 to 2"]["B2"],
        book["1 to 2"]["C2"],
        book["1 to 2"]["C3"],
        book["3 to 4"]["C2"],
        book["3 to 4"]["C3"],
    ]
    assert [cell.value for cell in cells] == ["==1+1 foxes", *TEXTS[:3], "@home with two lines"]
    assert {(cell.data_type, cell.quotePrefix) for cell in cells} == {("s", True)}
    assert not any(b"<f>" in data for name, data in parts(sheets[1]).items() if name.startswith("xl/worksheets"))


def test_a_rating_cell_takes_whole_numbers_from_1_to_5_and_is_the_only_one_unlocked(sheets):
    keys, path = sheets
    book = load_workbook(path)
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


def test_prompts_are_drawn_from_the_complete_ones_and_one_more_changes_at_most_one(prompts):
    incomplete = prompts[0] | {"images": {"hosted": "x"}}
    drawn = assignment.draw_prompts([incomplete, *prompts[1:]], IMAGE_SETS, 3, 0)
    assert len(drawn) == 3 and incomplete not in drawn
    assert [row["id"] for row in drawn] == sorted(row["id"] for row in drawn)
    assert assignment.draw_prompts(prompts, IMAGE_SETS, 50, 0) == prompts
    many = [{"id": f"p-{number:03}", "images": prompts[0]["images"]} for number in range(40)]
    before = {row["id"] for row in assignment.draw_prompts(many[1:], IMAGE_SETS, 10, 0)}
    after = {row["id"] for row in assignment.draw_prompts(many, IMAGE_SETS, 10, 0)}
    assert len(after - before) <= 1
    assert {row["id"] for row in assignment.draw_prompts(many, IMAGE_SETS, 10, 1)} != after
    with pytest.raises(InputError, match="no prompt has every image"):
        assignment.draw_prompts([incomplete], IMAGE_SETS, 3, 0)


def test_a_method_without_images_is_refused_by_name():
    with pytest.raises(InputError, match="'equal_compute_seeds' has no images to rate"):
        assignment.rated_image_sets([*METHODS, {"name": "equal_compute_seeds", "candidates": []}])


def test_the_config_rates_the_nine_images_of_the_paper_and_follows_the_seeds():
    config = yaml.safe_load((REPOSITORY / "config" / "config.yaml").read_text(encoding="utf-8"))
    candidates = [f"detailscribe-k{k}" for k in (0, 1, 2, 4)]
    others = ["gpt_rewrite", "hosted", "multi_seed", "gpt_refine"]
    shown = assignment.rated_image_sets([vars(method) for method in Study(config, REPOSITORY).rated_methods()])
    assert shown == ["original-2628670643", *others, *candidates]
    seeds = Study(config | {"seeds": [7], "human": config["human"] | {"methods": ["sd", "multi_seed"]}}, REPOSITORY)
    assert [method.candidates for method in seeds.rated_methods()] == [("original-7",), ()]


# ---- in ----------------------------------------------------------------------------------------------------------


def mark(row) -> int:
    """A mark that tells which prompt and image set it was given to."""
    return 1 + (int(row["id"][4]) + IMAGE_SETS.index(row["image_set"])) % 5


def test_filled_marks_come_back_to_their_images(sheets):
    keys, path = sheets
    fill(keys, path, mark)
    ratings, missing, defects = read(keys, path)
    assert (missing, defects) == ([], [])
    assert len(ratings) == len(TEXTS) * len(IMAGE_SETS)
    assert all(row["rating"] == mark(row) and row["rater"] == "rater_1" for row in ratings)
    assert len({(row["id"], row["image_set"]) for row in ratings}) == len(ratings)


def test_an_empty_cell_is_missing_and_no_defect(sheets):
    keys, path = sheets
    fill(keys, path, mark)
    edit(path, "3 to 4", "G3", None)
    edit(path, "3 to 4", "E2", "  ")
    ratings, missing, defects = read(keys, path)
    assert sorted(missing) == [f"{path}, sheet '3 to 4', cell E2", f"{path}, sheet '3 to 4', cell G3"]
    assert defects == [] and len(ratings) == 18


@pytest.mark.parametrize("value", [0, 6, 3.5, "4", "good", True])
def test_anything_but_1_to_5_is_a_defect_with_its_cell(sheets, value):
    keys, path = sheets
    fill(keys, path, mark)
    edit(path, "1 to 2", "I3", value)
    ratings, missing, defects = read(keys, path)
    assert defects == [f"{path}, sheet '1 to 2', cell I3: a rating is a whole number from 1 to 5, got {value!r}"]
    assert len(ratings) == 19 and missing == []


def test_a_changed_row_a_lost_sheet_and_a_lost_code_are_named(sheets):
    keys, path = sheets
    fill(keys, path, mark)
    edit(path, "5 to 5", "C2", "A goat paints a door.")
    assert read(keys, path)[2] == [
        f"{path}, sheet '5 to 5', cell C2: the row was changed; its prompt was 'A goat paints a fence.'"
    ]
    book = load_workbook(path)
    book.remove(book["3 to 4"])
    book.save(path)
    assert f"{path}, sheet '3 to 4': the sheet is gone" in read(keys, path)[2]
    edit(path, "instructions", workbook.CODE_CELL, "0" * 16)
    (defect,) = read(keys, path)[2]
    assert defect.startswith(f"{path}, sheet 'instructions', cell B8: no sheets of the code '0000000000000000'")
    path.write_bytes(b"not a workbook")
    assert "not a workbook that can be read" in read(keys, path)[2][0]


def test_another_raters_sheets_and_an_unknown_rater_are_named(sheets, tmp_path):
    keys, path = sheets
    assert "these are the sheets of rater_1, not of rater_2" in read(keys, path, "rater_2")[2][0]
    folder = tmp_path / "filled"
    folder.mkdir()
    for name in ("rater_1.xlsx", "bob.xlsx", "~$rater_1.xlsx"):
        (folder / name).write_bytes(path.read_bytes())
    found = workbook.read_folder({"rater_1": folder / "rater_1.xlsx"}, lambda code: keys[code])
    assert found[""] == ([], [], [f"{folder / 'bob.xlsx'}: no rater of this name; human: raters has rater_1"])
    assert [len(part) for part in found["rater_1"]] == [0, 20, 0]


def test_a_moved_column_is_named(sheets):
    keys, path = sheets
    fill(keys, path, mark)
    book = load_workbook(path)
    sheet = book["1 to 2"]
    for line in (1, 2, 3):
        sheet[f"E{line}"].value, sheet[f"G{line}"].value = sheet[f"G{line}"].value, sheet[f"E{line}"].value
    book.save(path)
    defects = read(keys, path)[2]
    assert [defect.split("cell ")[1] for defect in defects] == [
        "E1: the column was moved; it must be 'rating 1'",
        "G1: the column was moved; it must be 'rating 2'",
    ]
