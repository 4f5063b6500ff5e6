"""Records of weights: damaged ones, old ones, and branches whose names look alike."""

import json

import pytest

from detailscribe.engines.weight_records import (
    check_weight_record,
    read_weight_record,
    resolve_model_path,
    weight_record_file,
)
from detailscribe.errors import SetupError

COMMIT = "c" * 40
RECORD = {"commit": COMMIT, "repository": "lab/model", "revision": "main", "asked": ["*.json"], "folder": "/w"}
RECORD |= {"files": {"a.json": "0" * 64}}


@pytest.fixture(autouse=True)
def in_an_empty_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def write(name: str, content: str) -> None:
    file = weight_record_file("lab/model", "main").with_name(name)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(content)


DAMAGED = [
    "",
    "{",
    "[]",
    "[" * 5000,
    "null",
    "\ud800".encode("utf-8", "surrogatepass").decode("latin-1"),
    *(json.dumps({**RECORD, key: value}) for key in ("commit", "folder", "repository") for value in (5, None, [], {})),
    *(json.dumps({**RECORD, "asked": value}) for value in (5, None, "a", [5], {})),
    *(json.dumps({**RECORD, "files": value}) for value in (5, None, "a", ["a"], {"a": 5}, {"a": None})),
]


@pytest.mark.parametrize("content", DAMAGED, ids=range(len(DAMAGED)))
def test_a_damaged_record_is_one_sentence(content):
    write("lab--model@main.json", content)
    for function in (read_weight_record, resolve_model_path):
        with pytest.raises(SetupError, match="resources/weights/lab--model@main.json: .*; delete it and run") as caught:
            function("lab/model", "main")
        assert "\n" not in str(caught.value)


def test_old_records_are_read():
    write("lab--model@main.json", json.dumps({"commit": COMMIT, "folder": "/w", "files": {"a": "x"}}))
    record = read_weight_record("lab/model", "main")
    assert record and (record["commit"], record["asked"]) == (COMMIT, [])


def test_branches_that_look_alike_have_records_of_their_own():
    slash, hyphen = weight_record_file("lab/model", "x/y"), weight_record_file("lab/model", "x-y")
    assert hyphen.name == "lab--model@x-y.json" != slash.name
    for file, revision, commit in ((slash, "x/y", "a"), (hyphen, "x-y", "b")):
        write(file.name, json.dumps({**RECORD, "revision": revision, "commit": commit * 40}))
        assert check_weight_record(file)["revision"] == revision
    found = [read_weight_record("lab/model", revision) for revision in ("x/y", "x-y")]
    assert [record and record["commit"][0] for record in found] == ["a", "b"]


def test_a_record_of_another_branch_under_the_old_name_is_not_taken_for_this_ones():
    write("lab--model@x-y.json", json.dumps({**RECORD, "revision": "x/y"}))
    file = weight_record_file("lab/model", "x/y")
    assert file.name == "lab--model@x-y.json" and check_weight_record(file)
    assert read_weight_record("lab/model", "x/y") and read_weight_record("lab/model", "x-y") is None


@pytest.mark.parametrize(
    ("path", "revision", "name"),
    [
        ("lab/model", "", "lab--model"),
        ("lab/model", "main", "lab--model@main"),
        ("lab/model", COMMIT, f"lab--model@{COMMIT}"),
        ("https://x.org/a.pth?b=1", "", "https-----x.org--a.pth-b-1"),
    ],
)
def test_other_records_keep_their_names(path, revision, name):
    assert weight_record_file(path, revision).name == f"{name}.json"
