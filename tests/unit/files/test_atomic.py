"""Atomic writes."""

import pytest

from detailscribe.files.atomic import atomic_write, write_if_changed


def test_an_error_keeps_the_old_file_and_leaves_no_temporary_one(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(RuntimeError), atomic_write(path) as temporary:
        temporary.write_text("half")
        raise RuntimeError
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


def test_write_if_changed_keeps_the_mtime_of_equal_content(tmp_path):
    path = tmp_path / "folder" / "a.txt"
    assert write_if_changed(path, "one")
    time = path.stat().st_mtime_ns
    assert not write_if_changed(path, "one")
    assert path.stat().st_mtime_ns == time
    assert write_if_changed(path, "two")
