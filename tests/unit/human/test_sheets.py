"""Rating sheets of a study: written, found again by the code that they carry, and separate from what must be kept."""

import shutil
from functools import partial
from pathlib import Path

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.rows import to_jsonl
from detailscribe.human.assignment import find_key, rated_places
from detailscribe.human.filled_sheets import read_filled_sheets
from detailscribe.human.instructions import pairs_note, sheets_note
from detailscribe.human.sheets import earlier_sheets, write_sheets
from detailscribe.human.thumbnail import THUMBNAIL_PX, blind_jpeg, blind_thumbnail
from detailscribe.images.image_file import save_image
from detailscribe.images.image_reader import read_image
from tests.unit.human.sample_ratings import IMAGE_SETS, METHODS


def written(prompts, tmp_path):
    values = {"methods": METHODS, "prompts": 2, "prompts_per_sheet": 25, "seed": 0}
    raters, done = ["ann", "bo"], []
    outputs = [(rater, tmp_path / f"{rater}.xlsx", tmp_path / f"{rater}.html") for rater in raters]
    rows = write_sheets(prompts, values, Path("/"), tmp_path / "keys", outputs, lambda: done.append(1))
    assert len(done) == 2
    return rows, {rater: tmp_path / f"{rater}.xlsx" for rater in raters}


def test_sheets_are_written_for_each_rater_and_read_back_with_their_stored_keys(prompts, tmp_path):
    rows, files = written(prompts, tmp_path)
    assert len(rows) == 2 * 2 * 4
    assert {row["rater"] for row in rows} == {"ann", "bo"} and len({row["workbook"] for row in rows}) == 2
    for code in {row["workbook"] for row in rows}:
        key = [{name: value for name, value in row.items() if name != "workbook"} for row in rows]
        stored = (tmp_path / "keys" / f"{code}.jsonl").read_text(encoding="utf-8")
        assert stored == to_jsonl(row for row, full in zip(key, rows, strict=True) if full["workbook"] == code)
        assert any(code in (tmp_path / f"{rater}.html").read_text(encoding="utf-8") for rater in files)
    parsed = read_filled_sheets(files, partial(find_key, tmp_path / "keys"))
    assert [len(part) for part in parsed["ann"]] == [0, 8, 0, 8] == [len(part) for part in parsed["bo"]]


def test_images_of_a_prompt_that_look_the_same_share_a_place_in_every_raters_sheets(prompts, tmp_path):
    first = prompts[0]["images"]
    same = {name: str(tmp_path / f"{name}.png") for name in ("hosted", "detailscribe-k1")}
    shutil.copy(first["original-11"], same["hosted"])  # the same bytes
    other = read_image(Path(first["original-11"])).image  # the same pixels in another format, with other metadata
    save_image(other, Path(same["detailscribe-k1"]), {"format": "png"}, {"prompt": "secret words"})
    rows, files = written([{**prompts[0], "images": {**first, **same}}, prompts[1]], tmp_path)
    for rater in files:
        places = rated_places([row for row in rows if row["rater"] == rater])
        shared = {tuple(row["image_set"] for row in place) for place in places}
        assert ("original-11", "hosted", "detailscribe-k1") in shared and ("detailscribe-k0",) in shared
        assert sorted(len(place) for place in places) == [1, 1, 1, 1, 1, 3]
        numbers = [(place[0]["row"], place[0]["image"]) for place in places]
        assert numbers == [
            (2, 1),
            (3, 2),
            (4, 1),
            (5, 2),
            (6, 3),
            (7, 4),
        ]  # two of the first prompt, four of the second
    assert {row["image_set"] for row in rows} == set(IMAGE_SETS)


def test_an_image_keeps_its_size_on_pages_and_is_smaller_in_workbooks(tmp_path):
    from PIL import Image

    save_image(Image.linear_gradient("L").resize((900, 1200)).convert("RGB"), tmp_path / "a.png", {"format": "png"}, {})
    sizes = []
    for jpeg in (blind_jpeg(tmp_path / "a.png"), blind_thumbnail(tmp_path / "a.png")):
        (tmp_path / "b.jpg").write_bytes(jpeg)
        sizes.append(read_image(tmp_path / "b.jpg").image.size)
    assert sizes == [(900, 1200), (THUMBNAIL_PX * 3 // 4, THUMBNAIL_PX)]


def test_an_image_that_cannot_be_shown_is_named(tmp_path):
    (tmp_path / "a.jpg").write_bytes(b"no image")
    with pytest.raises(SetupError, match=r"a\.jpg is not a readable image .*; delete it and run again"):
        blind_thumbnail(tmp_path / "a.jpg")


@pytest.mark.parametrize(
    ("note", "ends"), [(sheets_note, ("html", "xlsx", "csv")), (pairs_note, ("html", "pairs.csv"))]
)
def test_the_note_names_the_raters_and_their_files(note, ends):
    text = note(["ann", "bo"])
    assert "ann, bo" in text and all(f"NAME.{end}" in text for end in ends)
    assert all(len(line) < 120 for line in text.splitlines())


def test_sheets_of_an_earlier_version_are_pointed_at_and_stay(tmp_path):
    (tmp_path / "send").mkdir()
    assert earlier_sheets(tmp_path) == []
    for name in ("key.jsonl", "ann.xlsx", ".DS_Store"):
        (tmp_path / name).touch()
    (sentence,) = earlier_sheets(tmp_path)
    assert "sheets of an earlier version (ann.xlsx, key.jsonl)" in sentence and (tmp_path / "ann.xlsx").exists()
