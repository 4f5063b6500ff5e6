"""Ledger of finished rows."""

import json

import pytest

from detailscribe.files.ledger import Ledger, ledger_line, write_ledger


def test_a_truncated_line_is_skipped_and_appending_continues_after_it(tmp_path):
    path = tmp_path / "ledger.jsonl"
    ledger = Ledger(path)
    ledger.add({"id": "x", "key": "a", "value": 1})
    with open(path, "ab") as file:
        file.write(json.dumps({"id": "x", "key": "b", "value": 2}).encode()[:19])
    ledger = Ledger(path)
    assert ledger.get("x", "b") is None and ledger.truncated == [2]
    ledger.add({"id": "x", "key": "c", "value": 3})
    ledger.add({"id": "x", "key": "a", "value": 4})
    again = Ledger(path)
    assert [again.get("x", key)["value"] for key in "ac"] == [4, 3]
    assert again.get("y", "a") is None
    assert len(again.rows()) == 2 and not again.changed


def test_rows_come_back_without_their_digest(tmp_path):
    row = {"id": "x", "key": "a", "text": "a baker’s\u2028dozen"}
    Ledger(tmp_path / "a.jsonl").add(row)
    write_ledger(tmp_path / "b.jsonl", [row])
    assert (tmp_path / "a.jsonl").read_bytes() == (tmp_path / "b.jsonl").read_bytes() == ledger_line(row)
    assert Ledger(tmp_path / "a.jsonl").rows() == [row] and Ledger(tmp_path / "a.jsonl").unchecked() == []


@pytest.mark.parametrize("position", range(len(ledger_line({"id": "x", "key": "a", "score": 4.25})) - 1))
def test_no_changed_character_of_a_line_is_believed(tmp_path, position):
    path, row = tmp_path / "ledger.jsonl", {"id": "x", "key": "a", "score": 4.25}
    line = bytearray(ledger_line(row))
    line[position] = ord("7") if line[position] != ord("7") else ord("8")
    path.write_bytes(line)
    ledger = Ledger(path)
    assert ledger.rows() == [] and len(ledger.changed) + len(ledger.truncated) == 1


def test_lines_of_earlier_versions_are_believed_and_named(tmp_path):
    path, row = tmp_path / "ledger.jsonl", {"id": "x", "key": "a", "score": 4.25}
    path.write_text(json.dumps(row) + "\n")
    ledger = Ledger(path)
    assert ledger.rows() == ledger.unchecked() == [row]
    ledger.add(row)
    assert ledger.unchecked() == Ledger(path).unchecked() == [] and Ledger(path).rows() == [row]


@pytest.mark.parametrize("line", ["[" * 100_000, "9" * 5000, '{"id": "x"}', '{"id": [], "key": "a"}', "1", "NaN"])
def test_what_is_no_row_is_skipped(tmp_path, line):
    (tmp_path / "ledger.jsonl").write_text(line + "\n" + json.dumps({"id": "x", "key": "a"}) + "\n")
    ledger = Ledger(tmp_path / "ledger.jsonl")
    assert ledger.truncated == [1] and len(ledger.rows()) == 1
