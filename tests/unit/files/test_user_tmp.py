"""Folders of the user: mode, owner, and the one place per machine of what jobs share."""

import os

import pytest

from detailscribe.errors import SetupError
from detailscribe.files import user_tmp as module
from detailscribe.files.user_tmp import shared_by_jobs, user_tmp


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """Where `user_tmp("mine")` is; the machine's place is another."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv(module.VARIABLE, raising=False)
    monkeypatch.setattr(module, "MACHINE", tmp_path / "machine")
    return tmp_path / f"mine-{os.getuid()}"


@pytest.fixture(params=[user_tmp, shared_by_jobs], ids=lambda function: function.__name__)
def place(request, folder, tmp_path):
    """Both functions, with the folder that each returns."""
    tmp_path.joinpath("machine").mkdir()
    return request.param, folder if request.param is user_tmp else tmp_path / "machine" / folder.name


def test_only_the_user_can_use_the_folder(place):
    function, folder = place
    assert function("mine") == function("mine") == folder
    assert folder.stat().st_mode & 0o777 == 0o700
    folder.chmod(0o777)
    assert function("mine").stat().st_mode & 0o777 == 0o700


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


def test_what_jobs_share_is_in_one_place_whatever_tmpdir_says(tmp_path, monkeypatch):
    found = set()
    for name in ("one", "two"):
        monkeypatch.setattr("tempfile.tempdir", str(tmp_path / name))
        found.add(shared_by_jobs("mine"))
    assert found == {tmp_path / "machine" / f"mine-{os.getuid()}"}


@pytest.mark.parametrize("in_the_way", ["file", "link"])
def test_where_that_place_cannot_be_used_the_temporary_folder_is(folder, tmp_path, monkeypatch, in_the_way):
    place = tmp_path / "machine" / folder.name
    place.parent.mkdir()
    place.write_text("") if in_the_way == "file" else place.symlink_to(tmp_path)
    assert shared_by_jobs("mine") == folder
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "machine"))
    with pytest.raises(SetupError, match="or set DETAILSCRIBE_LOCKS to a folder"):
        shared_by_jobs("mine")


def test_the_user_may_choose_the_place(tmp_path, monkeypatch):
    monkeypatch.setenv("DETAILSCRIBE_LOCKS", str(tmp_path / "chosen"))
    assert shared_by_jobs("mine").parent == tmp_path / "chosen"
