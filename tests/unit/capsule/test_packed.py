"""A packed study becomes the same capsule, and is the same study to `compare`, as with its files loose."""

import json
import shutil
from pathlib import Path

import pytest

from detailscribe.capsule.__main__ import main
from detailscribe.capsule.make import make_capsule
from detailscribe.errors import SetupError
from detailscribe.files.packed import ARCHIVE
from detailscribe.llm.exchange_store import exchange_text
from detailscribe.llm.response_body import MAX_INLINE_BYTES, write_body
from detailscribe.operations.archive.members import STORE
from detailscribe.operations.packing.exchanges import pack_exchanges
from detailscribe.operations.packing.images import pack_images
from detailscribe.workflow.parameters import stage_parameters
from tests.paths import REPOSITORY
from tests.stub_study import SCENARIO, StubStudy


@pytest.fixture(scope="module")
def loose(tmp_path_factory) -> StubStudy:
    """The stub study with two large bodies: one goes into a capsule as it is, one loses a key."""
    study = StubStudy(tmp_path_factory.mktemp("packed") / "study")
    study.write()
    bodies = {"decompose": {}, "critique": {"private": "x"}}
    for role, more in bodies.items():
        path = next(path for path in sorted((study.folder / STORE).glob("*/*.json")) if f'"{role}"' in path.read_text())
        exchange = json.loads(path.read_text(encoding="utf-8"))
        content = {"message": {"content": f"{role} " * MAX_INLINE_BYTES}}
        exchange["body"] = write_body(path, {"choices": [content], **more})
        path.write_text(exchange_text(exchange), encoding="utf-8")
    return study


@pytest.fixture(scope="module")
def packed(loose) -> Path:
    """A copy of it without a loose image or exchange."""
    folder = loose.folder.with_name("packed")
    shutil.copytree(loose.folder, folder)
    images, _, messages = pack_images(folder / "results", [SCENARIO])
    assert images == 3 * len(loose.study.image_sets()) and messages == []
    files, _, messages = pack_exchanges(folder / STORE)
    assert files == sum(path.is_file() for path in (loose.folder / STORE).glob("*/*")) and messages == []
    pictures = (path for kind in ("*.jpg", "*.jpeg", "*.gz") for path in folder.rglob(kind))
    assert [*pictures, *(folder / STORE).glob("*/*.json")] == []
    return folder


def seal(study: StubStudy, folder: Path, capsule: Path, monkeypatch, **options) -> bytes:
    monkeypatch.chdir(folder)
    make_capsule(capsule, REPOSITORY, study.config | {"capsule": options}, stage_parameters)
    return capsule.read_bytes()


@pytest.mark.parametrize("options", [{}, {"images": "whole"}, {"images": "thumbnails", "report": True}])
def test_a_packed_study_has_the_same_capsule(loose, packed, tmp_path, monkeypatch, options):
    capsules = [
        seal(loose, folder, tmp_path / f"{folder.name}.zip", monkeypatch, **options)
        for folder in (loose.folder, packed)
    ]
    assert capsules[0] == capsules[1]


def test_a_packed_study_compares_as_equal(loose, packed, capsys):
    assert main(["compare", str(loose.folder), str(packed)]) == 0
    assert "Nothing differs" in capsys.readouterr().out


def test_a_damaged_archive_is_not_sealed(loose, packed, tmp_path, monkeypatch):
    folder = tmp_path / "damaged"
    shutil.copytree(packed, folder)
    archive = sorted(folder.glob(f"results/{SCENARIO}/images/*/*/{ARCHIVE}"))[0]
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(SetupError, match=f"{ARCHIVE} is damaged .*snakemake verify"):
        seal(loose, folder, tmp_path / "a.zip", monkeypatch, images="whole")
    assert not (tmp_path / "a.zip").exists()
