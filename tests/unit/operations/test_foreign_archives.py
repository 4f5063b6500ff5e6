"""Archives of strangers: nothing outside a study's layout is named, written, moved or read."""

import contextlib
import gzip
import hashlib
import io
import json
import os
import re
import shutil
import sys
import tarfile
from functools import cache
from pathlib import Path

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import write_rows
from detailscribe.images.image_file import is_intact
from detailscribe.llm import exchange_store
from detailscribe.operations.archive import extract
from detailscribe.operations.archive.members import MANIFEST, STORE
from detailscribe.operations.archive.pack import pack_study
from detailscribe.operations.archive.unpack import unpack_study
from detailscribe.operations.garbage import unreferenced_files
from detailscribe.operations.verify import verify_study
from detailscribe.study.shards import shard_names
from detailscribe.workflow.shard_files import reshard
from tests.unit.operations.sample_archive import PIXELS, ROW, make_study


@pytest.fixture
def study(tmp_path):
    return make_study(tmp_path / "study")


def archive_of(files: dict[str, bytes], target, entries: dict[str, dict] | None = None, extra=()) -> object:
    """An archive whose manifest matches its files, unless `entries` says otherwise; `extra` headers come last."""
    true = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    manifest = {"format": 1, "exchanges": 1, "images": True, "files": true if entries is None else entries}
    with tarfile.open(target, "w:gz", format=tarfile.PAX_FORMAT) as tar:
        for name, data in {MANIFEST: json.dumps(manifest).encode(), **files}.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
        for info, data in extra:
            tar.addfile(info, io.BytesIO(data))
    return target


def files_of(packed) -> dict[str, bytes]:
    with tarfile.open(packed) as tar:
        return {member.name: tar.extractfile(member).read() for member in tar if member.name != MANIFEST}


def places(value, path=()):
    """Every text in a JSON value, with the keys that lead to it."""
    if isinstance(value, str):
        yield path, value
    elif isinstance(value, dict | list):
        for key, each in value.items() if isinstance(value, dict) else enumerate(value):
            yield from places(each, (*path, key))


def replaced(value, path, new):
    """A JSON value with another text in one place."""
    if not path:
        return new
    copy = dict(value) if isinstance(value, dict) else list(value)
    copy[path[0]] = replaced(value[path[0]], path[1:], new)
    return copy


def looks_like_a_path(text: str) -> bool:
    return bool(re.search(r"[/\\\\]|^\S+\.\w{2,5}$|^[0-9a-f]{16,}$", text))


def mutations(files: dict[str, bytes], evil: list[str]):
    """The files of an archive with one path-like text of one row or exchange replaced, for every such text."""
    seen = set()
    for name, data in files.items():
        if not name.endswith((".json", ".jsonl", ".txt")):
            continue
        lines = [data] if name.endswith(".json") else data.splitlines()
        for number, line in enumerate(lines):
            value = [line.decode()] if name.endswith(".txt") else json.loads(line)
            for path, text in places(value):
                kind = re.sub(r"[0-9a-f]{2,}", "", name), path
                if not looks_like_a_path(text) or path == ("check",) or kind in seen:
                    continue
                seen.add(kind)
                for new in evil:
                    changed = replaced(value, path, new)
                    if name.endswith(".txt"):
                        row = changed[0].encode()
                    elif name.endswith(".json"):
                        row = exchange_store.exchange_text(changed).encode()
                    else:
                        changed.pop("check", None)
                        row = json.dumps(changed).encode()
                    joined = b"\n".join([*lines[:number], row, *lines[number + 1 :]]) + b"\n"
                    yield f"{name} {path} {new[:60]!r}", {**files, name: joined}


TOUCHED: list[tuple] = []
WATCHED: list[str] = []


@pytest.fixture
def outside(tmp_path):
    """A folder beside the study; whatever opens, lists, moves or removes something in it is noted in TOUCHED."""
    folder = tmp_path / "outside"
    folder.mkdir()
    (folder / "secret.txt").write_bytes(PIXELS)
    _note_accesses()
    WATCHED.append(str(folder))
    TOUCHED.clear()
    assert (folder / "secret.txt").read_bytes() and TOUCHED, "a read is not noted"
    TOUCHED.clear()
    yield folder
    WATCHED.clear()


@cache
def _note_accesses() -> None:
    """Install the hook, which no process can remove again."""
    sys.addaudithook(_note)


def _note(event: str, arguments: tuple) -> None:
    if WATCHED and event.startswith(("open", "os.", "shutil.")):
        paths = [str(Path(os.fsdecode(each)).absolute()) for each in arguments if isinstance(each, str | os.PathLike)]
        if any(path.startswith(watched) for path in paths for watched in WATCHED):
            TOUCHED.append((event, paths))


def use(folder) -> None:
    """Everything that reads the paths of unpacked rows: reshard, verify, gc, replay, pack and costs."""
    exchanges = [path.stem for path in (folder / STORE).glob("*/*.json")]
    for digest in exchanges:
        exchange_store.recorded_reply(folder / STORE, digest)
    for count in (3, 1):
        reshard(folder / "results" / "mine", shard_names(count))
    for ledger in (folder / "results").glob("*/ledgers/images/*/*.jsonl"):
        for row in Ledger(ledger).rows():
            is_intact(folder / "results", row)
    unreferenced_files(folder / "results", folder / STORE)
    verify_study(folder / "results", folder / "resources", ["mine"])
    with contextlib.suppress(InputError, SetupError):
        pack_study(folder / "again.tar.gz", folder, True)


def test_no_path_in_any_row_of_an_archive_leads_out_of_the_study(study, tmp_path, outside):
    pack_study(tmp_path / "s.tar.gz", study, True)
    evil = [
        "../../outside/secret.txt",
        "../../../outside/secret.txt",
        "../../../../../../outside/secret.txt",
        str(outside / "secret.txt"),
        "mine/images/original-1/../../../../../outside/secret.txt",
        "..\\..\\outside\\secret.txt",
        "x\0.png",
        "a" * 5000,
        "MINE/images/original-1/000-of-001/a.jpg",
    ]
    cases = list(mutations(files_of(tmp_path / "s.tar.gz"), evil))
    assert len(cases) >= 10 * len(evil), "the archive has fewer path-like texts than it should"
    refused = 0
    for number, (name, files) in enumerate(cases):
        other = tmp_path / f"other{number}" / "study"
        packed = archive_of(files, tmp_path / "evil.tar.gz")
        TOUCHED.clear()
        try:
            unpack_study(packed, other)
        except InputError as error:
            refused += 1
            assert "nothing was unpacked" in str(error) and "\n" not in str(error), name
            assert list(other.iterdir()) == [], name
        else:
            use(other)
        assert not TOUCHED, (name, TOUCHED)
        assert [path.name for path in outside.iterdir()] == ["secret.txt"], name
        assert {path.name for path in other.parent.iterdir()} == {"study"}, name
        shutil.rmtree(other.parent)
    assert refused >= len(cases) // 2


def header(name, **values) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    for key, value in values.items():
        setattr(info, key, value)
    return info


IMAGE = f"results/{ROW['file']}"
PAX = {"path": "../evil"}


@pytest.mark.parametrize(
    "member",
    [
        *(header(IMAGE, type=kind, linkname="/etc/passwd") for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE)),
        *(header(IMAGE, type=kind) for kind in (tarfile.CHRTYPE, tarfile.BLKTYPE, tarfile.FIFOTYPE, tarfile.DIRTYPE)),
        header(IMAGE),  # a second time
        header(IMAGE.upper()),
        header(IMAGE.replace("mine", "Mine")),
        header(IMAGE.replace("/", "\\")),
        header(f"/{IMAGE}"),
        header(f"./{IMAGE}"),
        header(IMAGE.replace("original-1", "..")),
        header(IMAGE.replace("original-1", "original-1/../original-1")),
        header(IMAGE.replace("mine", "m" * 5000)),
        header(IMAGE + "\0.jpg"),
        header(IMAGE + "\n"),
        header(IMAGE.replace("001", "00\u0661")),
        header(IMAGE, pax_headers=PAX),
        header(IMAGE, pax_headers={"GNU.sparse.major": "1", "GNU.sparse.minor": "0", "GNU.sparse.realsize": "9"}),
        header(IMAGE, type=tarfile.GNUTYPE_SPARSE),
        header("results/mine/scores/clip_score/000-of-001.jsonl"),
        header("resources/exchanges/aa/" + "b" * 64 + ".json"),
        header("resources/exchanges/spend.jsonl"),
        header("resources/exchanges/batch-0123456789abcdef.json"),
    ],
    ids=lambda member: f"{member.type!r} {member.name[:60]!r} {list(member.pax_headers)[:1]}",
)
def test_a_foreign_member_unpacks_nothing(study, tmp_path, outside, member):
    pack_study(tmp_path / "s.tar.gz", study, True)
    files = files_of(tmp_path / "s.tar.gz")
    packed = archive_of(files, tmp_path / "evil.tar.gz", extra=[(member, b"")])
    other = tmp_path / "deep" / "other"
    with pytest.raises(InputError, match="nothing was unpacked"):
        unpack_study(packed, other)
    assert list(other.iterdir()) == [] and list(other.parent.iterdir()) == [other] and not TOUCHED


@pytest.mark.parametrize("announced", [1_500_000_000, 5, -1, "7", None, True])
def test_a_member_of_another_size_is_refused_before_it_is_written(study, tmp_path, announced, monkeypatch):
    pack_study(tmp_path / "s.tar.gz", study, True)
    files = files_of(tmp_path / "s.tar.gz")
    entries = {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)} for name, data in files.items()}
    entries[IMAGE]["bytes"] = announced
    packed = archive_of(files, tmp_path / "evil.tar.gz", entries)
    written = []
    monkeypatch.setattr(extract, "_copy", lambda archive, source, target, entry: written.append(target))
    with pytest.raises(InputError, match="nothing was unpacked"):
        unpack_study(packed, tmp_path / "other")
    assert not any(path.name.endswith(".jpg") for path in written)


def test_a_bomb_is_refused_by_its_headers(tmp_path):
    """A member of 1.5 GB of zeros, and a header that is as large itself: neither is read or written."""
    big = 1_500_000_000
    for kind in (tarfile.REGTYPE, tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME):
        manifest = json.dumps({"format": 1, "files": {IMAGE: {"sha256": "x", "bytes": 8}}}).encode()
        path = tmp_path / "bomb.tar.gz"
        with gzip.open(path, "wb", compresslevel=1) as file:
            file.write(header(MANIFEST, size=len(manifest)).tobuf(tarfile.USTAR_FORMAT))
            file.write(manifest.ljust(-(-len(manifest) // 512) * 512, b"\0"))
            name = IMAGE if kind == tarfile.REGTYPE else "x"
            file.write(header(name, size=big, type=kind).tobuf(tarfile.GNU_FORMAT))
            file.write(bytes(10_000_000))
        with pytest.raises(InputError, match="nothing was unpacked"):
            unpack_study(path, tmp_path / "other")
        assert list((tmp_path / "other").iterdir()) == []


@pytest.mark.parametrize(
    ("manifest", "message"),
    [
        (b"[" * 200_000, "cannot be read .nested"),
        (b"\xff", "cannot be read .invalid UTF-8"),
        (b"[]", "packed by another version"),
        (b'{"format": 1, "files": []}', "packed by another version"),
        (b'{"format": 1, "files": {"../x": {"sha256": "", "bytes": 1}}}', "not part of a study"),
        (b'{"format": 1, "files": {"%s": 7}}' % IMAGE.encode(), "wrong entry"),
        (b'{"format": 1, "files": {"%s": {"sha256": "x", "bytes": %s}}}' % (IMAGE.encode(), b"9" * 5000), "digits"),
    ],
)
def test_a_manifest_that_cannot_be_is_one_sentence(tmp_path, manifest, message):
    with tarfile.open(tmp_path / "s.tar.gz", "w:gz") as tar:
        tar.addfile(header(MANIFEST, size=len(manifest)), io.BytesIO(manifest))
    with pytest.raises(InputError, match=message):
        unpack_study(tmp_path / "s.tar.gz", tmp_path / "other")


@pytest.mark.parametrize(
    "data",
    [b"", b"no archive", gzip.compress(b"", mtime=0), gzip.compress(b"x" * 2000, mtime=0), b"\x1f\x8b" * 90],
    ids=["empty", "text", "packed-empty", "packed-text", "header"],
)
def test_what_is_no_archive_is_one_sentence(tmp_path, data):
    (tmp_path / "s.tar.gz").write_bytes(data)
    with pytest.raises(InputError, match="s.tar.gz"):
        unpack_study(tmp_path / "s.tar.gz", tmp_path / "other")


def test_a_folder_that_cannot_be_written_is_one_sentence(study, tmp_path, monkeypatch):
    pack_study(tmp_path / "s.tar.gz", study, True)
    (tmp_path / "file").write_text("")
    with pytest.raises(SetupError, match=r"file.* cannot be written \(.*\); make room"):
        unpack_study(tmp_path / "s.tar.gz", tmp_path / "file")
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "resources").write_text("in the way")
    with pytest.raises(SetupError, match="resources.* cannot be written"):
        unpack_study(tmp_path / "s.tar.gz", tmp_path / "other")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: shutil._ntuple_diskusage(1, 1, 0))
    with pytest.raises(SetupError, match="needs .* bytes"):
        unpack_study(tmp_path / "s.tar.gz", tmp_path / "full")
    assert not list(tmp_path.glob("*/.unpacking*"))


def test_lines_that_a_kill_truncated_are_not_unpacked(study, tmp_path):
    ledger = study / "results/mine/ledgers/images/original-1/000-of-001.jsonl"
    whole = ledger.read_bytes()
    ledger.write_bytes(whole + b'{"id": "b", "fi')
    pack_study(tmp_path / "s.tar.gz", study, True)
    unpack_study(tmp_path / "s.tar.gz", tmp_path / "other")
    assert (tmp_path / "other" / ledger.relative_to(study)).read_bytes() == whole


def test_a_study_whose_own_rows_lead_out_is_not_packed(study, tmp_path):
    ledger = Ledger(study / "results/mine/ledgers/images/original-1/000-of-001.jsonl")
    ledger.add(ROW | {"file": "../../outside"})
    with pytest.raises(SetupError, match="not its own image.*snakemake verify"):
        pack_study(tmp_path / "s.tar.gz", study, True)
    write_rows(study / "results/mine/rewrites/r/000-of-001.jsonl", [{"id": "a", "exchange": "../../outside/x"}])
    with pytest.raises(SetupError, match="is not the digest of an exchange"):
        pack_study(tmp_path / "t.tar.gz", study, False)
