import pytest

from detailscribe.errors import SetupError
from detailscribe.files import digests
from detailscribe.files.digests import assumed_sha256
from detailscribe.files.packed import sha256_of
from detailscribe.files.rows import write_rows
from detailscribe.images.manifest import verified_images
from detailscribe.llm.request import Request
from detailscribe.methods.roles import image_problem
from detailscribe.workflow.replay.absent_images import assume_recorded_images

SHA256 = "ab" * 32
KEY = "0123456789abcdef" + "0" * 48
FILE = f"mine/images/original-1/000-of-001/a-{KEY[:16]}.jpg"
ROW = {"id": "a", "status": "ok", "reason": "", "file": FILE, "sha256": SHA256, "key": KEY}


@pytest.fixture
def results(tmp_path, monkeypatch):
    monkeypatch.setattr(digests, "_ASSUMED", {})
    manifest = tmp_path / "mine" / "images" / "original-1" / "000-of-001.jsonl"
    refused = {"id": "b", "status": "refused", "reason": "no", "file": None, "sha256": None, "key": None}
    write_rows(manifest, [ROW, refused, ROW | {"id": "c"}])  # the last one names another's image
    return tmp_path


def test_a_request_about_an_absent_image_has_the_digest_that_it_was_made_with(results):
    with pytest.raises(FileNotFoundError):
        sha256_of(results / FILE)
    assert assume_recorded_images(results) == 1
    assert sha256_of(results / FILE) == assumed_sha256(results / FILE) == SHA256
    assert Request("judge", "here", "model", [], [results / FILE]).identity["images"] == [SHA256]
    assert image_problem(ROW | {"path": results / FILE}) == ""


def test_an_image_that_is_there_counts_by_its_own_bytes(results):
    (results / FILE).parent.mkdir()
    (results / FILE).write_bytes(b"other")
    assert assume_recorded_images(results) == 0
    assert sha256_of(results / FILE) != SHA256


def test_without_a_replay_an_absent_image_is_missing(results):
    manifest = results / "mine" / "images" / "original-1" / "000-of-001.jsonl"
    write_rows(manifest, [ROW])
    with pytest.raises(SetupError, match="is missing"):
        verified_images(manifest, results)
    assume_recorded_images(results)
    assert verified_images(manifest, results)["a"]["path"] == results / FILE
    assert "missing" in image_problem({"status": "ok", "path": results / "other.jpg"})
