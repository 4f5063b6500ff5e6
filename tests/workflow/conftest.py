"""The small study is run once; each test works on a copy of its folder."""

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
            study = Study(folder)
            folder.mkdir(exist_ok=True)
            study.prompts(PROMPTS)
            study.snakemake()
            (folder / "done").touch()
    return folder


def copied(source: str, target: str) -> str:
    """A copy; of the models' weights another name of the same file, which no test may write into."""
    if source.endswith(".safetensors"):
        os.link(source, target)
        return target
    return shutil.copy2(source, target)


@pytest.fixture
def study(finished, tmp_path) -> Study:
    """A copy of the finished study, times and all."""
    shutil.copytree(finished, tmp_path / "study", symlinks=True, copy_function=copied)
    return Study(tmp_path / "study")


@pytest.fixture
def fresh(finished, tmp_path) -> Study:
    """An unstarted study; the miniature is there already."""
    shutil.copytree(
        finished / "resources" / "miniature", tmp_path / "fresh" / "resources" / "miniature", copy_function=copied
    )
    study = Study(tmp_path / "fresh")
    parameters = Path("parameters") / "miniature.json"  # were it written anew, the miniature would be built anew
    (study.results / parameters).parent.mkdir(parents=True)
    shutil.copy2(finished / "results" / parameters, study.results / parameters)
    study.prompts(PROMPTS)
    return study
