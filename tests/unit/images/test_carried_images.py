"""Carried images: copies of another set's file where there is nothing to correct, and manifests of selections."""

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.digests import digest, file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import write_rows
from detailscribe.images.image_file import is_intact
from detailscribe.images.image_set import ImageRequest
from detailscribe.images.manifest import read_manifest, verified_images
from detailscribe.images.recipes import carried_request
from tests.unit.images.test_image_set import Painter, make, request

SHARD = "000-of-001"


def drawn(folder) -> dict:
    """The row of an image of the set round_1."""
    return make(folder, [request("a", "round_1")], Painter())["round_1"][0]


def carry(folder, image, *image_sets) -> dict[str, dict]:
    """Rows of the sets that carry it; nothing may be drawn."""
    painter = Painter()
    rows = make(folder, [carried_request("a", name, image) for name in image_sets], painter)
    assert painter.asked == []
    return {name: rows[name][0] for name in image_sets}


def ledger(folder, image_set) -> Ledger:
    return Ledger(folder / "s" / "ledgers" / "images" / image_set / f"{SHARD}.jsonl")


def test_a_carried_image_is_the_same_file_in_a_folder_of_its_own(tmp_path):
    image = drawn(tmp_path)
    rows = carry(tmp_path, image, "round_2", "round_3")  # the same key in two sets
    for name, row in rows.items():
        assert row["file"] == image["file"].replace("round_1", name) and row["carried"] is True
        same = ("id", "status", "sha256", "key", "prompt", "seed", "k", "software")
        assert {key: row[key] for key in same} == {key: image[key] for key in same}
        assert (tmp_path / row["file"]).read_bytes() == (tmp_path / image["file"]).read_bytes()
        assert ledger(tmp_path, name).get("a", image["key"]) == row
        assert read_manifest(tmp_path / "s" / "images" / name / f"{SHARD}.jsonl")["a"] == row
    assert "carried" not in image


def test_an_intact_copy_is_kept_and_a_deleted_one_comes_back(tmp_path):
    image = drawn(tmp_path)
    row = carry(tmp_path, image, "round_2")["round_2"]
    copy = tmp_path / row["file"]
    before, lines = copy.stat().st_mtime_ns, (ledger(tmp_path, "round_2").path).read_bytes()
    assert carry(tmp_path, image, "round_2")["round_2"] == row
    assert copy.stat().st_mtime_ns == before and ledger(tmp_path, "round_2").path.read_bytes() == lines
    for damage in (copy.unlink, lambda: copy.write_bytes(b"other")):
        damage()
        assert carry(tmp_path, image, "round_2")["round_2"] == row and is_intact(tmp_path, row)


def test_a_copy_follows_its_image(tmp_path):
    image = drawn(tmp_path)
    carry(tmp_path, image, "round_2")
    path = tmp_path / image["file"]
    path.write_bytes(path.read_bytes() + b" ")  # drawn again on another machine: the same key, other bytes
    again = image | {"sha256": file_sha256(path)}
    row = carry(tmp_path, again, "round_2")["round_2"]
    assert row["sha256"] == again["sha256"] and is_intact(tmp_path, row)


def test_a_deleted_source_stops_the_job_before_it_and_leaves_the_copy(tmp_path):
    image = drawn(tmp_path)
    row = carry(tmp_path, image, "round_2")["round_2"]
    (tmp_path / image["file"]).unlink()
    with pytest.raises(SetupError, match="is missing: run `snakemake verify`, then run again"):
        verified_images(tmp_path / "s" / "images" / "round_1" / f"{SHARD}.jsonl", tmp_path)
    assert carry(tmp_path, image, "round_2")["round_2"] == row


def test_an_image_that_is_corrected_after_all_is_drawn_and_the_other_way_round(tmp_path):
    image = drawn(tmp_path)
    carried = carry(tmp_path, image, "round_2")["round_2"]
    [row] = make(tmp_path, [request("a", "round_2", refined=True)], Painter())["round_2"]
    assert row["key"] != image["key"] and "carried" not in row
    assert carry(tmp_path, image, "round_2")["round_2"] == carried


def test_an_image_of_the_same_recipe_as_a_copy_is_not_called_carried(tmp_path):
    image = drawn(tmp_path)
    carry(tmp_path, image, "round_2")
    own = ImageRequest("a", "round_2", prompt=image["prompt"], seed=1, recipe=request("a", "round_1").recipe)
    assert own.key == image["key"]
    [row] = make(tmp_path, [own], painter := Painter())["round_2"]
    assert "carried" not in row and painter.asked == []


def test_what_a_later_step_needs_to_know_is_carried_too(tmp_path):
    image = drawn(tmp_path) | {"state": {"shifts": [[1, 0.3]]}}
    assert carry(tmp_path, image, "round_2")["round_2"]["state"] == image["state"]


def selected(folder, **changes):
    """The manifest of a selection with one row, of an image of round_1."""
    image = drawn(folder)
    row = {"id": "a", "status": "ok", "reason": "", "image_set": "round_1", "candidate": "round_1", "metric": "m"}
    row |= {key: image[key] for key in ("file", "sha256", "key", "prompt", "seed", "k")}
    path = folder / "s" / "selections" / "best" / f"{SHARD}.jsonl"
    write_rows(path, [row | changes])
    return path


def test_a_selection_is_a_manifest_of_other_sets_images(tmp_path):
    rows = verified_images(selected(tmp_path), tmp_path)
    assert rows["a"]["path"].is_file() and carry(tmp_path, rows["a"], "round_2")["round_2"]["carried"]


def test_a_selection_without_an_image_has_no_path(tmp_path):
    empty = dict.fromkeys(("image_set", "candidate", "file", "sha256", "key", "prompt", "seed", "k"))
    rows = verified_images(selected(tmp_path, status="skipped", reason="no m of o2", **empty), tmp_path)
    assert rows["a"]["path"] is None


@pytest.mark.parametrize(
    "changes",
    [
        {"image_set": "round_2"},  # not the set that holds the file
        {"image_set": None},
        {"id": "b"},
        {"key": digest("another")},
        {"file": "../secret.jpg"},
        {"file": f"other/images/round_1/{SHARD}/a-{'0' * 10}.jpg"},
    ],
)
def test_a_selection_that_names_a_foreign_file_is_refused(tmp_path, changes):
    with pytest.raises(SetupError, match="which is not its own image"):
        read_manifest(selected(tmp_path, **changes))
