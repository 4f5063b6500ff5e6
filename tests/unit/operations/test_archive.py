"""One archive of a study's exchanges: whole, checked, safe to unpack, without secrets."""

import io
import json
import shutil
import tarfile

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import write_rows
from detailscribe.llm import exchange_store
from detailscribe.llm.request import Answer, Request
from detailscribe.miniature import stand_in
from detailscribe.operations import archive

SECRET = "sk-planted-0123456789abcdef"
STORE = archive.STORE


def recorded(folder, question, **answer) -> str:
    request = Request("critique", "here", "m", [{"role": "user", "content": question}], kind=answer.pop("kind", "chat"))
    given = {"status": "ok", "text": "<fine>", "usage": {"input_tokens": 1, "output_tokens": 1}, "served_model": "m"}
    return exchange_store.record_answer(folder / STORE, request, Answer(**given | answer), {}).digest


@pytest.fixture
def study(tmp_path):
    """A study with a decomposition, two judgements, a hosted image, a drawn one and an exchange of another study."""
    folder = tmp_path / "study"
    digests = [recorded(folder, str(n)) for n in range(3)]
    hosted = recorded(folder, "image", kind="image", image=stand_in.picture("x"), text="")
    recorded(folder, "of another study")
    results = folder / "results" / "mine"
    write_rows(results / "decompositions" / "000-of-001.jsonl", [{"id": "a", "exchange": digests[0]}])
    write_rows(results / "scores" / "judge-main" / "000-of-001.jsonl", [{"id": "a", "exchange": digests[1:]}])
    write_rows(results / "images" / "hosted" / "000-of-001.jsonl", [{"id": "a", "exchange": hosted}])
    write_rows(results / "critiques" / "c" / "000-of-001.jsonl", [{"id": "a", "exchange": None}])
    drawn = results / "images" / "original-1" / "000-of-001" / "a-0123456789abcdef.jpg"
    drawn.parent.mkdir(parents=True)
    drawn.write_bytes(b"pixels")
    Ledger(results / "ledgers" / "images" / "original-1" / "000-of-001.jsonl").add({"id": "a", "key": "k", "file": "f"})
    return folder


def names(packed) -> list[str]:
    with tarfile.open(packed) as tar:
        return tar.getnames()


@pytest.mark.parametrize("images", [False, True])
def test_an_archive_holds_the_studys_exchanges_and_unpacks_to_the_same(study, tmp_path, images):
    packed, other = tmp_path / "s.tar.gz", tmp_path / "other"
    said = archive.pack(packed, study, images)
    assert "4 exchanges" in said
    found = names(packed)
    assert found[0] == archive.MANIFEST
    assert sum(name.endswith(".json") for name in found) == 5 and sum(name.endswith(".png") for name in found) == 1
    assert any("original-1" in name for name in found) is images
    archive.unpack(packed, other)
    assert exchange_store.damaged_exchanges(other / STORE) == []
    for name in found[1:]:
        assert (other / name).read_bytes() == (study / name).read_bytes()
    assert not list(other.glob(".unpacking*"))
    before = packed.read_bytes()
    archive.pack(packed, study, images)
    assert packed.read_bytes() == before
    assert "0 of them new here" in archive.unpack(packed, other).replace(", 1 of", ", 0 of") or images


def test_what_is_there_stays_and_what_is_damaged_is_replaced(study, tmp_path):
    packed, other = tmp_path / "s.tar.gz", tmp_path / "other"
    archive.pack(packed, study, True)
    shutil.copytree(study, other)
    [torn, *_] = sorted((other / STORE).glob("*/*.json"))
    packed = next(
        path for path in sorted((other / STORE).glob("*/*.json")) if str(path.relative_to(other)) in names(packed)
    )
    packed.write_text("{torn")
    ledger = other / "results/mine/ledgers/images/original-1/000-of-001.jsonl"
    Ledger(ledger).add({"id": "b", "key": "k2", "file": "g"})
    archive.unpack(packed, other)
    assert exchange_store.damaged_exchanges(other / STORE) == []
    assert {row["id"] for row in Ledger(ledger).rows()} == {"a", "b"}


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


def as_is(name, data):
    return [(name, data, tarfile.REGTYPE)]


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda name, data: as_is(name, data.replace(b"<fine>", b"<evil>")), "is not as it was packed"),
        (lambda name, data: as_is(name, data) if not name.endswith("png") else [], "is not as it was packed"),
        (lambda name, data: [*as_is(name, data), *as_is("../evil.json", b"{}")], "no part of a study"),
        (lambda name, data: [*as_is(name, data), *as_is("/tmp/evil", b"{}")], "no part of a study"),
        (lambda name, data: [*as_is(name, data), *as_is("Snakefile", b"x")], "no part of a study"),
        (
            lambda name, data: [(name, data, tarfile.SYMTYPE if "png" in name else tarfile.REGTYPE)],
            "no part of a study",
        ),
        (lambda name, data: as_is(name, data) if name != archive.MANIFEST else [], "does not begin with manifest.json"),
        (lambda name, data: as_is(name, data.replace(b'"format":1', b'"format":9')), "packed by another version"),
    ],
)
def test_a_changed_archive_unpacks_nothing(study, tmp_path, change, said):
    archive.pack(tmp_path / "s.tar.gz", study, False)
    changed = rewritten(tmp_path / "s.tar.gz", change, tmp_path / "bad.tar.gz")
    with pytest.raises(InputError, match=said):
        archive.unpack(changed, tmp_path / "other")
    assert list((tmp_path / "other").iterdir()) == []
    assert not (tmp_path / "evil.json").exists()


def test_a_cut_archive_and_no_archive_are_named(study, tmp_path):
    packed = tmp_path / "s.tar.gz"
    archive.pack(packed, study, False)
    packed.write_bytes(packed.read_bytes()[:-200])
    with pytest.raises(InputError, match="nothing was unpacked"):
        archive.unpack(packed, tmp_path / "other")
    with pytest.raises(InputError, match="there is no file"):
        archive.unpack(tmp_path / "none.tar.gz", tmp_path / "other")


def test_a_study_that_is_not_whole_is_not_packed(study, tmp_path):
    next((study / STORE).glob("*/*.png")).unlink()
    with pytest.raises(SetupError, match="not whole.*snakemake verify"):
        archive.pack(tmp_path / "s.tar.gz", study, False)
    with pytest.raises(InputError, match="no results that name an exchange"):
        archive.pack(tmp_path / "s.tar.gz", tmp_path / "empty", False)
    assert not (tmp_path / "s.tar.gz").exists()


def test_a_planted_key_is_not_packed(study, tmp_path, monkeypatch):
    digest = recorded(study, "leak", text=f"<{SECRET}>")
    path = study / "results" / "mine" / "rewrites" / "r" / "000-of-001.jsonl"
    write_rows(path, [{"id": "a", "exchange": digest}])
    monkeypatch.setenv("SOME_API_KEY", SECRET)
    with pytest.raises(SetupError, match="holds the value of the environment variable SOME_API_KEY") as error:
        archive.pack(tmp_path / "s.tar.gz", study, False)
    assert SECRET not in str(error.value)
    monkeypatch.delenv("SOME_API_KEY")
    leaked = recorded(study, "account", status="failed", text="", reason="bad key of org-abcdefghijkl01234")
    write_rows(path, [{"id": "a", "exchange": leaked}])
    with pytest.raises(SetupError, match="looks like a key or an account's name"):
        archive.pack(tmp_path / "s.tar.gz", study, False)


def test_the_manifest_has_a_digest_of_every_file(study, tmp_path):
    archive.pack(tmp_path / "s.tar.gz", study, True)
    with tarfile.open(tmp_path / "s.tar.gz") as tar:
        manifest = json.loads(tar.extractfile(archive.MANIFEST).read())
        assert set(manifest["files"]) == set(tar.getnames()) - {archive.MANIFEST}
        assert {(member.uid, member.uname, member.mtime) for member in tar} == {(0, "", 0)}
    assert manifest["exchanges"] == 4 and manifest["images"] is True
    assert all(len(entry["sha256"]) == 64 for entry in manifest["files"].values())
