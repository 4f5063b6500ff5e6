"""Sides of a comparison that are refused: changed after they were sealed, or not to be read."""

import shutil
import zipfile
from pathlib import Path

import pytest

from detailscribe.errors import InputError
from tests.unit.capsule.compare.small_study import (
    CLIP,
    DEMO,
    MAIN,
    capsule_of,
    compared,
    read_rows,
    small_study,
    write_rows,
)


@pytest.fixture
def study(tmp_path) -> Path:
    return small_study(tmp_path / "a")


def _zipped(folder):
    with zipfile.ZipFile(folder.with_suffix(".zip"), "w") as archive:
        for file in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.write(file, file.relative_to(folder))
    return Path(archive.filename)


@pytest.mark.parametrize("form", ["zip", "unpacked"])
def test_a_capsule_with_an_edited_score_is_not_compared(study, tmp_path, form):
    """Its `capsule.json` still names the digest of the score that was sealed."""
    capsule, forged = capsule_of(study, tmp_path / "c.zip"), tmp_path / "forged"
    shutil.unpack_archive(capsule, forged)
    rows = read_rows(forged / "study" / CLIP)
    rows[0]["score"] += 1
    write_rows(forged / "study" / CLIP, rows)
    if form == "zip":
        forged = _zipped(forged)
    with pytest.raises(InputError, match=f"{Path(CLIP).name} was changed after it was sealed; "):
        compared(forged, capsule)


@pytest.mark.parametrize("file", [CLIP, MAIN, f"{DEMO}/dropped.tsv"])
def test_an_unpacked_capsule_that_lost_a_file_is_not_compared(study, tmp_path, file):
    capsule, unpacked = capsule_of(study, tmp_path / "c.zip"), tmp_path / "unpacked"
    shutil.unpack_archive(capsule, unpacked)
    (unpacked / "study" / file).unlink()
    with pytest.raises(InputError, match=f"study/{file} was removed .*; unpack the capsule again"):
        compared(capsule, unpacked)


UNREADABLE = {
    "no file": (lambda root: Path("none.zip"), "there is no file none.zip"),
    "an empty folder": (lambda root: root.parent, "neither a capsule nor the folder of a study"),
    "no results": (lambda root: shutil.rmtree(root / DEMO) or root, "holds no results of a scenario"),
    "another format": (
        lambda root: capsule_of(root, root.with_name("c.zip"), format=99),
        "has the format 99, this version reads 1",
    ),
    "no format": (lambda root: capsule_of(root, root.with_name("c.zip"), format="x"), "has the format x, this version"),
    "a broken line": (lambda root: (root / CLIP).write_text('{"id": 1}\n{"id"') and root, f"{CLIP}, line 2: "),
    "a list for a row": (lambda root: (root / CLIP).write_text("[1]\n") and root, f"{CLIP}, line 1: not a JSON object"),
    "a broken record": (
        lambda root: (root / "results/parameters/generate-1.json").write_text("{") and root,
        "generate-1.json: ",
    ),
    "a deep record": (
        lambda root: (
            (root / "results/parameters/generate-1.json").write_text('{"a":' * 5000 + "1" + "}" * 5000) and root
        ),
        "nested deeper",
    ),
    "a ragged table": (
        lambda root: (root / MAIN).write_text("a,b\n1,2\n3\n") and root,
        "main.csv, row 3: 1 cells, 2 columns",
    ),
    "no text": (lambda root: (root / MAIN).write_bytes(b"\xff\xfe\x00") and root, "main.csv: "),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_what_cannot_be_read_is_named(study, tmp_path, case):
    make, words = UNREADABLE[case]
    with pytest.raises(InputError) as raised:
        compared(make(study), study)
    assert words in str(raised.value)
