"""JSON lines."""

import pytest

from detailscribe.files.rows import read_rows, write_rows


def test_rows_with_any_characters_are_read_as_written(tmp_path):
    rows = [{"id": "a", "text": "a baker’s “dozen”\u2028\nnext"}]
    write_rows(tmp_path / "a.jsonl", rows)
    assert read_rows(tmp_path / "a.jsonl") == rows


def test_the_error_names_the_broken_line(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text('{"id": 1}\n{"id"\n')
    with pytest.raises(ValueError, match=r"a.jsonl, line 2: not JSON"):
        read_rows(path)
