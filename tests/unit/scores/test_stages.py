"""Scoring, selection, cleaning, importing, verifying: the small workers between the stages."""

import json

import pytest
from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.files.digests import file_sha256
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import read_rows, write_rows
from detailscribe.methods.external import imported_requests, read_image
from detailscribe.methods.select import select_image
from detailscribe.operations.verify import (
    is_failed,
    made_from_exchange,
    remove_outputs_if,
    verify_images,
    verify_resources,
    verify_rows,
)
from detailscribe.prompts.interacting import fetch_prompt_file
from detailscribe.study.interacting import SHA256
from detailscribe.scores.scoring import score_images
from detailscribe.tables.complete_cases import clean, dropped_text

RECORDS = {id: {"id": id, "topic": f"topic {id}", "prompt": f"prompt {id}"} for id in ("a", "b")}


class Scorer:
    """A metric that counts its loads and calls; the score is the image's width."""

    ALGORITHM, LIBRARIES, weights = 1, (), "w"
    loads = calls = 0

    @classmethod
    def load(cls, parameters):
        cls.loads += 1
        return cls()

    def score(self, prompts, images):
        type(self).calls += 1
        return [float(image.width) for image in images]


@pytest.fixture
def scorer():
    return type("Fresh", (Scorer,), {"loads": 0, "calls": 0})


def picture(folder, name, width=8):
    path = folder / name
    Image.new("RGB", (width, 8)).save(path)
    return {"status": "ok", "reason": "", "path": path, "sha256": file_sha256(path)}


def test_images_are_scored_once_and_the_scorer_is_loaded_at_need(tmp_path, scorer):
    sets = {"x": {"a": picture(tmp_path, "a.png", 5), "b": picture(tmp_path, "b.png", 7)}}
    ledger = tmp_path / "ledger.jsonl"
    rows = score_images(RECORDS, sets, {"p": 1}, "", scorer, Ledger(ledger), fingerprints=tmp_path)
    assert [row["score"] for row in rows] == [5.0, 7.0]
    assert score_images(RECORDS, sets, {"p": 1}, "", scorer, Ledger(ledger), fingerprints=tmp_path) == rows
    assert (scorer.loads, scorer.calls) == (1, 2)
    changed = score_images(RECORDS, sets, {"p": 2}, "", scorer, Ledger(ledger), fingerprints=tmp_path)
    assert scorer.calls == 4
    assert changed[0]["fingerprint"] != rows[0]["fingerprint"]


def test_a_missing_or_broken_image_is_a_row_without_a_score(tmp_path, scorer):
    broken = tmp_path / "b.jpg"
    Image.new("RGB", (64, 64), (200, 30, 9)).save(broken)
    broken.write_bytes(broken.read_bytes()[:-40])
    sets = {
        "x": {
            "a": {"status": "refused", "reason": "no", "path": None, "sha256": None},
            "b": {"status": "ok", "reason": "", "path": broken, "sha256": "s"},
        }
    }
    rows = score_images(RECORDS, sets, {}, "", scorer, Ledger(tmp_path / "ledger.jsonl"), fingerprints=tmp_path)
    assert [(row["score"], row["status"]) for row in rows] == [(None, "skipped"), (None, "failed")]
    assert "refused" in rows[0]["reason"] and rows[1]["reason"]


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_score_that_is_no_number_is_a_failure(tmp_path, scorer, value):
    def score(self, prompts, images):
        return [value if images[0].width == 5 else 1.0]

    scorer.score = score
    sets = {"x": {"a": picture(tmp_path, "a.png", 5), "b": picture(tmp_path, "b.png", 7)}}
    rows = score_images(RECORDS, sets, {}, "", scorer, Ledger(tmp_path / "ledger.jsonl"), fingerprints=tmp_path)
    assert [(row["score"], row["status"]) for row in rows] == [(None, "failed"), (1.0, "ok")]


def test_a_scorer_that_fails_at_every_image_stops_the_job(tmp_path, scorer):
    def score(self, prompts, images):
        raise RuntimeError("no kernel image")

    scorer.score = score
    sets = {"x": {id: picture(tmp_path, f"{id}.png") for id in RECORDS}}
    with pytest.raises(SetupError, match="no image could be scored.*no kernel image"):
        score_images(RECORDS, sets, {}, "", scorer, Ledger(tmp_path / "ledger.jsonl"), fingerprints=tmp_path)


def test_a_broken_set_up_of_a_scorer_stops_the_job(tmp_path):
    class Broken(Scorer):
        @classmethod
        def load(cls, parameters):
            raise SetupError("no weights")

    sets = {"x": {id: picture(tmp_path, f"{id}.png") for id in RECORDS}}
    with pytest.raises(SetupError):
        score_images(RECORDS, sets, {}, "", Broken, Ledger(tmp_path / "ledger.jsonl"))


def test_the_best_seed_is_picked_and_a_gap_is_named():
    scores = [
        {"id": "a", "image_set": "o1", "score": 0.2},
        {"id": "a", "image_set": "o2", "score": 0.6},
        {"id": "a", "image_set": "other", "score": 9},
        {"id": "b", "image_set": "o1", "score": 0.3},
        {"id": "b", "image_set": "o2", "score": None},
    ]
    rows = select_image(scores, ["o1", "o2"], "clip_score")
    assert [(row["id"], row["image_set"], row["score"], row["status"]) for row in rows] == [
        ("a", "o2", 0.6, "ok"),
        ("b", None, None, "skipped"),
    ]
    assert rows[1]["reason"] == "no clip_score of o2"


def test_the_dictionary_holds_complete_prompts_and_everything_else_has_a_line():
    good = {"status": "ok", "reason": ""}
    images = {
        "o1": {"a": {"id": "a", **good, "file": "a1"}, "b": {"id": "b", **good, "file": "b1"}},
        "k0": {
            "a": {"id": "a", **good, "file": "a2"},
            "b": {"id": "b", "status": "skipped", "reason": "critique refused", "file": None},
        },
    }
    critiques = [{"id": "a", **good}, {"id": "b", "status": "refused", "reason": "I\tcannot\n"}]
    scores = [{"id": "a", "image_set": "k0", "status": "unparsed", "reason": "no number", "score": None}]
    stages = [
        ("score", "judge-main", scores),
        ("refine", "k0", list(images["k0"].values())),
        ("generate", "o1", list(images["o1"].values())),
        ("critique", "detailscribe", critiques),
    ]
    picked = {"a": {"id": "a", **good, "image_set": "o1"}}
    dictionary, dropped = clean(list(RECORDS.values()), stages, images, picked)
    assert dictionary == [{**RECORDS["a"], "images": {"o1": "a1", "k0": "a2", "multi_seed": "a1"}}]
    assert [(row["id"], row["stage"], row["image_set"], row["status"]) for row in dropped] == [
        ("a", "score", "k0", "unparsed"),
        ("b", "critique", "detailscribe", "refused"),
        ("b", "refine", "k0", "skipped"),
    ]
    lines = dropped_text(dropped).splitlines()
    assert [len(line.split("\t")) for line in lines] == [6] * 4
    assert "judge-main: no number" in lines[1] and "I cannot" in lines[2]


def test_imported_files_are_found_by_id_and_a_gap_is_named(tmp_path):
    Image.new("RGBA", (8, 8)).save(tmp_path / "a.webp")
    image_requests, files = imported_requests(list(RECORDS.values()), {"folder": tmp_path}, "mine", {})
    assert [(image_request.status, image_request.id in files) for image_request in image_requests] == [
        ("ok", True),
        ("failed", False),
    ]
    assert "no file b.png" in image_requests[1].reason
    (tmp_path / "b.png").write_bytes(b"\x89PNG\r\n\x1a\n rubbish")
    assert (
        "b.png is no image" in imported_requests(list(RECORDS.values()), {"folder": tmp_path}, "mine", {})[0][1].reason
    )
    assert read_image(files["a"]).mode == "RGB"


def test_interacting_files_are_checked_against_the_published_digest(tmp_path):
    name = "toy_data_001.jsonl"
    target = tmp_path / "resources" / name
    with pytest.raises(SetupError, match="no file"):
        fetch_prompt_file(name, target, folder=str(tmp_path))
    (tmp_path / name).write_text("other")
    with pytest.raises(SetupError, match=SHA256[name]):
        fetch_prompt_file(name, target, folder=str(tmp_path))
    with pytest.raises(SetupError, match="cannot download .*interacting_folder"):
        fetch_prompt_file(name, target, address="http://127.0.0.1:9")
    assert not list(target.parent.glob("*"))


def test_a_right_interacting_file_is_taken(tmp_path, monkeypatch):
    (tmp_path / "toy_data_001.jsonl").write_text("{}")
    monkeypatch.setitem(SHA256, "toy_data_001.jsonl", file_sha256(tmp_path / "toy_data_001.jsonl"))
    fetch_prompt_file("toy_data_001.jsonl", tmp_path / "out.jsonl", address=tmp_path.as_uri())
    assert (tmp_path / "out.jsonl").read_text() == "{}"


@pytest.fixture
def results(tmp_path):
    """A results folder with two good images, one changed and one missing."""
    folder = tmp_path / "s" / "images" / "o1" / "000-of-001"
    folder.mkdir(parents=True)
    rows = []
    for id in "abcd":
        row = picture(folder, f"{id}.png", ord(id))
        rows.append({"id": id, "status": "ok", "file": f"s/images/o1/000-of-001/{id}.png", "sha256": row["sha256"]})
    rows.append({"id": "e", "status": "failed", "file": None, "sha256": None})
    write_rows(folder.with_suffix(".jsonl"), rows)
    (folder / "c.png").write_bytes(b"changed")
    (folder / "d.png").unlink()
    return tmp_path


def test_verify_moves_changed_images_away_and_marks_their_folder(results):
    manifest = results / "s" / "images" / "o1" / "000-of-001.jsonl"
    time = manifest.stat().st_mtime_ns
    checked, problems = verify_images(results, "s")
    assert checked == 4
    assert ["bytes changed" in problem for problem in problems] == [True, False]
    assert (results / "s" / "changed" / "o1" / "c.png").read_bytes() == b"changed"
    assert manifest.with_suffix("").stat().st_mtime_ns > time


def test_changed_resources_are_removed_to_be_made_again(tmp_path):
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
    assert verify_rows(results, "s") == []
    lines = manifest.read_text().splitlines(keepends=True)
    manifest.write_text(
        {"in a line": "".join(lines)[:50], "at a line's end": lines[0]}.get(cut, "".join([*lines, lines[0]]))
    )
    (manifest.parent / ".000-of-001.jsonl.abc.tmp").write_text("left by a kill")
    [sentence] = verify_rows(results, "s")
    assert "o1/000-of-001.jsonl" in sentence
    assert not manifest.exists()


def test_outputs_of_broken_exchanges_and_of_failures_are_removed_and_no_others(results):
    for name, exchange in (("x", ["one", "two"]), ("y", ["three"])):
        write_rows(results / "s" / "scores" / name / "000-of-001.jsonl", [{"status": "ok", "exchange": exchange}])
    [removed] = remove_outputs_if(results, "s", made_from_exchange({"two"}))
    assert removed.parent.name == "x"
    assert [path.parent.name for path in remove_outputs_if(results, "s", is_failed)] == ["o1"]
    assert len(read_rows(results / "s" / "scores" / "y" / "000-of-001.jsonl")) == 1
