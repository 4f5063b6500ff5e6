"""Cache of built miniature models for tests (tests/miniature_cache.py)."""

import os
import time
from pathlib import Path

import pytest

from tests import miniature_cache


@pytest.fixture
def builds(tmp_path, monkeypatch) -> list[Path]:
    """The builds that really happen; each writes one small file."""
    calls: list[Path] = []

    def build(folder: Path) -> None:
        calls.append(folder)
        (folder / "sd3").mkdir(parents=True)
        (folder / "sd3" / "model_index.json").write_text("{}")

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(miniature_cache, "build_in_new_process", build)
    return calls


def test_the_miniature_is_built_once(builds, monkeypatch):
    folder = miniature_cache.cached_miniature()
    assert (folder / "sd3" / "model_index.json").read_text() == "{}"
    assert miniature_cache.cached_miniature() == folder
    assert len(builds) == 1
    monkeypatch.setattr(miniature_cache, "version", lambda library: "another")
    assert miniature_cache.cached_miniature() != folder
    assert len(builds) == 2


@pytest.mark.parametrize("damage", ["changed", "missing", "additional", "unfinished"])
def test_a_damaged_build_is_replaced(builds, damage):
    folder = miniature_cache.cached_miniature()
    file = folder / "sd3" / "model_index.json"
    if damage == "changed":
        file.write_text("[]")
    elif damage == "missing":
        file.unlink()
    elif damage == "additional":
        (folder / "other").write_text("")
    else:
        (folder.parent / "files.json").unlink()
    assert miniature_cache.cached_miniature() == folder
    assert len(builds) == 2
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*.*")] == ["sd3/model_index.json"]
    assert file.read_text() == "{}"


def test_a_failed_build_leaves_nothing_in_the_cache(builds, monkeypatch, tmp_path):
    monkeypatch.setattr(miniature_cache, "build_in_new_process", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        miniature_cache.cached_miniature()
    assert [path for path in (tmp_path / "detailscribe-tests").iterdir() if path.is_dir()] == []


def test_unused_builds_are_removed(builds, tmp_path):
    old, recent = (tmp_path / "detailscribe-tests" / name for name in ("old", "recent"))
    for folder, days in ((old, 15), (recent, 13)):
        folder.mkdir(parents=True)
        os.utime(folder, (time.time() - days * 86400,) * 2)
    miniature_cache.cached_miniature()
    assert recent.is_dir()
    assert not old.exists()
