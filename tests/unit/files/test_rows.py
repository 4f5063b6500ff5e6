import json

import pytest

from detailscribe.files.atomic import atomic_write, write_if_changed
from detailscribe.files.digests import digest
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import read_rows, write_rows


def test_digest_depends_on_content_and_not_on_key_order():
    assert digest({"a": 1, "b": "é"}) == digest({"b": "é", "a": 1})
    assert digest({"a": 1}) != digest({"a": 1.5})


def test_replacing_leaves_the_old_file_and_no_temporary_one_after_an_error(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_if_changed_keeps_the_time_of_equal_content(tmp_path):
    path = tmp_path / "folder" / "a.txt"
    assert write_if_changed(path, "one")
    time = path.stat().st_mtime_ns
    assert not write_if_changed(path, "one")
    assert path.stat().st_mtime_ns == time
    assert write_if_changed(path, "two")


def test_rows_come_back_with_any_characters(tmp_path):
    rows = [{"id": "a", "text": "a baker’s “dozen”\u2028\nnext"}]
    write_rows(tmp_path / "a.jsonl", rows)
    assert read_rows(tmp_path / "a.jsonl") == rows


def test_a_broken_line_is_named(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n{"id"\n')
    with pytest.raises(ValueError, match=r"a.jsonl, line 2: not JSON"):
        read_rows(path)


def test_ledger_survives_a_torn_line_and_goes_on_after_it(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.add({"id": "x", "key": "a", "value": 1})
    with open(path, "ab") as file:
        file.write(json.dumps({"id": "x", "key": "b", "value": 2}).encode()[:19])
    ledger = Ledger(path)
    assert ledger.get("x", "b") is None
    ledger.add({"id": "x", "key": "c", "value": 3})
    ledger.add({"id": "x", "key": "a", "value": 4})
    again = Ledger(path)
    assert [again.get("x", key)["value"] for key in "ac"] == [4, 3]
    assert again.get("y", "a") is None
    assert len(again.rows()) == 2
