"""Files that the graph starts from."""

import contextlib

import pytest
import yaml

from detailscribe.errors import InputError
from detailscribe.files.rows import write_rows
from detailscribe.study.study import Study
from detailscribe.workflow.prepare import is_incomplete, prepare
from tests.paths import REPOSITORY


@pytest.mark.parametrize(
    ("file", "mine"), [("resources/interacting/toy_data_001.jsonl", False), ("resources/mine.jsonl", True)]
)
def test_a_broken_prompt_file_is_made_again_unless_it_is_the_users(tmp_path, monkeypatch, file, mine):
    repository = REPOSITORY
    config = yaml.safe_load((repository / "config" / "config.yaml").read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / file).write_text('{"topic"')
    study = Study({**config, "scenarios": {"demo": "config/prompts/demo.jsonl", "mine": file}}, repository)
    with pytest.raises(InputError) if mine else contextlib.nullcontext():
        prepare(study, tmp_path / "results")
    assert (tmp_path / file).exists() == mine


@pytest.mark.parametrize("bytes_lost", [1, 5, 12])
def test_a_dictionary_that_lost_its_end_is_noticed(tmp_path, bytes_lost):
    write_rows(tmp_path / "prompts.jsonl", [{"id": id} for id in ("p", "q", "r")])
    write_rows(tmp_path / "dictionary.jsonl", [{"id": "p"}, {"id": "r"}])
    (tmp_path / "dropped.tsv").write_text("id\ttopic\nq\tfence\n")
    assert not is_incomplete(tmp_path)
    whole = (tmp_path / "dictionary.jsonl").read_bytes()
    (tmp_path / "dictionary.jsonl").write_bytes(whole[:-bytes_lost])
    assert is_incomplete(tmp_path) is (bytes_lost > 1)  # the last line end alone is no loss
