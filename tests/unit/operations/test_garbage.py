"""Garbage collection: unreferenced files are found, and nothing else is removed."""

import os

import pytest

from detailscribe.files.rows import write_rows
from detailscribe.operations.garbage import remove_files, sizes_by_folder, unreferenced_files

KEPT = [
    *(f"s/images/a/000-of-001/{name}.jpg" for name in ("named", "rated", "compared-1", "compared-2", "rated-before")),
    "s/images/b/000-of-001/unfinished.jpg",
]
UNREFERENCED = ["s/images/a/000-of-001/old.jpg", "s/images/a/000-of-001/.new.jpg.x1.tmp", "s/changed/a/old.jpg"]


@pytest.fixture
def results(tmp_path):
    """Results with an image set that has a manifest and one that does not."""
    results = tmp_path / "results"
    for file in [*KEPT, *UNREFERENCED, "s/ledgers/images/a/000-of-001.jsonl", "s/.main.csv.abc.tmp"]:
        (results / file).parent.mkdir(parents=True, exist_ok=True)
        (results / file).write_text("x")
    rows = [{"id": "p", "file": KEPT[0]}, {"id": "q", "file": None}]
    write_rows(results / "s" / "images" / "a" / "000-of-001.jsonl", rows)
    write_rows(results / "s" / "human" / "sheets" / "keep" / "key.jsonl", [{"id": "p", "file": KEPT[1]}])
    write_rows(results / "s" / "human" / "sheets" / "key.jsonl", [{"id": "p", "file": KEPT[4]}])  # of earlier versions
    compared = [{"id": "p", "first_file": KEPT[2], "second_file": KEPT[3]}]
    write_rows(results / "s" / "human" / "pair_sheets" / "keep" / "key.jsonl", compared)
    write_rows(results / "s" / "dictionary.jsonl", [{"id": "p", "images": {"a": KEPT[0]}}])
    return results


def test_unreferenced_files_are_removed_and_no_others(results, tmp_path):
    exchanges = tmp_path / "resources" / "exchanges" / "ab"
    exchanges.mkdir(parents=True)
    for name in ("abcd.json", ".abcd.json.q.tmp"):
        (exchanges / name).touch()
    files = unreferenced_files(results, exchanges.parent)
    expected = [*(results / file for file in [*UNREFERENCED, "s/.main.csv.abc.tmp"]), exchanges / ".abcd.json.q.tmp"]
    assert files == sorted(expected)
    before = {path for path in tmp_path.rglob("*")}
    folder = results / "s" / "images" / "a" / "000-of-001"
    os.utime(folder, (1, 1))
    assert sizes_by_folder(files)[-1] == f"{len(expected)} files, 0.0 MB"
    assert f"{folder}: 2 files, 0.0 MB" in sizes_by_folder(files)
    remove_files(files)
    assert before - set(tmp_path.rglob("*")) == set(expected)
    assert folder.stat().st_mtime == 1  # otherwise its job would run again
    assert unreferenced_files(results, exchanges.parent) == []


def test_latents_stay_with_their_image(results, tmp_path):
    latents = results / "s" / "latents"
    latents.mkdir()
    for name in ("named-k1", "named-k12", "unfinished-k2", "old-k1", "gone-k4", "named", "name-k1"):
        (latents / f"{name}.safetensors").touch()
    found = {path.name for path in unreferenced_files(results, tmp_path) if path.parent == latents}
    assert found == {f"{name}.safetensors" for name in ("old-k1", "gone-k4", "named", "name-k1")}


def test_links_are_not_followed(results, tmp_path):
    outside = tmp_path / "outside"
    (outside / "000-of-001").mkdir(parents=True)
    for parent in (outside, outside / "000-of-001"):
        (parent / "precious.jpg").write_text("x")
    (outside / "000-of-001.jsonl").write_text("")
    folder = results / "s" / "images" / "a" / "000-of-001"
    (folder / "file.jpg").symlink_to(outside / "precious.jpg")
    (folder / "folder").symlink_to(outside)
    (results / "s" / "images" / "linked").symlink_to(outside)
    (results / "linked").symlink_to(outside)
    (results / "s" / "changed" / "linked").symlink_to(outside)
    files = unreferenced_files(results, tmp_path / "none")
    assert {folder / "file.jpg", folder / "folder", results / "s" / "changed" / "linked"} <= set(files)
    assert not [path for path in files if "precious" in path.name]
    remove_files(files)
    assert (outside / "precious.jpg").read_text() == (outside / "000-of-001" / "precious.jpg").read_text() == "x"
    assert (results / "linked").is_symlink() and not (folder / "folder").is_symlink()


def test_a_manifest_that_names_files_elsewhere_removes_nothing_there(results, tmp_path):
    (tmp_path / "precious").write_text("x")
    write_rows(results / "s" / "images" / "a" / "000-of-001.jsonl", [{"id": "p", "file": "../precious"}])
    remove_files(unreferenced_files(results, tmp_path / "none"))
    assert (tmp_path / "precious").exists()
