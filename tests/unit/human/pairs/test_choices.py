"""Exported choices: read back to methods and images, with every defect named by file and line."""

from functools import partial
from pathlib import Path

import pytest

from detailscribe.errors import InputError
from detailscribe.human.assignment import find_key
from detailscribe.human.pairs.choices import read_choices
from tests.unit.human.pairs.sample_pairs import exported, shown_pairs

ANSWERS = [
    ({"choice": "first", "strength": "clearly"}, 1.0),
    ({"choice": "first", "strength": "slightly", "seconds": "3,5"}, 0.5),
    ({"choice": "tie", "comment": "both\n lack it"}, 0.0),
    ({"choice": "second", "strength": "slightly", "seconds": "12"}, -0.5),
    ({"choice": " Second", "strength": "CLEARLY "}, -1.0),
    ({"choice": "cannot", "seconds": "1.25"}, None),
    ({}, "missing"),
]


@pytest.fixture
def folder(tmp_path) -> Path:
    (tmp_path / "pairs").mkdir()
    return tmp_path / "pairs"


def answer(row: dict) -> dict:
    return ANSWERS[(row["row"] - 1) % len(ANSWERS)][0]


def read(folder: Path, sheets, *names: str, raters=("ann", "bo")):
    key_of = partial(find_key, sheets.folder / "keys")
    return read_choices(folder, [folder / name for name in names], raters, key_of)


def defects(parsed) -> str:
    return "\n".join(text for each in parsed.values() for text in each.defects)


def test_choices_are_read_back_to_methods_and_images(sheets, folder):
    key = sheets.keys["ann"]
    (folder / "ann.pairs (1).csv").write_text(exported(key, answer), encoding="utf-8-sig")
    parsed = read(folder, sheets, "ann.pairs (1).csv")
    assert defects(parsed) == "" and set(parsed) == {"ann", ""}
    by_pair: dict[str, list[dict]] = {}
    for row in parsed["ann"].choices:
        by_pair.setdefault(row["pair"], []).append(row)
    for row in shown_pairs(key):
        of_key = [each for each in key if each["pair"] == row["pair"]]
        value = ANSWERS[(row["row"] - 1) % len(ANSWERS)][1]
        found = by_pair.pop(row["pair"], [])
        assert [each["value"] for each in found] == ([] if value == "missing" else [value] * len(of_key))
        for each, origin in zip(found, of_key, strict=value != "missing"):
            names = ("first", "second", "first_image_set", "second_image_set", "first_file", "second_file", "id")
            assert [each[name] for name in names] == [origin[name] for name in names]
    (identical,) = by_pair.pop("")
    assert (identical["choice"], identical["value"], by_pair) == ("identical", 0.0, {})
    assert [row["seconds"] for row in parsed["ann"].choices if row["seconds"]] == [3.5, 12.0, 1.25]
    assert "both lack it" in [row["comment"] for row in parsed["ann"].choices]
    assert (
        len(parsed["ann"].missing) == 1 and "line 9: no choice" in parsed["ann"].missing[0]
    )  # one comment of two lines


def test_an_open_sheet_gives_missing_pairs_and_no_ties(sheets, folder):
    (folder / "bo.csv").write_text(exported(sheets.keys["bo"], lambda row: {"comment": "later"}), encoding="utf-8")
    parsed = read(folder, sheets, "bo.csv")
    assert parsed["bo"].choices == [] and len(parsed["bo"].missing) == 7 and defects(parsed) == ""
    assert "line 2: no choice, but the comment 'later'" in parsed["bo"].missing[0]


CHANGES = {
    "a choice": ('"tie"', '"draw"', "line 4: a choice is first, second, tie, cannot or nothing, got 'draw'"),
    "no strength": ('"clearly"', '""', "line 2: the strength of a choice is clearly or slightly, the cell is empty"),
    "a strength": ('"slightly"', '"much"', "line 3: the strength of a choice is clearly or slightly, got 'much'"),
    "a strong tie": ('"tie",""', '"tie","clearly"', "line 4: only first and second have a strength, got 'clearly'"),
    "seconds": ('"12"', '"-1"', "seconds are a number from 0, got '-1'"),
    "a column": ('"choice"', '"answer"', "line 1: no column choice"),
}


@pytest.mark.parametrize("name", CHANGES)
def test_every_wrong_cell_is_named(sheets, folder, name):
    before, after, sentence = CHANGES[name]
    text = exported(sheets.keys["ann"], answer)
    assert before in text
    (folder / "ann.csv").write_text(text.replace(before, after, 1), encoding="utf-8")
    found = defects(read(folder, sheets, "ann.csv"))
    assert sentence in found and "ann.csv" in found and len(found.splitlines()) == 1


LINES = {
    "missing": (lambda lines: lines[:3] + lines[4:], "the line of row 3, pair"),
    "twice": (lambda lines: [*lines, lines[2]], "is unknown or repeated"),
    "foreign": (
        lambda lines: [*lines, lines[2].replace('"2"', '"9"').replace(lines[2].split(",")[2], '"abc"')],
        "'abc'",
    ),
    "shifted": (
        lambda lines: [line.replace('"4"', '"5"') for line in lines],
        "line 5: the row was changed; its row was 4",
    ),
    "none": (lambda lines: lines[:1], "must hold the ratings of one page, got the codes []"),
    "mixed": (
        lambda lines: [*lines, lines[2].replace(lines[2].split(",")[0], '"0123456789abcdef"')],
        "got the codes [",
    ),
}


@pytest.mark.parametrize("name", LINES)
def test_every_wrong_line_is_named(sheets, folder, name):
    change, sentence = LINES[name]
    lines = exported(sheets.keys["ann"], lambda row: {"choice": "tie"}).splitlines()
    (folder / "ann.csv").write_text("\r\n".join(change(lines)), encoding="utf-8")
    found = defects(read(folder, sheets, "ann.csv"))
    assert sentence in found and "ann.csv" in found


def test_what_belongs_to_nobody_is_named(sheets, folder):
    text = exported(sheets.keys["ann"], answer)
    with pytest.raises(InputError, match="has no table of choices: put there what the raters downloaded"):
        read(folder, sheets)
    for name in ("ann.csv", "ann.pairs.csv"):
        (folder / name).write_text(text, encoding="utf-8")
    found = defects(read(folder, sheets, "ann.csv", "ann.pairs.csv"))
    assert found == f"{folder}: ann has 2 tables here (ann.csv, ann.pairs.csv); keep the one that counts"
    (folder / "ann.pairs.csv").write_text(exported(sheets.keys["ann"], answer, "0" * 16), encoding="utf-8")
    (folder / "bo.xlsx").touch()
    found = defects(read(folder, sheets, "ann.csv", "ann.pairs.csv"))
    assert "no page with the code '0000000000000000' was written here" in found
    assert f"{folder / 'bo.xlsx'}: not read; save it as .csv" in found
    (folder / "bo.xlsx").unlink()
    (folder / "ann.pairs.csv").unlink()
    assert "choices of ann, who is none of the raters (cy)" in defects(read(folder, sheets, "ann.csv", raters=("cy",)))
    (folder / "ann.csv").write_text("workbook,sheet,row,column,topic,prompt,rating\n", encoding="utf-8")
    assert "line 1: no column pair" in defects(read(folder, sheets, "ann.csv"))
