"""JSON lines."""

import pytest

from detailscribe.errors import InputError
from detailscribe.files.rows import read_rows, read_score_rows, rows_by_id, write_rows

ROW = '{"id": "a", "image_set": "o", "score": 1.5}\n'


def test_rows_with_any_characters_are_read_as_written(tmp_path):
    rows = [{"id": "a", "text": "a baker’s “dozen”\u2028\nnext"}]
    write_rows(tmp_path / "a.jsonl", rows)
    assert read_rows(tmp_path / "a.jsonl") == rows


@pytest.mark.parametrize(
    ("line", "reason"),
    [
        ('{"id"\n', "JSON"),
        ("\n", "JSON"),
        ("[1]\n", "not a JSON object"),
        ("null\n", "not a JSON object"),
        (ROW.replace("1.5", "Infinity"), "not finite .Infinity"),
        (ROW.replace("1.5", "-Infinity"), "not finite .-Infinity"),
        (ROW.replace("1.5", "NaN"), "not finite .NaN"),
        (ROW.replace("1.5", "1e999"), "not finite .1e999"),
        (ROW.replace("1.5", '[0, {"x": NaN}]'), "not finite .NaN"),
        (ROW.replace("1.5", "9" * 5000), "digits"),
        (ROW.replace("1.5", "[" * 100_000), "nested deeper"),
        ('{"id": "\udcff"}\n', "UTF-8"),
    ],
)
def test_a_line_that_is_no_row_is_refused_by_place(tmp_path, line, reason):
    path = tmp_path / "a.jsonl"
    path.write_bytes((ROW.replace('"a"', '"b"') + line).encode(errors="surrogateescape"))
    for read in (read_rows, read_score_rows, rows_by_id):
        with pytest.raises(InputError, match=rf"a.jsonl, line 2: .*{reason}.*; delete the file and run again"):
            read(path)


@pytest.mark.parametrize(
    ("read", "second", "reason"),
    [
        (read_score_rows, ROW.replace("1.5", "2.5"), "a second row of a o, after line 1"),
        (rows_by_id, ROW.replace('"o"', '"p"'), "a second row of a, after line 1"),
        (read_score_rows, '{"id": "a"}\n', "no image_set"),
        (rows_by_id, "{}\n", "no id"),
        (rows_by_id, '{"id": []}\n', "unhashable"),
    ],
)
def test_a_key_that_is_missing_or_there_twice_is_refused_by_place(tmp_path, read, second, reason):
    path = tmp_path / "a.jsonl"
    path.write_text(ROW + second)
    with pytest.raises(InputError, match=f"a.jsonl, line 2: {reason}"):
        read(path)
    assert len(read_rows(path)) == 2


def test_scores_of_one_prompt_in_two_image_sets_are_two_rows(tmp_path):
    (tmp_path / "a.jsonl").write_text(ROW + ROW.replace('"o"', '"p"'))
    assert len(read_score_rows(tmp_path / "a.jsonl")) == 2
