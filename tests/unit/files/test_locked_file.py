"""Locked file: a JSON value and exclusive slots."""

from detailscribe.files.locked_file import LockedFile


def test_the_value_survives_damage_and_a_shorter_value(tmp_path):
    path = tmp_path / "x.json"
    path.write_text("{torn")
    file = LockedFile(path)
    assert file.read() == {}
    with file.update() as value:
        value["long"] = "x" * 100
    with file.update() as value:
        value["long"] = 1
    assert file.read() == {"long": 1}


def test_a_slot_is_exclusive_until_it_is_released(tmp_path):
    file = LockedFile(tmp_path / "x.json")
    assert file.try_lock(7) and not file.try_lock(7) and file.is_held(7)
    file.release(7)
    assert not file.is_held(7)
