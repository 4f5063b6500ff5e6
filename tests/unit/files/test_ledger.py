"""Ledger of finished rows."""

import json

from detailscribe.files.ledger import Ledger


def test_a_truncated_line_is_skipped_and_appending_continues_after_it(tmp_path):
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
