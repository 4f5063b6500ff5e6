"""InterActing files: checked against the published digests."""

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.digests import file_sha256
from detailscribe.prompts.interacting import fetch_prompt_file
from detailscribe.study.interacting import SHA256


def test_interacting_files_are_checked_against_the_published_digest(tmp_path):
    name = "toy_data_001.jsonl"
    target = tmp_path / "resources" / name
    with pytest.raises(SetupError, match="no file"):
        fetch_prompt_file(name, target, folder=str(tmp_path))
    (tmp_path / name).write_text("other")
    with pytest.raises(SetupError, match=SHA256[name]):
        fetch_prompt_file(name, target, folder=str(tmp_path))
    with pytest.raises(SetupError, match="cannot download .*interacting_folder"):
        fetch_prompt_file(name, target, base_url="http://127.0.0.1:9")
    assert not list(target.parent.glob("*"))


def test_an_interacting_file_with_the_published_digest_is_accepted(tmp_path, monkeypatch):
    (tmp_path / "toy_data_001.jsonl").write_text("{}")
    monkeypatch.setitem(SHA256, "toy_data_001.jsonl", file_sha256(tmp_path / "toy_data_001.jsonl"))
    fetch_prompt_file("toy_data_001.jsonl", tmp_path / "out.jsonl", base_url=tmp_path.as_uri())
    assert (tmp_path / "out.jsonl").read_text() == "{}"
