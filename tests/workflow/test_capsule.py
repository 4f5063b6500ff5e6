"""A study sealed, verified and replayed elsewhere: no image, key or weights, and the same bytes."""

import json
import os
import zipfile

import pytest

from detailscribe.capsule.__main__ import main
from detailscribe.capsule.check import rerun
from detailscribe.files.rows import to_jsonl
from tests.paths import STUB_PATH
from tests.unit.capsule.check.resealed import reseal

pytestmark = pytest.mark.slow  # several runs of a study each

SCORES = "study/results/small/scores/judge-main/000-of-001.jsonl"


def said_of(capsys, *arguments) -> tuple[int, str]:
    status = main([str(each) for each in arguments])
    said = capsys.readouterr()
    return status, said.out + said.err


def test_a_capsule_is_verified_and_replayed_and_a_resealed_score_and_a_lost_answer_are_named(
    study, tmp_path, capsys, monkeypatch
):
    # Figures are those of the stubs here, as in the study.
    environment = rerun._environment() | {"PYTHONPATH": os.pathsep.join(map(str, STUB_PATH))}
    monkeypatch.setattr(rerun, "_environment", lambda: environment)
    images = study.images()
    study.snakemake("capsule")
    capsule = tmp_path / "capsule.zip"
    (study.results / "capsule.zip").rename(capsule)
    with zipfile.ZipFile(capsule) as archive:
        names = archive.namelist()
        rows = [json.loads(line) for line in archive.read(SCORES).splitlines()]
    assert images and not any(name.endswith(".jpg") for name in names)

    # In a bare folder: rows, tables and figures, byte for byte.
    status, said = said_of(capsys, "replay", capsule, "--folder", tmp_path / "bare")
    assert status == 0 and "NOT MADE" not in said and "DIFFERS" not in said, said
    assert "CLIPScore of" in said and "images are not included" in said
    for pattern in (
        "tables/*.csv",
        "small/tables/*",
        "small/figures/*.svg",
        "small/[cdrs]*/**/*.jsonl",
        "small/dropped.tsv",
    ):
        made = sorted((tmp_path / "bare" / "results").glob(pattern))
        assert made, pattern
        for path in made:
            relative = path.relative_to(tmp_path / "bare")
            assert path.read_bytes() == (study.folder / relative).read_bytes(), relative
    assert not list((tmp_path / "bare").rglob("*.jpg"))

    # One judgement that no answer says, one answer that is gone; sealed as if nothing had happened.
    row = next(row for row in rows if row["score"] is not None)
    row["score"] = 1.0 if row["score"] != 1.0 else 5.0
    critiques = [name for name in names if name.startswith("study/resources/exchanges/") and name.endswith(".json")]
    with zipfile.ZipFile(capsule) as archive:
        lost = next(name for name in critiques if json.loads(archive.read(name))["role"] == "decompose")
    changed = {SCORES: to_jsonl(rows).encode(), lost: None}
    status, said = said_of(capsys, "verify", reseal(capsule, tmp_path / "edited.zip", changed))
    assert status == 1
    assert f"DIFFERS: {tmp_path / 'edited.zip'}: {SCORES}: line " in said, said
    assert "NOT MADE: study/results/small/decompositions/000-of-001.jsonl: " in said and lost[-69:-5] in said, said
