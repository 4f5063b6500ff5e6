"""Rule inputs: truncated files and changed images are named."""

import os
from pathlib import Path

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.digests import file_sha256
from detailscribe.files.rows import rows_by_id, write_rows
from detailscribe.images.manifest import read_manifest, verified_images
from detailscribe.workflow.inputs import collect_stage_outputs

KEY = "0123456789abcdef" * 4


@pytest.fixture
def manifest(tmp_path):
    """A manifest of two images, below results/ as jobs see it."""
    folder = tmp_path / "s" / "images" / "a" / "000-of-001"
    folder.mkdir(parents=True)
    rows = []
    for id in ("p", "q"):
        (folder / f"{id}-{KEY[:16]}.jpg").write_bytes(id.encode() * 100)
        row = {"id": id, "status": "ok", "reason": "", "file": f"s/images/a/000-of-001/{id}-{KEY[:16]}.jpg", "key": KEY}
        rows.append(row | {"sha256": file_sha256(tmp_path / row["file"])})
    rows.append({"id": "r", "status": "failed", "reason": "no", "file": None, "sha256": None, "key": None})
    path = folder.with_suffix(".jsonl")
    write_rows(path, rows)
    write_rows(tmp_path / "s" / "shards" / path.name, [{"id": row["id"]} for row in rows])
    return path


def test_a_row_that_a_file_lacks_is_named_with_the_way_out(manifest):
    rows = rows_by_id(manifest)
    assert rows["q"]["status"] == "ok"
    with pytest.raises(SetupError, match=r"000-of-001\.jsonl has no row for z: delete that file and run again"):
        rows["z"]


@pytest.mark.parametrize(
    ("spoil", "problem"),
    [
        (lambda path: os.truncate(path, 40), "was changed since it was made"),
        (Path.unlink, "is missing"),
        (lambda path: path.write_bytes(b"x"), "was changed since it was made"),
    ],
)
def test_a_changed_image_is_not_used(manifest, tmp_path, spoil, problem):
    assert [bool(row["path"]) for row in verified_images(manifest, tmp_path).values()] == [True, True, False]
    spoil(manifest.with_suffix("") / f"q-{KEY[:16]}.jpg")
    with pytest.raises(SetupError, match=rf"q-\w+\.jpg {problem}: run `snakemake verify`"):
        verified_images(manifest, tmp_path)


@pytest.mark.parametrize(
    "file",
    [
        "s/images/a/000-of-001/p-{key}.jpg",
        "s/images/b/000-of-001/q-{key}.jpg",
        "s/images/a/000-of-002/q-{key}.jpg",
        "t/images/a/000-of-001/q-{key}.jpg",
        "s/images/a/000-of-001/q-fedcba9876543210.jpg",
        "../s/images/a/000-of-001/q-{key}.jpg",
        "/etc/hostname",
    ],
)
def test_a_row_that_names_another_image_is_refused_wherever_manifests_are_read(manifest, tmp_path, file):
    rows = rows_by_id(manifest)
    rows["q"]["file"] = file.format(key=KEY[:16])
    write_rows(manifest, rows.values())
    for read in (read_manifest, verified_images, lambda path: collect_stage_outputs([path], {"a": "generate"})):
        with pytest.raises(SetupError, match="the row of q names .* is not its own image; delete the file and run"):
            read(manifest)


def test_an_output_that_lost_rows_does_not_reach_the_tables(manifest, tmp_path):
    scores = tmp_path / "s" / "scores" / "clip" / manifest.name
    write_rows(scores, [{"id": id, "image_set": name} for name in ("a", "b") for id in ("p", "q", "r")])
    stage_of = {"a": "generate", "b": "refine"}
    stages, manifests, _ = collect_stage_outputs([manifest, scores], stage_of)
    assert [len(rows) for _, _, rows in stages] == [3, 6] and set(manifests["a"]) == {"p", "q", "r"}
    for path, kept, lacking in [(scores, 5, "r b"), (scores, 3, "p b"), (manifest, 2, "r")]:
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:kept]))
        with pytest.raises(SetupError, match=f"has no row for {lacking}: delete"):
            collect_stage_outputs([manifest, scores], stage_of)
