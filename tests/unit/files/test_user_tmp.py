"""Temporary folder of the user: mode, owner."""

import os

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.user_tmp import user_tmp


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path / f"mine-{os.getuid()}"


def test_only_the_user_can_read_the_folder(folder):
    assert user_tmp("mine") == user_tmp("mine") == folder
    assert folder.stat().st_mode & 0o777 == 0o700


def test_a_link_in_its_place_is_refused(folder, tmp_path):
    folder.symlink_to(tmp_path)
    with pytest.raises(SetupError, match="belongs to another user; remove it, or set TMPDIR"):
        user_tmp("mine")


def test_a_folder_of_another_user_is_refused(monkeypatch):
    user_tmp("mine")
    real = os.getuid()
    monkeypatch.setattr("os.getuid", iter([real, real + 1]).__next__)
    with pytest.raises(SetupError, match="belongs to another user"):
        user_tmp("mine")


def test_a_file_in_its_place_is_refused(folder):
    folder.write_text("")
    with pytest.raises(SetupError, match="cannot be created .File exists"):
        user_tmp("mine")
