import json

import pytest

from detailscribe.capsule.check.unpacked import unpack_study
from detailscribe.capsule.layout import CONTENTS, STUDY
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError, SetupError


@pytest.fixture
def reader(capsule):
    with CapsuleReader(capsule) as opened:
        yield opened


def files_of(reader) -> dict:
    return json.loads(reader.read(CONTENTS))["files"]


def test_the_study_is_written_without_what_is_left_out(reader, tmp_path):
    left_out = "results/mine/tables/main.csv"
    unpack_study(reader, tmp_path / "out", files_of(reader), without=[left_out])
    written = {
        path.relative_to(tmp_path / "out").as_posix() for path in (tmp_path / "out").rglob("*") if path.is_file()
    }
    assert written == {name.removeprefix(STUDY) for name in reader.members if name.startswith(STUDY)} - {left_out}


def test_a_member_that_is_not_the_sealed_one_is_named(reader, tmp_path):
    name = "study/results/mine/prompts.jsonl"
    files = files_of(reader) | {name: {"sha256": "0" * 64, "bytes": 1}}
    with pytest.raises(InputError, match=f"{name} is not the sealed file"):
        unpack_study(reader, tmp_path / "out", files)


def test_a_folder_with_something_in_it_is_left_alone(reader, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(InputError, match="is not empty"):
        unpack_study(reader, tmp_path, files_of(reader))
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_full_disk_is_noticed_before_the_first_byte(reader, tmp_path, monkeypatch):
    monkeypatch.setattr("shutil.disk_usage", lambda folder: type("Usage", (), {"free": 10}))
    with pytest.raises(SetupError, match="make room there"):
        unpack_study(reader, tmp_path / "out", files_of(reader))
    assert list((tmp_path / "out").iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(reader, tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(SetupError, match="cannot be written"):
        unpack_study(reader, tmp_path / "file" / "out", files_of(reader))
