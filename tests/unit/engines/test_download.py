"""Download of weights: the record, and files that differ from it."""

import hashlib
import json

import pytest

from detailscribe.engines import download
from detailscribe.engines.download import fetch_address, fetch_repository
from detailscribe.engines.weight_records import FETCH_AGAIN, verify_weight_records, weight_record_file
from detailscribe.errors import SetupError


def test_the_file_of_a_url_is_recorded_and_checked(tmp_path, monkeypatch):
    import torch

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path / "torch"))
    (tmp_path / "there.pth").write_bytes(b"weights")
    address = f"file://{tmp_path}/there.pth"
    record = fetch_address(address)
    assert record["files"] == {"there.pth": hashlib.sha256(b"weights").hexdigest()}
    assert (verify_weight_records(), fetch_address(address)) == ((1, []), record)
    kept = tmp_path / "torch" / "checkpoints" / "there.pth"
    kept.write_bytes(b"others")
    assert verify_weight_records() == (1, [f"{kept}: not as it was fetched; delete it and {FETCH_AGAIN}"])
    with pytest.raises(SetupError, match="not as it was fetched"):
        fetch_address(address)
    kept.unlink()
    assert "no longer there" in verify_weight_records()[1][0]
    assert fetch_address(address) == record
    with pytest.raises(SetupError, match=r"nowhere\.pth could not be fetched"):
        fetch_address(f"file://{tmp_path}/nowhere.pth")


def test_the_commit_of_an_archive_is_fetched_with_everything_that_was_asked_of_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "hub").mkdir()
    for name in ("a.json", "b.txt"):
        (tmp_path / "hub" / name).write_text(name)
    files = {name: hashlib.sha256(name.encode()).hexdigest() for name in ("a.json", "b.txt")}
    record = {"repository": "lab/seeing", "revision": "main", "commit": "c" * 40, "asked": ["a.json", "b.txt"]}
    path = weight_record_file("lab/seeing", "main")
    path.parent.mkdir(parents=True)
    path.write_text(json.dumps({**record, "files": files}))
    asked = []
    monkeypatch.setattr(download, "_download", lambda *each: asked.append(each) or (each[2], str(tmp_path / "hub")))
    assert fetch_repository("lab/seeing", "main", ["a.json"]) == {
        **record,
        "folder": str(tmp_path / "hub"),
        "files": files,
    }
    assert asked == [("lab/seeing", "main", "c" * 40, ["a.json", "b.txt"])]
