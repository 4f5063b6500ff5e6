"""Folders that people fill: traces of programs are passed over, and nothing else."""

import pytest

from detailscribe.errors import InputError
from detailscribe.files.brought_files import brought_file, brought_files

TRACES = ["~$a.xlsx", ".~lock.a.xlsx#", "._a.xlsx", ".DS_Store", "Thumbs.db", "desktop.ini", "a.jsonl~", ".a.jsonl.swp"]


def test_traces_of_programs_are_passed_over(tmp_path):
    for name in [*TRACES, "a.xlsx", ".hidden.xlsx", "B.CSV"]:
        (tmp_path / name).touch()
    assert [path.name for path in brought_files(tmp_path)] == [".hidden.xlsx", "B.CSV", "a.xlsx"]
    assert brought_files(tmp_path / "none") == []


@pytest.mark.parametrize(
    ("names", "found"),
    [
        ([], None),
        (["a.jsonl", *TRACES, "b.jsonl", "notes.txt", "abc.jsonl"], "a.jsonl"),
        (["a.JSONL"], "a.JSONL"),
        (["a.json"], "a.json is not read; what it holds belongs into"),
        (["a.jsonl", "a.csv"], "a.csv is not read"),
        (["a.jsonl.txt"], "a.jsonl.txt is not read"),
        (["a.jsonl", "A.JSONL"], "A.JSONL is not read"),
    ],
)
def test_a_file_is_found_and_one_that_would_be_passed_over_is_named(tmp_path, names, found):
    for name in names:
        (tmp_path / name).touch()
    if found and " " in found:
        with pytest.raises(InputError, match=found):
            brought_file(tmp_path / "a.jsonl")
    else:
        assert brought_file(tmp_path / "a.jsonl") == (tmp_path / found if found else None)
