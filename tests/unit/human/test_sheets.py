"""Rating sheets of a study: written, and found again by the code that they carry."""

from functools import partial
from pathlib import Path

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.rows import to_jsonl
from detailscribe.human.assignment import find_key
from detailscribe.human.filled_sheets import read_filled_sheets
from detailscribe.human.sheets import write_sheets
from detailscribe.human.thumbnail import blind_thumbnail
from tests.unit.human.sample_ratings import METHODS


def test_sheets_are_written_for_each_rater_and_read_back_with_their_stored_keys(prompts, tmp_path):
    values = {"methods": METHODS, "prompts": 2, "prompts_per_sheet": 25, "seed": 0}
    raters, done = ["ann", "bo"], []
    outputs = [(rater, tmp_path / f"{rater}.xlsx", tmp_path / f"{rater}.html") for rater in raters]
    rows = write_sheets(prompts, values, Path("/"), tmp_path / "keys", outputs, lambda: done.append(1))
    assert len(done) == 2 and len(rows) == 2 * 2 * 4
    assert {row["rater"] for row in rows} == {"ann", "bo"} and len({row["workbook"] for row in rows}) == 2
    for code in {row["workbook"] for row in rows}:
        key = [{name: value for name, value in row.items() if name != "workbook"} for row in rows]
        stored = (tmp_path / "keys" / f"{code}.jsonl").read_text(encoding="utf-8")
        assert stored == to_jsonl(row for row, full in zip(key, rows, strict=True) if full["workbook"] == code)
        assert any(code in (tmp_path / f"{rater}.html").read_text(encoding="utf-8") for rater in raters)
    files = {rater: tmp_path / f"{rater}.xlsx" for rater in raters}
    parsed = read_filled_sheets(files, partial(find_key, tmp_path / "keys"))
    assert [len(part) for part in parsed["ann"]] == [0, 8, 0] == [len(part) for part in parsed["bo"]]


def test_an_image_that_cannot_be_shown_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(SetupError, match=r"a\.jpg is not a readable image .*; delete it and run again"):
        blind_thumbnail(tmp_path / "a.jpg")
