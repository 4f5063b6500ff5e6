"""Imported image sets: files found by id, and missing or unreadable ones."""

import pytest
from PIL import Image

from detailscribe.errors import InputError
from detailscribe.files.rows import read_rows
from detailscribe.images.image_reader import FIRST_FRAME, ON_WHITE, UNIFORM, UPRIGHT
from detailscribe.images.image_set import ImageRequest
from detailscribe.methods.external import imported_requests, save_external_images
from tests.sample_images import smooth_image

RECORDS = {id: {"id": id, "topic": f"topic {id}", "prompt": f"prompt {id}"} for id in ("a", "b")}


def test_imported_files_are_found_by_id_and_a_missing_one_is_reported(tmp_path):
    smooth_image(8, 8, "RGBA").save(tmp_path / "a.webp")
    image_requests, files = imported_requests(list(RECORDS.values()), {"folder": tmp_path}, "mine", {})
    assert [(image_request.status, image_request.id in files) for image_request in image_requests] == [
        ("ok", True),
        ("failed", False),
    ]
    assert "no file b.png" in image_requests[1].reason
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
    assert (
        "b.png is not a readable image"
        in imported_requests(list(RECORDS.values()), {"folder": tmp_path}, "mine", {})[0][1].reason
    )


def gathered(folder, base, tmp_path):
    """Manifest rows by id of the images of a folder."""
    requests, files = imported_requests(list(RECORDS.values()), {"folder": folder}, "mine", base)
    parameters = {"generation": {"format": "png"}}
    save_external_images("s", "000-of-001", "mine", requests, files, parameters, lambda: None)
    return {row["id"]: row for row in read_rows(tmp_path / "results/s/images/mine/000-of-001.jsonl")}


def test_an_odd_file_is_read_as_meant_and_its_row_says_so(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    folder, exif = tmp_path / "brought", Image.Exif()
    folder.mkdir()
    exif[0x0112] = 6
    smooth_image(12, 8).save(folder / "a.jpg", exif=exif)
    clear = smooth_image(8, 8, "RGBA")
    clear.putalpha(Image.new("L", (8, 8), 0))
    clear.paste(smooth_image(4, 8), (0, 0))
    clear.save(folder / "b.PNG")
    rows = gathered(folder, {"x": 1, "reading": 1}, tmp_path)
    assert {id: (row["status"], row["reason"]) for id, row in rows.items()} == {
        "a": ("ok", UPRIGHT),
        "b": ("ok", ON_WHITE),
    }
    with Image.open(tmp_path / "results" / rows["a"]["file"]) as image:
        assert image.size == (8, 12)
    with Image.open(tmp_path / "results" / rows["b"]["file"]) as image:
        assert image.getpixel((7, 7)) == (255, 255, 255) and image.mode == "RGB"


def test_an_image_whose_pixels_stay_keeps_its_key_when_files_are_read_in_another_way(tmp_path):
    smooth_image(8, 8).save(tmp_path / "a.png")
    smooth_image(8, 8).save(tmp_path / "b.webp", save_all=True, append_images=[smooth_image(8, 8, seed=2)])
    recipes = [
        [request.recipe for request in imported_requests(list(RECORDS.values()), {"folder": tmp_path}, "mine", base)[0]]
        for base in ({"x": 1}, {"x": 1, "reading": 1}, {"x": 1, "reading": 2})
    ]
    assert recipes[0] == recipes[1] == recipes[2]
    assert [sorted(recipe) for recipe in recipes[0]] == [["source_sha256", "x"]] * 2


def test_the_note_of_an_animation_is_in_the_row(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    smooth_image(8, 8).save(tmp_path / "b.webp", save_all=True, append_images=[smooth_image(8, 8, seed=2)])
    assert gathered(tmp_path, {}, tmp_path)["b"]["reason"] == FIRST_FRAME


def test_an_image_of_one_colour_is_a_refusal(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Image.new("RGB", (8, 8)).save(tmp_path / "a.png")
    Image.new("RGB", (8, 8), "grey").save(tmp_path / "b.jpg")
    rows = gathered(tmp_path, {}, tmp_path)
    assert {id: (row["status"], row["reason"], row["file"]) for id, row in rows.items()} == {
        "a": ("refused", f"{tmp_path / 'a.png'}: {UNIFORM}", None),
        "b": ("refused", f"{tmp_path / 'b.jpg'}: {UNIFORM}", None),
    }
    # A recorded answer of an image model is looked at when it is saved.
    requests = [ImageRequest("a", "mine", prompt="p", recipe={"x": 1}, exchange="e")]
    save_external_images(
        "s", "0", "mine", requests, {"a": tmp_path / "b.jpg"}, {"generation": {"format": "png"}}, lambda: None
    )
    assert [row["status"] for row in read_rows(tmp_path / "results/s/images/mine/0.jsonl")] == ["refused"]


def test_two_files_of_a_prompt_and_files_that_are_not_read_are_named(tmp_path):
    smooth_image(8, 8).save(tmp_path / "a.png")
    (tmp_path / "sub").mkdir()
    for name in ("sub/b.png", "b (1).png", "b.tiff", "b.png.part", ".DS_Store"):
        (tmp_path / name).touch()
    failed = imported_requests(list(RECORDS.values()), {"folder": tmp_path}, "mine", {})[0][1]
    assert failed.status == "failed"
    assert "not read: " in failed.reason and str(tmp_path / "b.tiff") in failed.reason
    (tmp_path / "a.jpg").write_bytes((tmp_path / "a.png").read_bytes())
    assert imported_requests([RECORDS["a"]], {"folder": tmp_path}, "mine", {})[0][0].status == "ok"
    smooth_image(8, 8, seed=3).save(tmp_path / "a.jpg")
    with pytest.raises(InputError, match=r"a has two files that differ, .*a\.png, .*a\.jpg; keep one of them"):
        imported_requests([RECORDS["a"]], {"folder": tmp_path}, "mine", {})
