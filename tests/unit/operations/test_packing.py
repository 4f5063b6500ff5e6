"""Packing of a study: what is packed, what stays as it is, and that every reader finds the same."""

import os
import shutil
import zipfile
from pathlib import Path

import pytest

from detailscribe.files.packed import ARCHIVE, files_in, is_there, packed_names, read_bytes
from detailscribe.files.packing import pack
from detailscribe.files.rows import write_rows
from detailscribe.llm.exchange_store import (
    damaged_exchanges,
    exchange_files,
    load_exchange,
    recorded_body,
    recorded_reply,
    replace_exchange,
)
from detailscribe.llm.openai_api.request_body import image_data_url
from detailscribe.llm.request import Request
from detailscribe.operations.archive.members import STORE
from detailscribe.operations.archive.pack import pack_study
from detailscribe.operations.garbage import remove_files, sizes_by_folder, unreferenced_files
from detailscribe.operations.packing.exchanges import pack_exchanges, unpack_exchanges
from detailscribe.operations.packing.images import pack_images, unpack_images
from detailscribe.operations.verify import verify_study
from tests.unit.operations.sample_archive import PIXELS, ROW, make_study, record

FAILED = {"id": "b", "status": "failed", "reason": "x", "file": None, "sha256": None, "key": None}
REFUSED = FAILED | {"status": "refused"}


@pytest.fixture
def study(tmp_path) -> Path:
    """A study whose generated image has a manifest."""
    folder = make_study(tmp_path / "study")
    write_rows(manifest(folder), [ROW, REFUSED])
    for name in ("decompositions", "scores", "critiques", "images/hosted"):  # whose rows are not whole
        shutil.rmtree(folder / "results" / "mine" / name)
    return folder


@pytest.fixture
def packed(study) -> Path:
    """The study, packed."""
    assert pack_images(study / "results", ["mine"]) == (1, 1, [])
    files, archives, messages = pack_exchanges(study / STORE)
    assert files == 7 and 0 < archives <= 5 and messages == []  # 5 exchanges, an image, a body
    return study


def manifest(study: Path) -> Path:
    return study / "results" / "mine" / "images" / "original-1" / "000-of-001.jsonl"


def image(study: Path) -> Path:
    return study / "results" / ROW["file"]


def contents(study: Path) -> dict[str, bytes]:
    return {str(path.relative_to(study)): path.read_bytes() for path in study.rglob("*") if path.is_file()}


def change_packed(path: Path, data: bytes) -> None:
    """Give a packed file other bytes, as somebody does who wants the archive to stay sound."""
    (path.parent / path.name).write_bytes(data)
    pack({path.parent: [path.name]})


CASES = {
    "a failed row": ([ROW, FAILED], PIXELS, "1 rows failed"),
    "a changed image": ([ROW], b"other", "was changed since it was made"),
    "a missing image": ([ROW, ROW | {"id": "b", "file": ROW["file"].replace("/a-", "/b-")}], PIXELS, "is missing"),
    "another's image": ([ROW | {"id": "b"}], PIXELS, "not its own"),
    "a row twice": ([ROW, ROW], PIXELS, "a second row"),
    "no status": ([{"id": "a", "file": None}], PIXELS, "cannot be read ('status')"),
}


@pytest.mark.parametrize("rows, data, problem", CASES.values(), ids=CASES)
def test_images_of_unfinished_shards_stay_as_they_are(study, rows, data, problem):
    write_rows(manifest(study), rows)
    image(study).write_bytes(data)
    before = contents(study)
    images, archives, [message] = pack_images(study / "results", ["mine"])
    assert (images, archives) == (0, 0) and contents(study) == before
    assert message.startswith(f"{manifest(study)}: ") and problem in message and message.endswith("stay as they are")


def test_without_a_manifest_and_of_other_scenarios_nothing_is_packed(study):
    assert pack_images(study / "results", ["other"]) == (0, 0, [])
    manifest(study).unlink()
    assert pack_images(study / "results", ["mine"]) == (0, 0, [])
    assert image(study).read_bytes() == PIXELS


def test_images_of_earlier_settings_are_packed_and_the_files_of_a_user_are_not(study):
    old = image(study).with_name(f"a-{'0' * 16}.jpg")
    own = image(study).with_name("Notes.txt")
    for path in (old, own):
        path.write_bytes(b"x")
    pack_images(study / "results", ["mine"])
    assert set(packed_names(old.parent)) == {image(study).name, old.name}
    assert {path.name for path in old.parent.iterdir()} == {ARCHIVE, own.name}


def test_a_study_comes_back_byte_for_byte(study):
    before = contents(study)
    pack_images(study / "results", ["mine"])
    pack_exchanges(study / STORE)
    assert len(contents(study)) < len(before)
    assert unpack_images(study / "results") == 1 and unpack_exchanges(study / STORE) == 7
    assert contents(study) == before


def test_requests_replies_and_bodies_are_the_same(study):
    store, request = study / STORE, Request("judge", "e", "m", [{"role": "user", "content": "?"}], [image(study)])
    image(study).write_bytes(b"\x89PNG\r\n\x1a\n pixels")
    digests = [path.stem for path in exchange_files(store)]

    def seen() -> list:
        asked = Request(request.role, request.endpoint, request.model, request.messages, request.images)
        replies = [recorded_reply(store, digest) for digest in digests]
        shown = [read_bytes(reply.image) for reply in replies if reply and reply.image]
        return [asked.digest, replies, shown, [recorded_body(store, digest) for digest in digests]]

    loose = [*seen(), image_data_url(image(study))]
    pack({image(study).parent: [image(study).name]})
    pack_exchanges(store)
    assert not image(study).exists() and not list(store.glob("*/*.json"))
    assert [*seen(), image_data_url(image(study))] == loose
    assert (
        exchange_files(store) == sorted(exchange_files(store))
        and [path.stem for path in exchange_files(store)] == digests
    )
    assert damaged_exchanges(store) == []


@pytest.mark.parametrize("images", [False, True])
def test_the_archive_to_share_has_the_same_bytes(tmp_path, images):
    study = make_study(tmp_path / "study")
    write_rows(manifest(study), [ROW | {"exchange": None}])
    pack_study(tmp_path / "loose.tar.gz", study, images)
    pack_images(study / "results", ["mine"])
    pack_exchanges(study / STORE)
    pack_study(tmp_path / "packed.tar.gz", study, images)
    assert (tmp_path / "loose.tar.gz").read_bytes() == (tmp_path / "packed.tar.gz").read_bytes()


def test_a_damaged_exchange_stays_loose(study):
    [first, *_] = exchange_files(study / STORE)
    first.write_text(first.read_text().replace("<fine>", "<poor>"))
    files, _, [message] = pack_exchanges(study / STORE)
    assert str(first) in message and "stays as it is: run `snakemake verify`" in message
    assert first.is_file() and first.name not in packed_names(first.parent)


def test_an_answer_that_is_asked_for_again_wins_over_the_packed_one(packed):
    store = packed / STORE
    digest = next(path.stem for path in exchange_files(store) if load_exchange(path)["reply"]["image"])
    folder = replace_exchange(store, digest)
    assert {path.suffix for path in folder.iterdir()} == {".json", ".png"}
    assert recorded_reply(store, digest) is None and not is_there(store / digest[:2] / f"{digest}.png")
    assert record(packed, "image", kind="image", image=b"\x89PNG\r\n\x1a\n new", text="") == digest
    assert read_bytes(recorded_reply(store, digest).image) == b"\x89PNG\r\n\x1a\n new"
    pack_exchanges(store)
    assert read_bytes(recorded_reply(store, digest).image) == b"\x89PNG\r\n\x1a\n new"


def test_verify_finds_nothing_wrong_with_a_packed_study(packed):
    assert verify_study(packed / "results", packed / "resources", ["mine"])[-1].endswith("0 problems")
    assert not image(packed).exists()


def test_verify_takes_a_changed_image_out_of_its_archive(packed):
    change_packed(image(packed), b"other")
    os.utime(image(packed).parent, ns=(1, 1))
    message, *_ = verify_study(packed / "results", packed / "resources", ["mine"])
    moved = packed / "results" / "mine" / "changed" / "original-1" / image(packed).name
    assert message == f"{image(packed)} was changed since it was made; moved to {moved}"
    assert moved.read_bytes() == b"other" and not is_there(image(packed))
    assert image(packed).parent.stat().st_mtime > 1  # its job runs


def test_verify_takes_a_changed_exchange_out_of_its_archive(packed):
    path = next(path for path in exchange_files(packed / STORE) if b"<fine>" in read_bytes(path))
    others = [other for other in exchange_files(packed / STORE) if other != path]
    change_packed(path, read_bytes(path).replace(b"<fine>", b"<poor>"))
    messages = verify_study(packed / "results", packed / "resources", ["mine"])
    assert any("does not match its digest; moved to" in message for message in messages)
    assert exchange_files(packed / STORE) == others


@pytest.mark.parametrize("where", ["the index", "an image", "the end"])
def test_verify_saves_what_a_damaged_archive_holds(packed, where):
    archive = image(packed).parent / ARCHIVE
    data = archive.read_bytes()
    place = {"the index": data.index(b"PK\x01\x02"), "an image": data.index(PIXELS), "the end": len(data) - 1}[where]
    archive.write_bytes(data[:-30] if where == "the end" else data[:place] + b"?" + data[place + 1 :])
    message, *others = verify_study(packed / "results", packed / "resources", ["mine"])
    assert f"{archive} is damaged" in message and "moved to" in message
    assert (packed / "results" / "changed" / archive.relative_to(packed / "results")).is_file()
    assert not archive.exists()
    if where == "an image":
        assert "0 files saved, 1 changed" in message and not is_there(image(packed))
        assert any("was changed since it was made; moved to" in other for other in others)
    else:
        assert "1 files saved, 0 changed" in message and image(packed).read_bytes() == PIXELS
        assert [other for other in others if other.startswith(str(image(packed)))] == []


def test_garbage_in_an_archive_is_listed_and_removed(packed):
    old = image(packed).with_name(f"a-{'0' * 16}.jpg")
    change_packed(old, b"old pixels")
    files = unreferenced_files(packed / "results", packed / STORE)
    assert files == [old] and sizes_by_folder(files)[-1] == "1 files, 0.0 MB"
    times = old.parent.stat().st_mtime_ns
    remove_files(files)
    assert files_in(old.parent) == [image(packed)] and old.parent.stat().st_mtime_ns == times
    assert unreferenced_files(packed / "results", packed / STORE) == []


def test_what_is_packed_opens_with_common_tools(packed, tmp_path):
    shutil.unpack_archive(image(packed).parent / ARCHIVE, tmp_path / "out", "zip")
    assert (tmp_path / "out" / image(packed).name).read_bytes() == PIXELS
    with zipfile.ZipFile(image(packed).parent / ARCHIVE) as archive:
        assert {info.date_time[0] for info in archive.infolist()} == {1980}
