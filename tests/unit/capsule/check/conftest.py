"""The capsule of a stub study, made once."""

from pathlib import Path

import pytest

from detailscribe.capsule.make import make_capsule
from detailscribe.workflow.parameters import stage_parameters
from tests.paths import REPOSITORY
from tests.stub_study import StubStudy


@pytest.fixture(scope="session")
def capsule(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("sealed")
    study = StubStudy(folder / "study")
    study.write()
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.chdir(study.folder)
        make_capsule(folder / "capsule.zip", REPOSITORY, study.config, stage_parameters)
    return folder / "capsule.zip"
