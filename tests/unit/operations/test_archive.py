"""Archive of a study: complete, verified, safe to unpack, without secrets."""

import hashlib
import io
import json
import shutil
import tarfile

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import write_rows
from detailscribe.images.seconds import LEDGERS, seconds_of
from detailscribe.llm import exchange_store
from detailscribe.operations.archive.members import MANIFEST, STORE
from detailscribe.operations.archive.pack import pack_study
from detailscribe.operations.archive.unpack import unpack_study
from tests.unit.operations.sample_archive import ROW, SECONDS, make_study, record

SECRET = "sk-planted-0123456789abcdef"


@pytest.fixture
def study(tmp_path):
    """A study with a decomposition, two judgements and two images, hosted and generated; a further exchange."""
    return make_study(tmp_path / "study")


def names(packed) -> list[str]:
    with tarfile.open(packed) as tar:
        return tar.getnames()


@pytest.mark.parametrize("images", [False, True])
def test_an_archive_holds_the_studys_exchanges_and_unpacks_to_equal_files(study, tmp_path, images):
    packed, other = tmp_path / "s.tar.gz", tmp_path / "other"
    assert "4 exchanges" in pack_study(packed, study, images)
    found = names(packed)
    assert found[0] == MANIFEST
    assert sum(name.endswith(".json") for name in found) == 5 and sum(name.endswith(".png") for name in found) == 1
    assert any("original-1" in name for name in found) is images
    unpack_study(packed, other)
    assert exchange_store.damaged_exchanges(other / STORE) == []
    for name in found[1:]:
        assert (other / name).read_bytes() == (study / name).read_bytes()
    assert not list(other.glob(".unpacking*"))
    before = packed.read_bytes()
    pack_study(packed, study, images)
    assert packed.read_bytes() == before
    assert ", 0 of them are new" in unpack_study(packed, other)


def test_existing_files_are_kept_and_damaged_ones_replaced(study, tmp_path):
    packed, other = tmp_path / "s.tar.gz", tmp_path / "other"
    pack_study(packed, study, True)
    shutil.copytree(study, other)
    exchanges = [path for path in (other / STORE).glob("*/*.json") if str(path.relative_to(other)) in names(packed)]
    min(exchanges).write_text("{torn")
    ledger = other / "results/mine/ledgers/images/original-1/000-of-001.jsonl"
    Ledger(ledger).add(ROW | {"id": "b", "file": ROW["file"].replace("/a-", "/b-")})
    unpack_study(packed, other)
    assert exchange_store.damaged_exchanges(other / STORE) == []
    assert {row["id"] for row in Ledger(ledger).rows()} == {"a", "b"}


def test_seconds_travel_with_the_images_and_those_of_the_folder_stay(study, tmp_path):
    packed, other = tmp_path / "s.tar.gz", tmp_path / "other"
    pack_study(packed, study, True)
    with tarfile.open(packed) as tar:
        assert json.loads(tar.extractfile(MANIFEST).read())["format"] == 3, "earlier versions say that they cannot"
    taken = Ledger(other / "results/mine" / LEDGERS / "original-1/000-of-001.jsonl")
    taken.add(SECONDS | {"seconds": 7.0})
    taken.add(SECONDS | {"id": "b"})
    unpack_study(packed, other)
    found = {id: row["seconds"] for (id, _), row in seconds_of(other / "results/mine", "original-1").items()}
    assert found == {"a": 7.0, "b": 2.5}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"seconds": -1}, "-1 as its seconds, which is no measurement"),
        ({"seconds": "1"}, "'1' as its seconds|1 as its seconds"),
        ({"images": 0}, "0 as its images"),
        ({"processor": ["card"]}, "as its processor"),
    ],
)
def test_seconds_that_no_job_measured_are_not_unpacked(study, tmp_path, change, message):
    path = study / "results/mine" / LEDGERS / "original-1/000-of-001.jsonl"
    Ledger(path).add(SECONDS | {"id": "x"} | change)
    with pytest.raises(SetupError, match=message):
        pack_study(tmp_path / "s.tar.gz", study, True)


def rewritten(packed, change, target):
    """A copy of an archive with members changed: `change(name, data)` gives (name, data, type) or None."""
    with tarfile.open(packed) as tar, tarfile.open(target, "w:gz") as out:
        for member in tar:
            data = tar.extractfile(member).read()
            for name, content, kind in change(member.name, data):
                info = tarfile.TarInfo(name)
                info.size, info.type = len(content) if kind == tarfile.REGTYPE else 0, kind
                info.linkname = "/etc/passwd" if kind == tarfile.SYMTYPE else ""
                out.addfile(info, io.BytesIO(content))
    return target


def unchanged(name, data):
    return [(name, data, tarfile.REGTYPE)]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda name, data: unchanged(name, data.replace(b"<fine>", b"<evil>")), "differs from the manifest"),
        (lambda name, data: unchanged(name, data) if not name.endswith("png") else [], "differs from the manifest"),
        (lambda name, data: [*unchanged(name, data), *unchanged("../evil.json", b"{}")], "not part of a study"),
        (lambda name, data: [*unchanged(name, data), *unchanged("/tmp/evil", b"{}")], "not part of a study"),
        (lambda name, data: [*unchanged(name, data), *unchanged("Snakefile", b"x")], "not part of a study"),
        (
            lambda name, data: [(name, data, tarfile.SYMTYPE if "png" in name else tarfile.REGTYPE)],
            "not part of a study",
        ),
        (lambda name, data: unchanged(name, data) if name != MANIFEST else [], "does not begin with manifest.json"),
        (lambda name, data: unchanged(name, data.replace(b'"format":1', b'"format":9')), "packed by another version"),
    ],
)
def test_a_changed_archive_unpacks_nothing(study, tmp_path, change, message):
    pack_study(tmp_path / "s.tar.gz", study, False)
    changed = rewritten(tmp_path / "s.tar.gz", change, tmp_path / "bad.tar.gz")
    with pytest.raises(InputError, match=message):
        unpack_study(changed, tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []
    assert not (tmp_path / "evil.json").exists()


def test_a_cut_archive_and_a_missing_archive_are_reported(study, tmp_path):
    packed = tmp_path / "s.tar.gz"
    pack_study(packed, study, False)
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(InputError, match="nothing was unpacked"):
        unpack_study(packed, tmp_path / "other")
    with pytest.raises(InputError, match="there is no file"):
        unpack_study(tmp_path / "none.tar.gz", tmp_path / "other")


def test_an_incomplete_study_is_not_packed(study, tmp_path):
    next((study / STORE).glob("*/*.png")).unlink()
    with pytest.raises(SetupError, match="missing or damaged.*snakemake verify"):
        pack_study(tmp_path / "s.tar.gz", study, False)
    with pytest.raises(InputError, match="no results that name an exchange"):
        pack_study(tmp_path / "s.tar.gz", tmp_path / "empty", False)
    assert not (tmp_path / "s.tar.gz").exists()


def test_a_planted_key_is_not_packed(study, tmp_path, monkeypatch):
    digest = record(study, "leak", text=f"<{SECRET}>")
    path = study / "results" / "mine" / "rewrites" / "r" / "000-of-001.jsonl"
    write_rows(path, [{"id": "a", "exchange": digest}])
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    with pytest.raises(SetupError, match="holds the value of the environment variable SOME_API_KEY") as error:
        pack_study(tmp_path / "s.tar.gz", study, False)
    assert SECRET not in str(error.value)
    monkeypatch.delenv("SOME_API_KEY")
    leaked = record(study, "account", status="failed", text="", reason="bad key of org-abcdefghijkl01234")
    write_rows(path, [{"id": "a", "exchange": leaked}])
    with pytest.raises(SetupError, match="looks like a key or an account name"):
        pack_study(tmp_path / "s.tar.gz", study, False)


def test_the_manifest_has_a_digest_of_every_file(study, tmp_path):
    pack_study(tmp_path / "s.tar.gz", study, True)
    with tarfile.open(tmp_path / "s.tar.gz") as tar:
        manifest = json.loads(tar.extractfile(MANIFEST).read())
        assert set(manifest["files"]) == set(tar.getnames()) - {MANIFEST}
        assert {(member.uid, member.uname, member.mtime) for member in tar} == {(0, "", 0)}
    assert manifest["exchanges"] == 4 and manifest["images"] is True
    assert all(len(entry["sha256"]) == 64 for entry in manifest["files"].values())


def test_a_large_response_body_travels_with_its_exchange_and_is_searched_for_keys(tmp_path, monkeypatch):
    folder, other = tmp_path / "study", tmp_path / "other"
    body = {"logprobs": ["token"] * 5000}
    digest = record(folder, "long", body=body)
    write_rows(folder / "results/mine/decompositions/000-of-001.jsonl", [{"id": "a", "exchange": digest}])
    pack_study(tmp_path / "s.tar.gz", folder, False)
    unpack_study(tmp_path / "s.tar.gz", other)
    assert exchange_store.recorded_body(other / STORE, digest) == body
    secret = record(folder, "secret", body={**body, "echo": SECRET})
    write_rows(folder / "results/mine/decompositions/000-of-001.jsonl", [{"id": "a", "exchange": secret}])
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    with pytest.raises(SetupError, match="body.json.gz holds the value of the environment variable SOME_API_KEY"):
        pack_study(tmp_path / "t.tar.gz", folder, False)


def test_a_body_that_is_no_gzip_and_a_row_that_names_no_exchange_are_named(tmp_path):
    folder, rows = tmp_path / "study", tmp_path / "study/results/mine/decompositions/000-of-001.jsonl"
    digest = record(folder, "long", body={"logprobs": ["token"] * 5000})
    path = exchange_store.exchange_path(folder / STORE, digest)
    exchange = json.loads(path.read_text())
    path.with_name(exchange["body"]["file"]).write_bytes(b"no gzip")
    exchange["body"]["sha256"] = hashlib.sha256(b"no gzip").hexdigest()
    path.write_text(exchange_store.exchange_text(exchange))
    write_rows(rows, [{"id": "a", "exchange": digest}])
    with pytest.raises(SetupError, match=r"body.json.gz cannot be packed \(a response body that cannot be unpacked"):
        pack_study(tmp_path / "s.tar.gz", folder, False)
    for wrong in (5, [digest, 5], {"a": 1}, True):
        write_rows(rows, [{"id": "a", "exchange": wrong}])
        with pytest.raises(SetupError, match=f"{rows.name}: the row 'a' names .*, which is not the digest"):
            pack_study(tmp_path / "s.tar.gz", folder, False)
