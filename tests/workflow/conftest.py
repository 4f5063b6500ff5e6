"""Fixtures of workflow tests: the small study is run once, and each test works on a copy of its folder."""

import os
import shutil
from pathlib import Path

import pytest
from filelock import FileLock

from tests.workflow.small_study import PROMPTS, Study


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The small study after a whole run, made once for all test processes."""
    base = tmp_path_factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "finished"
    with FileLock(f"{folder}.lock"):
        if not (folder / "done").exists():
            study = Study(folder, forked=False)
            folder.mkdir(exist_ok=True)
            study.prompts(PROMPTS)
            study.snakemake()
            (folder / "done").touch()
    return folder


@pytest.fixture
def study(finished, tmp_path) -> Study:
    """A copy of the finished study, with its mtimes."""
    shutil.copytree(finished, tmp_path / "study", symlinks=True)
    return Study(tmp_path / "study")


@pytest.fixture
def fresh(finished, tmp_path) -> Study:
    """An unstarted study; the miniature is there already."""
    study = Study(tmp_path / "fresh")
    study.take_miniature(Study(finished))
    study.prompts(PROMPTS)
    return study
