"""Workbooks as programs and people leave them: what is read, what is named, and within which bounds."""

import io
import re
import time
import zipfile
from pathlib import Path

import pytest
from openpyxl import Workbook, load_workbook

from detailscribe.errors import InputError
from detailscribe.human.filled_sheets import read_filled_sheets
from detailscribe.human.ratings import parse_rating, rating_file
from detailscribe.human.workbook_reader import WorkbookCells
from tests.unit.human.test_workbook import edit, parts, read

SHEET = "xl/worksheets/sheet2.xml"  # the first after the cover


def rewritten(path: Path, changes: dict[str, object]) -> None:
    """Replace parts of a workbook: by bytes, by a function of the bytes, or by nothing (None); others are added."""
    old = parts(path)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in {**old, **changes}:
            change = changes.get(name, old.get(name))
            data = change(old[name]) if callable(change) else change
            if data is not None:
                archive.writestr(name, data)


def all_inline(sheet: bytes) -> bytes:
    return re.sub(rb'<c r="(E2)"([^>]*)><v>\d</v></c>', rb'<c r="\1" t="inlineStr"><is><t> 3 </t></is></c>', sheet)


STRAY = b"".join(b'<row r="%d" s="1" customFormat="1" ht="15"/>' % number for number in range(4, 400_000))
READ = {
    "no styles": {"xl/styles.xml": None},
    "an inline text": {SHEET: all_inline},
    "rows below the table": {SHEET: lambda data: data.replace(b"</sheetData>", STRAY + b"</sheetData>")},
    "a false dimension": {SHEET: lambda data: re.sub(rb'<dimension ref="[^"]*"', b'<dimension ref="A1"', data)},
    "a long comment": {
        "xl/comments/comment1.xml": b"<comments>" + b"x" * 20_000_000,
        "xl/threadedComments/c.xml": b"x" * 20_000_000,
    },
    "a broken drawing": {"xl/drawings/drawing1.xml": b"<broken", "xl/media/image1.jpeg": b"no image"},
    "a broken chain of calculation": {"xl/calcChain.xml": b"<broken"},
    "no names of the document": {"docProps/core.xml": None, "docProps/app.xml": None},
}


@pytest.mark.parametrize("name", READ)
def test_what_holds_no_rating_is_passed_over(keys, filled_workbook, name):
    rewritten(filled_workbook, READ[name])
    ratings, missing, defects, _ = read(keys, filled_workbook)
    assert (len(ratings), missing, defects) == (20, [], [])


ENTITIES = b'<!DOCTYPE a [<!ENTITY a "%s"><!ENTITY b "%s">]><a>&b;</a>' % (b"x" * 1000, b"&a;" * 40_000)
NAMED = {
    "broken XML": ({SHEET: lambda data: data[: len(data) // 2]}, "cannot be read as a workbook (ParseError"),
    "a broken list of sheets": ({"xl/workbook.xml": b"<broken"}, "cannot be read as a workbook ("),
    "no list of sheets": ({"xl/workbook.xml": None}, "cannot be read as a workbook ("),
    "no sheet": ({SHEET: None}, "sheet '1 to 2'"),
    "a text that is not there": (
        {SHEET: lambda data: data.replace(b't="n"><v>', b't="s"><v>9999')},
        "cannot be read as a workbook (IndexError",
    ),
    "a cell of nowhere": ({SHEET: lambda data: data.replace(b'r="B2"', b'r="??"')}, "cannot be read as a workbook ("),
    "entities in entities": ({SHEET: ENTITIES}, "cannot be read as a workbook (ParseError"),
    "a sheet beyond all bounds": ({SHEET: b"<x>" + b" " * 40_000_000}, "its part xl/worksheets/sheet2.xml has 40 MB"),
    "texts beyond all bounds": ({"xl/sharedStrings.xml": b" " * 10_000_000}, "its part xl/sharedStrings.xml has 10 MB"),
}


@pytest.mark.parametrize("name", NAMED)
def test_a_broken_workbook_is_one_sentence_with_the_file(keys, filled_workbook, name):
    changes, message = NAMED[name]
    rewritten(filled_workbook, changes)
    start = time.process_time()
    ratings, _, defects, _ = read(keys, filled_workbook)
    assert time.process_time() - start < 30
    assert defects and message in defects[0] and all(len(defect) < 500 and "\n" not in defect for defect in defects)
    assert len(ratings) < 20


TEXTS = b"application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"


@pytest.mark.parametrize("texts", [False, True])
@pytest.mark.parametrize("place", ["xl/media/s.xml", "xl/media/s.png", "customXml/s.xml"])
def test_a_part_that_lies_where_nothing_is_counted_is_not_read(keys, filled_workbook, texts, place):
    def moved(data: bytes) -> bytes:
        return data.replace(SHEET.encode(), place.encode())

    def listed(data: bytes) -> bytes:
        entry = b'<Override PartName="/%s" ContentType="%s"/></Types>' % (place.encode(), TEXTS)
        return re.sub(rb"<Override [^>]*sharedStrings[^>]*>", b"", data).replace(b"</Types>", entry)

    if texts:
        rewritten(filled_workbook, {"[Content_Types].xml": listed, place: b"<sst/>"})
    else:
        lists = {"[Content_Types].xml": moved, "xl/_rels/workbook.xml.rels": moved}
        rewritten(filled_workbook, {**lists, place: parts(filled_workbook)[SHEET], SHEET: None})
    ratings, _, defects, _ = read(keys, filled_workbook)
    assert f"cells or texts in {place}, where pictures" in defects[0] and len(ratings) == 0


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-300])


def damaged(path: Path) -> None:
    """Bytes of a compressed part are others."""
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo(SHEET).header_offset + 60
    data = bytearray(path.read_bytes())
    data[start : start + 50] = bytes(50)
    path.write_bytes(bytes(data))


def of_charts(path: Path) -> None:
    """A chart in place of the sheet of ratings."""
    book = load_workbook(path)
    book.remove(book["1 to 2"])
    book.create_chartsheet("1 to 2")
    book.save(path)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (cut, "cannot be read as a workbook (BadZipFile"),
        (damaged, "cannot be read as a workbook (error"),
        (of_charts, "sheet '1 to 2': the sheet is missing"),
        (lambda path: path.write_bytes(b""), "cannot be read as a workbook (BadZipFile"),
        (lambda path: path.write_bytes(b"\xd0\xcf\x11\xe0 an old .xls"), "cannot be read as a workbook (BadZipFile"),
        (Path.unlink, "cannot be read as a workbook (FileNotFoundError"),
    ],
)
def test_a_damaged_file_is_one_sentence(keys, filled_workbook, damage, message):
    damage(filled_workbook)
    defects = read(keys, filled_workbook)[2]
    assert message in defects[0] and len(defects) == 1


def test_a_sheet_of_charts_named_like_the_cover_holds_no_code(keys, filled_workbook):
    book = Workbook()
    book.create_chartsheet("instructions")
    book.save(filled_workbook)
    assert "no sheets with the code None" in read(keys, filled_workbook)[2][0]


@pytest.mark.parametrize(
    ("value", "rating"),
    [
        *((number, number) for number in (1, 2, 3, 4, 5)),
        *((text, 3) for text in ("3", "3.0", " 3 ", "3,0", "３", "3.00", "\u00a03\u2003", "3．0")),
        *((value, None) for value in (0, 6, 3.5, True, "", "3.5", "three", "33", "-3", "3 or 4", "٣x", "3" * 10**6)),
        *((value, None) for value in (float("nan"), float("inf"), 10**400, None, [3])),
        (4.0, 4),
    ],
)
def test_a_rating_is_a_number_or_its_text(value, rating):
    assert parse_rating(value) == rating


def test_texts_count_as_their_numbers_in_a_workbook(keys, filled_workbook):
    before = read(keys, filled_workbook)
    book = load_workbook(filled_workbook)
    for row in next(iter(keys.values())):
        cell = book[row["sheet"]][f"{row['column']}{row['row']}"]
        cell.value = f" {cell.value}.0 "
    book.save(filled_workbook)
    assert read(keys, filled_workbook) == before


def test_a_formula_counts_by_its_stored_value_and_one_without_is_named(keys, filled_workbook):
    edit(filled_workbook, "1 to 2", E2="=1+2", E3=None, G3="=E3")
    ratings, missing, defects, _ = read(keys, filled_workbook)
    place = f"{filled_workbook}, sheet '1 to 2', cell"
    assert missing == [] and len(ratings) == 18
    assert defects == [
        f"{place} {cell}: a formula without its value; open the file in a program that calculates and save it again"
        for cell in ("E2", "G3")
    ]
    stored = {SHEET: lambda data: re.sub(rb"<f>1\+2</f><v ?/>|<f>1\+2</f><v></v>", b"<f>1+2</f><v>3</v>", data)}
    rewritten(filled_workbook, stored)
    assert len(read(keys, filled_workbook)[0]) == 19


def test_only_the_cells_asked_for_are_read(tmp_path):
    book = Workbook()
    book.active.append(["a", None, 3])
    book.active["ZZ900"] = "far"
    book.save(tmp_path / "a.XLSX")
    with WorkbookCells(tmp_path / "a.XLSX") as cells:
        assert cells.values("Sheet", 3, 2) == [("a", None), (None, None), (None, None)]
        assert cells.formulas("Sheet", 3, 2) == set()
    with pytest.raises(InputError, match="cannot be read as a workbook"):
        WorkbookCells(tmp_path)


# ---- the folder --------------------------------------------------------------------------------------------------


def test_every_file_beside_the_sheets_is_read_or_named(keys, filled_workbook, tmp_path, capsys):
    folder = tmp_path / "demo"
    (folder / "old").mkdir(parents=True)
    (folder / "pictures").mkdir()
    for name in ["rater_1.XLSX", "rater_1.xlsm", "rater_1.ods", "rater_2.numbers", "bob.csv", "old/rater_1.xlsx"]:
        (folder / name).write_bytes(filled_workbook.read_bytes())
    for name in ["~$rater_1.xlsx", ".~lock.rater_1.xlsx#", ".DS_Store", "Thumbs.db", "notes.txt", "rater_1.html"]:
        (folder / name).touch()
    file = rating_file(folder, "rater_1")
    assert file == folder / "rater_1.XLSX"
    parsed = read_filled_sheets({"rater_1": file}, lambda code: keys.get(code, []))
    assert len(parsed["rater_1"].ratings) == 20
    defects = dict(defect.split(": ", 1) for defect in parsed[""].defects)
    assert {Path(path).relative_to(folder).as_posix(): text.split(";")[0] for path, text in defects.items()} == {
        "bob.csv": "no rater of this name",
        "old/rater_1.xlsx": "not read in a folder of its own",
        "rater_1.ods": "a .ods file is not read",
        "rater_1.xlsm": "rater_1 has two files here",
        "rater_2.numbers": "a .numbers file is not read",
    }
    printed = capsys.readouterr().out
    assert re.findall(r"(\S+): not read, it holds no ratings", printed) == [
        str(folder / name) for name in ("notes.txt", "pictures", "rater_1.html")
    ]


def test_a_workbook_with_macros_and_a_table_in_capitals_are_read(keys, filled_workbook, tmp_path):
    path = tmp_path / "sub" / "rater_1.xlsm"
    path.parent.mkdir()
    path.write_bytes(filled_workbook.read_bytes())
    assert rating_file(path.parent, "rater_1") == path
    assert len(read_filled_sheets({"rater_1": path}, lambda code: keys.get(code, []))["rater_1"].ratings) == 20
    (path.parent / "rater_1.CSV").touch()
    assert rating_file(path.parent, "rater_1") == path.parent / "rater_1.CSV"
    assert rating_file(tmp_path / "none", "rater_1") == tmp_path / "none" / "rater_1.xlsx"


def test_a_character_that_no_workbook_holds_is_shown_as_one_that_it_does(prompts, tmp_path):
    from detailscribe.human.assignment import assign_images, key_digest
    from detailscribe.human.thumbnail import blind_thumbnail
    from detailscribe.human.workbook import build_workbook

    odd = [{**prompts[0], "prompt": "a\ufffeb\uffff c\x00d\x1be\x0bf\x85g", "topic": "\ufffe"}]
    key = assign_images("rater_1", odd, ["original-11"], 2, 0, str)
    assert (key[0]["topic"], key[0]["prompt"]) == ("\ufffd", "a\ufffdb\ufffd c\ufffdd\ufffde f g")
    book = build_workbook(key, lambda file: blind_thumbnail(Path(file)))
    data = io.BytesIO()
    book.save(data)
    (tmp_path / "rater_1.xlsx").write_bytes(data.getvalue())
    parsed = read({key_digest(key): key}, tmp_path / "rater_1.xlsx")
    assert (len(parsed.missing), parsed.defects) == (1, [])
