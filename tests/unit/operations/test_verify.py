"""Verification of results: changed images, resources and cut manifests, and removal of outputs."""

import hashlib
import json

import pytest
from PIL import Image

from detailscribe.files.digests import file_sha256
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.images.image_file import save_image
from detailscribe.operations.outputs import (
    made_from_exchange,
    remove_damaged_outputs,
    remove_outputs_if,
)
from detailscribe.operations.verify import verify_images, verify_resources, verify_study

KEYS = {id: hashlib.sha256(id.encode()).hexdigest() for id in "abcd"}


def image_name(id: str) -> str:
    return f"{id}-{KEYS[id][:16]}.png"


@pytest.fixture
def results(tmp_path):
    """A results folder with two good images, one changed and one missing."""
    folder = tmp_path / "s" / "images" / "o1" / "000-of-001"
    folder.mkdir(parents=True)
    rows = []
    for id in "abcd":
        file = folder / image_name(id)
        save_image(Image.new("RGB", (ord(id), 8)), file, {"format": "png"}, {"key": KEYS[id]})
        row = {"id": id, "status": "ok", "file": str(file.relative_to(tmp_path)), "sha256": file_sha256(file)}
        rows.append(row | {"key": KEYS[id]})
    rows.append({"id": "e", "status": "failed", "file": None, "sha256": None, "key": None})
    write_rows(folder.with_suffix(".jsonl"), rows)
    (folder / image_name("c")).write_bytes(b"changed")
    (folder / image_name("d")).unlink()
    return tmp_path


def test_verify_moves_changed_images_away_and_marks_their_folder(results):
    manifest = results / "s" / "images" / "o1" / "000-of-001.jsonl"
    time = manifest.stat().st_mtime_ns
    checked, problems = verify_images(results, "s")
    assert checked == 4
    assert ["was changed" in problem for problem in problems] == [True, False]
    assert (results / "s" / "changed" / "o1" / image_name("c")).read_bytes() == b"changed"
    assert manifest.with_suffix("").stat().st_mtime_ns > time


def swapped(first: dict, second: dict, columns: set[str]) -> list[dict]:
    return [{**one, **{key: other[key] for key in columns}} for one, other in ((first, second), (second, first))]


@pytest.mark.parametrize("columns", [{"id"}, {"file"}, {"key"}, {"file", "sha256"}, {"file", "sha256", "key"}])
def test_rows_that_name_each_others_images_are_seen_without_a_record(results, columns):
    manifest = results / "s" / "images" / "o1" / "000-of-001.jsonl"
    first, second, *_ = read_rows(manifest)
    write_rows(manifest, swapped(first, second, columns))
    _, [problem] = verify_images(results, "s")
    assert "2 rows name an image that is not theirs" in problem and not manifest.exists()
    assert (results / first["file"]).is_file() and (results / second["file"]).is_file()


def test_images_that_were_swapped_with_their_digests_are_seen_by_the_key_inside(results):
    manifest = results / "s" / "images" / "o1" / "000-of-001.jsonl"
    first, second, *_ = read_rows(manifest)
    write_rows(manifest, swapped(first, second, {"sha256"}))
    one, other = results / first["file"], results / second["file"]
    data = one.read_bytes()
    one.write_bytes(other.read_bytes())
    other.write_bytes(data)
    _, problems = verify_images(results, "s")
    assert ["holds another image than that of" in problem for problem in problems] == [True, True]


def test_changed_resources_are_removed_to_be_rebuilt(tmp_path):
    (tmp_path / "interacting").mkdir()
    (tmp_path / "miniature").mkdir()
    (tmp_path / "interacting" / "toy_data_001.jsonl").write_text("{}")
    (tmp_path / "miniature" / "weights").write_text("w")
    digests = tmp_path / "miniature" / "digests.json"
    digests.write_text(json.dumps({"weights": file_sha256(tmp_path / "miniature" / "weights")}))
    checked, problems = verify_resources(tmp_path)
    assert (checked, len(problems)) == (2, 1)
    assert not (tmp_path / "interacting" / "toy_data_001.jsonl").exists() and digests.exists()
    (tmp_path / "miniature" / "weights").write_text("x")
    assert "not as it was built" in verify_resources(tmp_path)[1][0]
    assert not digests.exists()


@pytest.mark.parametrize("cut", ["in a line", "at a line's end", "twice"])
def test_a_manifest_that_lost_rows_is_found(results, cut):
    manifest = results / "s" / "images" / "o1" / "000-of-001.jsonl"
    write_rows(results / "s" / "shards" / "000-of-001.jsonl", [{"id": id} for id in "abcde"])
    assert remove_damaged_outputs(results, "s") == []
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text(
        {"in a line": "".join(lines)[:50], "at a line's end": lines[0]}.get(cut, "".join([*lines, lines[0]]))
    )
    (manifest.parent / ".000-of-001.jsonl.abc.tmp").write_text("left by a kill")
    [message] = remove_damaged_outputs(results, "s")
    assert "o1/000-of-001.jsonl" in message
    assert not manifest.exists()


def test_outputs_of_broken_exchanges_and_of_failures_are_removed_and_no_others(results):
    for name, exchange in (("x", ["one", "two"]), ("y", ["three"])):
        write_rows(results / "s" / "scores" / name / "000-of-001.jsonl", [{"status": "ok", "exchange": exchange}])
    assert remove_outputs_if(results, "s", made_from_exchange({"two"}), "is stale") == [
        f"{results}/s/scores/x/000-of-001.jsonl: is stale; removed"
    ]
    [failed] = remove_outputs_if(results, "s", lambda row: row["status"] == "failed", "has failed rows")
    assert failed.startswith(f"{results}/s/images/o1/")
    assert len(read_rows(results / "s" / "scores" / "y" / "000-of-001.jsonl")) == 1


def test_a_damaged_exchange_is_removed_with_the_rows_made_from_it(results, tmp_path):
    exchange = tmp_path / "resources" / "exchanges" / "ab" / ("ab" * 32 + ".json")
    exchange.parent.mkdir(parents=True)
    exchange.write_text("{cut")
    output = results / "s" / "critiques" / "c" / "000-of-001.jsonl"
    write_rows(output, [{"id": "a", "status": "ok", "exchange": exchange.stem}])
    *problems, counts = verify_study(results, tmp_path / "resources", ["s"])
    assert not exchange.exists() and not output.exists()
    assert any(problem == f"{output}: made from a damaged exchange; removed" for problem in problems)
    assert (results / "changed" / exchange.relative_to(results)).read_text() == "{cut"
    assert counts == "4 files and every exchange checked, 4 problems; run again to remake them"
    *problems, counts = verify_study(results, tmp_path / "resources", [])
    assert (problems, counts) == ([], "1 files and every exchange checked, 0 problems")


def test_files_of_the_user_and_what_cannot_be_read_are_never_deleted(results, tmp_path):
    notes = results / "s" / "scores" / "judge-main" / "remarks.jsonl"
    notes.parent.mkdir(parents=True)
    notes.write_text("notes")
    output = notes.with_name("000-of-001.jsonl")
    output.write_text("{cut")
    (tmp_path / "resources" / "exchanges" / "ab" / "x.json").mkdir(parents=True)
    messages = verify_study(results, tmp_path / "resources", ["s"])
    assert notes.read_text() == "notes"
    assert (results / "changed" / output.relative_to(results)).read_text() == "{cut"
    assert any(f"{output}: cannot be read" in message and "removed to" in message for message in messages)
