"""Table reader: what is refused, by file and line, and within bounds."""

import time
import tracemalloc

import pytest

from detailscribe.errors import InputError
from detailscribe.files import table_reader
from detailscribe.files.table_reader import json_lines, read_table

REFUSED = {
    "another kind": ("t.ods", b"", "a table is a .csv, .tsv or .jsonl file"),
    "nothing": ("t.csv", b"\n;;;\n", "t.csv: empty; the first line names the columns id, file"),
    "another encoding": ("t.csv", b"id,file\na,caf\xe9\n", "t.csv, line 2: not UTF-8 .byte 0xe9 at column 6."),
    "no text": ("t.csv", b"id,file\na,\0\n", "t.csv, line 2: holds a NUL character"),
    "half of UTF-16": ("t.csv", b"\xff\xfei\0d\0,", "t.csv: marked as UTF-16, but"),
    "a column twice": ("t.csv", b"id,file,File\na,b,c\n", "t.csv, line 1: the column 'file' is there twice"),
    "no column": ("t.csv", b"name;image\na;b\n", "t.csv, line 1: no column id, file; the columns .* are name, image"),
    "an open quotation": ("t.csv", b'id,file\na,b\n"c,d\ne,f\n', "t.csv, line 3: unexpected end of data; a quotation"),
    "a long cell": ("t.csv", b"id,file\na,b\n\n" + b"x" * 200_000 + b",d\n", "t.csv, line 4: field larger than field"),
    "too many cells": ("t.csv", b"id,file\na,b\nc,d,e\n", "t.csv, line 3: 3 cells, but 2 columns"),
    "a list": ("t.jsonl", b'{"id": "a", "file": ["b"]}', "t.jsonl, line 1: id, file must be texts"),
    "a key twice": ("t.jsonl", b'{"id": "a", "id": "b", "file": "c"}', "t.jsonl, line 1: the key 'id' stands there"),
    "a key twice in other case": (
        "t.jsonl",
        b'{"id": "a", "ID": "b", "file": "c"}',
        "t.jsonl, line 1: the column 'id'",
    ),
    "deep": ("t.jsonl", b"\n" + b"[" * 100_000, "t.jsonl, line 2: nested deeper than 100 levels"),
    "a long number": ("t.jsonl", b'{"id": ' + b"1" * 5000 + b"}", "t.jsonl, line 1: a number of more than 400 digits"),
    "no object": ("t.jsonl", b"[1]", "t.jsonl, line 1: not a JSON object"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_a_fault_is_named_by_file_and_line(tmp_path, name):
    file, data, message = REFUSED[name]
    (tmp_path / file).write_bytes(data)
    with pytest.raises(InputError, match=message) as caught:
        read_table(tmp_path / file, [["id"], ["file"]])
    assert len(str(caught.value)) < 600 and "\n" not in str(caught.value)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.csv cannot be read .No such file"):
        read_table(tmp_path / "none.csv", [["id"]])


def test_lines_count_from_the_start_of_a_row_and_cells_may_hold_line_ends(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b'id,file\n"a\nb",c\n\nd\n"e ""f""",g\n')
    assert read_table(path, [["id"], ["file"]]) == [
        (2, {"id": "a\nb", "file": "c"}),
        (5, {"id": "d", "file": ""}),
        (6, {"id": 'e "f"', "file": "g"}),
    ]


def test_stray_rows_take_little_time_and_no_memory(tmp_path):
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,file\na,b\n" + b",,,\n" * 500_000)
    start = time.process_time()
    assert read_table(path, [["id"], ["file"]]) == [(2, {"id": "a", "file": "b"})]
    assert time.process_time() - start < 10
    path.write_bytes(b"id,file\na,b\n" + b",,,\n" * 50_000)
    tracemalloc.start()
    assert len(read_table(path, [["id"], ["file"]])) == 1
    assert tracemalloc.get_traced_memory()[1] < 1e6
    tracemalloc.stop()


def test_a_table_or_a_line_beyond_all_bounds_is_refused_before_it_is_read(tmp_path, monkeypatch):
    path = tmp_path / "t.csv"
    path.write_bytes(b"id,file\na,b\n")
    with pytest.raises(InputError, match="a table has at most 0; remove empty rows"):
        read_table(path, [["id"]], max_bytes=10)
    monkeypatch.setattr(table_reader, "MAX_LINE_BYTES", 10)
    (tmp_path / "t.jsonl").write_bytes(b'"a"\n' + b'"' + b"x" * 20)
    with pytest.raises(InputError, match=r"t\.jsonl, line 2: longer than"):
        list(json_lines(tmp_path / "t.jsonl"))
