import json
import random
import re
import struct
import zipfile

import pytest

from detailscribe.capsule.__main__ import main
from detailscribe.capsule.check import verify
from detailscribe.capsule.check.rebuilt import Rebuilt
from detailscribe.capsule.check.zip_bytes import entries_by_headers
from detailscribe.capsule.contents import Contents, contents_json
from detailscribe.capsule.layout import CONTENTS, CRATE, README
from detailscribe.capsule.sealed_zip import SealedZip
from tests.unit.capsule.check.resealed import reseal

ROWS = "study/results/mine/scores/clip_score/000-of-002.jsonl"


@pytest.fixture
def check(monkeypatch, capsys):
    """The exit status and the words of `capsule-verify`; nothing is made again."""
    monkeypatch.setattr(verify, "rebuild", lambda *args, **options: Rebuilt(same=["results/mine/tables/main.csv"]))

    def run(path) -> tuple[int, str]:
        status = main(["verify", str(path)])
        said = capsys.readouterr()
        return status, said.out + said.err

    return run


def member(capsule, name: str) -> bytes:
    with zipfile.ZipFile(capsule) as archive:
        return archive.read(name)


def test_a_sealed_capsule_is_accepted(capsule, check):
    status, said = check(capsule)
    assert status == 0 and "every byte is as it was sealed" in said and "1 tables follow" in said


def test_fifty_random_changes_of_a_byte_are_all_named(capsule, check, tmp_path, monkeypatch):
    monkeypatch.setattr("detailscribe.capsule.check.changed_byte.SEARCH_S", 0.1)
    data, draw = capsule.read_bytes(), random.Random(26)
    entries = entries_by_headers(data)
    for _ in range(50):
        place = draw.randrange(len(data))
        path = tmp_path / "changed.zip"
        path.write_bytes(data[:place] + bytes([data[place] ^ draw.randrange(1, 256)]) + data[place + 1 :])
        status, said = check(path)
        first, last = re.search(r"DIFFERS: .*?: bytes? ([\d,]+)(?: to ([\d,]+))?: ", said).groups()  # type: ignore
        assert status == 1 and "touches " in said and "Traceback" not in said
        assert int(first.replace(",", "")) <= place <= int((last or first).replace(",", ""))
        if name := next((entry.shown for entry in entries if entry.place <= place < entry.end), ""):
            assert f"{name} (" in said


# What somebody changed and sealed again, with the words that name it.
EDITED = {
    "a row, not its digest": ({ROWS: b'{"id": "x"}\n'}, False, f"{ROWS} (content"),
    "a file that no digest names": ({"study/results/mine/tables/more.csv": b"a\n"}, False, "more.csv is not in"),
    "a file left out": ({ROWS: None}, False, f"{ROWS} is in {CONTENTS} and not in the capsule"),
    "a table, with its digest": ({"study/results/mine/tables/main.csv": b"a\n1\n"}, True, "main.csv is not that of"),
    "another profile": ({CRATE: b'{"@graph": [{"@id": "./", "conformsTo": [], "hasPart": []}]}'}, True, "profile"),
    "no metadata": ({CRATE: b"[]"}, True, "is no metadata"),
}


@pytest.mark.parametrize("case", EDITED)
def test_what_was_sealed_again_is_compared_with_what_the_capsule_says(case, capsule, check, tmp_path):
    changed, digests, words = EDITED[case]
    status, said = check(reseal(capsule, tmp_path / "edited.zip", changed, digests))
    assert status == 1 and words in said, said


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"format": 9}, "the format 9, this version reads 1"),
        ({"files": []}, "lacks entries"),
        ({"files": None}, "lacks entries"),
        ({"files": {"a": {"sha256": 1, "bytes": 2}}}, "lacks entries"),
        ({"date": "2031-01-01"}, "was edited"),
    ],
    ids=["format", "files", "no files", "entry", "date"],
)
def test_contents_that_cannot_be_used_are_refused(change, words, capsule, check, tmp_path):
    contents = json.loads(member(capsule, CONTENTS)) | change
    path = reseal(capsule, tmp_path / "edited.zip", {CONTENTS: json.dumps(contents).encode()})
    status, said = check(path)
    assert status == 2 and words in said and "Traceback" not in said


def test_another_zip_of_the_same_files_is_said_to_be_one(capsule, check, tmp_path):
    path = tmp_path / "other.zip"
    with zipfile.ZipFile(capsule) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    status, said = check(path)
    assert status == 0 and "packed again by another program" in said
    with zipfile.ZipFile(capsule) as archive, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name) + b" " * (name == ROWS))
    status, said = check(path)
    assert status == 1 and ROWS in said


def _zip(path, entries) -> None:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data, mode in entries:
            info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))
            info.create_system, info.external_attr = 3, mode << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(info, data)


def _bomb(path) -> None:
    _zip(path, [(f"study/results/mine/tables/t{chr(97 + n)}.csv", bytes(2**27), 0o100644) for n in range(6)])


def _lying_size(path) -> None:
    """A member that is said to be small and unpacks to much."""
    _zip(path, [("study/results/mine/tables/main.csv", bytes(2**26), 0o100644)])
    data = bytearray(path.read_bytes())
    struct.pack_into("<L", data, 22, 10)
    struct.pack_into("<L", data, data.rindex(b"PK\x01\x02") + 24, 10)
    path.write_bytes(bytes(data))


FILE = 0o100644
HOSTILE = {
    "traversal": lambda path: _zip(path, [("study/../../evil.csv", b"x", FILE)]),
    "absolute": lambda path: _zip(path, [("/etc/evil.csv", b"x", FILE)]),
    "link": lambda path: _zip(path, [("study/results/mine/tables/main.csv", b"/etc/passwd", 0o120777)]),
    "folder": lambda path: _zip(path, [("study/", b"", 0o040755)]),
    "program": lambda path: _zip(path, [("study/run.py", b"x", FILE)]),
    "twice": lambda path: _zip(path, [("study/results/mine/prompts.jsonl", b"1", FILE)] * 2),
    "bomb": _bomb,
    "lying size": _lying_size,
    "no members": lambda path: zipfile.ZipFile(path, "w").close(),
    "no zip": lambda path: path.write_bytes(b"not a zip at all"),
    "empty": lambda path: path.write_bytes(b""),
    "another zip": lambda path: _zip(path, [("README.md", b"hello", FILE)]),
}


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("case", HOSTILE)
@pytest.mark.parametrize("command", ["verify", "replay"])
def test_a_hostile_file_is_refused_by_name_and_nothing_is_written(case, command, check, tmp_path, capsys):
    path = tmp_path / "hostile.zip"
    HOSTILE[case](path)
    before = sorted(tmp_path.rglob("*"))
    status = main([command, str(path), *(["--folder", str(tmp_path / "out")] if command == "replay" else [])])
    said = "".join(capsys.readouterr())
    assert status in (1, 2) and str(path) in said and "Traceback" not in said
    assert [each for each in sorted(tmp_path.rglob("*")) if each.name != "out"] == before


def test_a_file_that_is_not_there_is_named(check, tmp_path):
    status, said = check(tmp_path / "none.zip")
    assert status == 2 and "there is no file" in said


def test_results_that_came_out_otherwise_are_said(capsule, check, monkeypatch):
    rebuilt = Rebuilt(
        same=["results/mine/tables/cost.csv"],
        different={"results/mine/tables/main.csv": "line 2: a in the capsule, b made from it"},
        failed={"results/mine/pairs/p/000-of-001.jsonl": "no answer"},
        taken=["CLIPScore of 4 images: images are not included"],
        other_settings=["compare"],
    )
    monkeypatch.setattr(verify, "rebuild", lambda *args, **options: rebuilt)
    status, said = check(capsule)
    assert status == 1
    for words in (
        "study/results/mine/tables/main.csv: line 2",
        "NOT MADE: study/results/mine/pairs/p/000-of-001.jsonl: no answer",
        "taken from the capsule: CLIPScore of 4 images: images are not included",
        "other parameters than the capsule's for: compare",
    ):
        assert words in said
    assert "the tables follow from what it holds" not in said


def test_a_capsule_with_one_member_names_what_is_missing(tmp_path, check):
    with SealedZip(tmp_path / "small.zip") as sealed:
        sealed.add(README, b"# A study\n")
        sealed.add(CONTENTS, contents_json(Contents("none", False, [], {}), sealed.files))
    status, said = check(tmp_path / "small.zip")
    assert status == 2 and CRATE in said
