"""Records of weights in an archive: which commit a branch meant; without folders, never of other studies."""

import json
import tarfile
from pathlib import Path

import pytest

from detailscribe.engines.weight_records import read_weight_record, resolve_model_path, verify_weight_records
from detailscribe.errors import InputError, SetupError
from detailscribe.operations.archive.members import MANIFEST
from detailscribe.operations.archive.pack import pack_study
from detailscribe.operations.archive.secret_scan import find_secret
from detailscribe.operations.archive.unpack import unpack_study
from tests.unit.operations.sample_archive import make_study

COMMIT, DIGEST = "c" * 40, "d" * 64
PLACE = "resources/weights/lab--seeing@main.json"
RECORD = {"repository": "lab/seeing", "revision": "main", "commit": COMMIT, "asked": ["*.json"]}
RECORD |= {"folder": "/home/someone/cache", "files": {"config.json": DIGEST}}
SERVED = {"repository": "lab/seeing", "revision": "main", "files": ["*.json"], "required": []}


def write_json(path: Path, value: object) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(value if isinstance(value, str) else json.dumps(value))


@pytest.fixture
def study(tmp_path):
    """The sample study, whose models are branches; beside it a record of another study, and one of a commit."""
    folder = make_study(tmp_path / "study")
    write_json(folder / "results/parameters/weights-endpoint-local.json", SERVED)
    write_json(folder / "results/parameters/weights-model.json", {"path": "lab/drawing", "revision": "a" * 40})
    write_json(folder / PLACE, RECORD)
    write_json(folder / f"resources/weights/lab--drawing@{'a' * 40}.json", RECORD)
    write_json(folder / "resources/weights/secret--project@main.json", RECORD)
    return folder


def test_only_records_of_the_studys_branches_are_packed_without_the_path_of_their_files(study, tmp_path, monkeypatch):
    packed, other = tmp_path / "s.tar.gz", tmp_path / "other"
    pack_study(packed, study, False)
    with tarfile.open(packed) as tar:
        assert [name for name in tar.getnames() if "weights" in name] == [PLACE]
        assert json.loads(tar.extractfile(MANIFEST).read())["format"] == 2
    unpack_study(packed, other)
    assert json.loads((other / PLACE).read_text()) == {key: RECORD[key] for key in RECORD if key != "folder"}
    assert ", 0 of them are new" in unpack_study(packed, other)
    assert verify_weight_records(other / "resources/weights") == (1, [])
    monkeypatch.chdir(other)
    assert read_weight_record("lab/seeing", "main")["commit"] == COMMIT
    with pytest.raises(SetupError, match=f"lab/seeing at {COMMIT}, .* not on this machine: run `snakemake weights`"):
        resolve_model_path("lab/seeing", "main")
    before = packed.read_bytes()
    monkeypatch.chdir(study)
    pack_study(packed, Path(), False)
    assert packed.read_bytes() == before


def test_a_study_without_branches_has_an_archive_of_the_first_format(tmp_path):
    pack_study(tmp_path / "s.tar.gz", make_study(tmp_path / "study"), False)
    with tarfile.open(tmp_path / "s.tar.gz") as tar:
        assert json.loads(tar.extractfile(MANIFEST).read())["format"] == 1


@pytest.mark.parametrize("there", ["{torn", {**RECORD, "files": {}}, {**RECORD, "repository": "lab/other"}, "[]"])
def test_a_damaged_record_is_named_and_replaced_by_that_of_an_archive(study, tmp_path, there):
    pack_study(tmp_path / "s.tar.gz", study, False)
    write_json(tmp_path / "other" / PLACE, there)
    [problem] = verify_weight_records(tmp_path / "other/resources/weights")[1]
    assert problem.startswith(str(tmp_path / "other" / PLACE)) and "delete it and run" in problem
    unpack_study(tmp_path / "s.tar.gz", tmp_path / "other")
    assert verify_weight_records(tmp_path / "other/resources/weights") == (1, [])
    write_json(study / PLACE, there)
    with pytest.raises(SetupError, match=r"lab--seeing@main.json cannot be packed \(.*snakemake verify"):
        pack_study(tmp_path / "t.tar.gz", study, False)


def test_what_was_fetched_here_is_kept_and_another_commit_is_refused(study, tmp_path):
    pack_study(tmp_path / "s.tar.gz", study, False)
    here = {**RECORD, "folder": "/weights"}
    write_json(tmp_path / "other" / PLACE, here)
    unpack_study(tmp_path / "s.tar.gz", tmp_path / "other")
    assert json.loads((tmp_path / "other" / PLACE).read_text()) == here
    write_json(tmp_path / "third" / PLACE, {**here, "commit": "e" * 40})
    with pytest.raises(InputError, match=f"lab/seeing at {COMMIT}, and .*third has {'e' * 40} for 'main'; unpack into"):
        unpack_study(tmp_path / "s.tar.gz", tmp_path / "third")
    assert not (tmp_path / "third/resources/exchanges").exists()


PORTABLE = {key: RECORD[key] for key in RECORD if key != "folder"}


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (RECORD, "names a folder of another machine"),
        ({**PORTABLE, "folder": ""}, "names a folder of another machine"),
        ({**PORTABLE, "files": {"../../secret": DIGEST}}, "leads out of its repository"),
        ({**PORTABLE, "files": {"/etc/passwd": DIGEST}}, "leads out of its repository"),
        ({**PORTABLE, "files": {"a\\..\\b": DIGEST}}, "leads out of its repository"),
        ({**PORTABLE, "files": {"config.json": "x"}}, "no SHA-256"),
        ({**PORTABLE, "files": ["config.json"]}, "names no file"),
        ({**PORTABLE, "commit": "main"}, "'main' is not a commit"),
        ({**PORTABLE, "commit": 7}, "names no commit"),
        ({**PORTABLE, "asked": "all"}, "asked is not a list"),
        ({**PORTABLE, "revision": None}, "is not a text"),
        ({**PORTABLE, "repository": "lab/other"}, "unlike its name"),
        ({**PORTABLE, "more": 1}, "not a record of weights"),
        ({"commit": COMMIT}, "not a record of weights"),
        ("[" * 5000, "nested deeper|invalid JSON"),
    ],
)
def test_a_foreign_record_unpacks_nothing(study, tmp_path, record, said):
    import hashlib
    import io

    pack_study(tmp_path / "s.tar.gz", study, False)
    text = (record if isinstance(record, str) else json.dumps(record)).encode()
    with tarfile.open(tmp_path / "s.tar.gz") as tar, tarfile.open(tmp_path / "evil.tar.gz", "w:gz") as out:
        for member in tar:
            data = tar.extractfile(member).read()
            if member.name == MANIFEST:
                manifest = json.loads(data)
                manifest["files"][PLACE] = {"sha256": hashlib.sha256(text).hexdigest(), "bytes": len(text)}
                data = json.dumps(manifest).encode()
            data = text if member.name == PLACE else data
            member.size = len(data)
            out.addfile(member, io.BytesIO(data))
    with pytest.raises(InputError, match=f"{PLACE}: .*({said}).*; nothing was unpacked"):
        unpack_study(tmp_path / "evil.tar.gz", tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []


def test_an_address_with_a_password_is_not_packed(tmp_path):
    path = tmp_path / "record.json"
    write_json(path, {**PORTABLE, "repository": "https://me:hidden@example.org/weights.pth"})
    assert find_secret(path) == "an address with a password"
    write_json(path, {**PORTABLE, "repository": "https://example.org/weights.pth"})
    assert find_secret(path) == ""
