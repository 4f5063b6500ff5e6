import json
import random
import zipfile

import pytest

from detailscribe.capsule.check.seal import check_seal, content_of
from detailscribe.capsule.check.zip_bytes import entries_by_directory, entries_by_headers
from detailscribe.capsule.layout import CONTENTS
from detailscribe.capsule.sealed_zip import SealedZip

PLACES = ("anywhere", "headers", "directory", "content")


def changed(data: bytes, place: int, value: int) -> bytes:
    return data[:place] + bytes([data[place] ^ value]) + data[place + 1 :]


def places(data: bytes, where: str, draw: random.Random, count: int) -> list[int]:
    entries = entries_by_headers(data)
    if where == "headers":
        return [draw.randrange(entry.place, entry.start) for entry in draw.choices(entries, k=count)]
    if where == "content":
        return [draw.randrange(entry.start, entry.end) for entry in draw.choices(entries, k=count)]
    start = entries[-1].end if where == "directory" else 0
    return [draw.randrange(start, len(data)) for _ in range(count)]


def test_a_capsule_is_as_it_was_sealed(capsule):
    data = capsule.read_bytes()
    seal = check_seal(data, {})
    assert seal.changes == [] and seal.cost == 0 and seal.repacked == 0
    with zipfile.ZipFile(capsule) as archive:
        assert [entry.shown for entry in seal.entries] == archive.namelist()


@pytest.mark.parametrize("where", PLACES)
def test_every_changed_byte_is_named_with_its_place_and_member(capsule, where, monkeypatch):
    monkeypatch.setattr("detailscribe.capsule.check.changed_byte.SEARCH_S", 0.2)
    data, draw = capsule.read_bytes(), random.Random(f"seal {where}")
    entries = entries_by_headers(data)
    digests = {name: entry["sha256"] for name, entry in json.loads(content_of(data, CONTENTS) or b"")["files"].items()}
    for place in places(data, where, draw, 25):
        seal = check_seal(changed(data, place, draw.randrange(1, 256)), digests)
        assert len(seal.changes) == 1, (where, place, seal.changes)
        change = seal.changes[0]
        assert change.first <= place <= change.last
        inside = [entry.shown for entry in entries if entry.place <= place < entry.end]
        if inside:
            assert change.member == inside[0] and change.what.startswith(("content", "header", "packed bytes"))
        else:
            assert change.what.startswith(("directory", "end of the directory"))


def test_padding_bits_of_packed_bytes_count_too(tmp_path):
    """Bits after the last sign of a packed member change nothing that unpacks."""
    path = tmp_path / "capsule.zip"
    with SealedZip(path) as sealed:
        for number in range(40):
            sealed.add(f"study/results/mine/tables/t{number % 26}{'x' * number}.csv", b"a,b\n1,2\n" * number)
    data = path.read_bytes()
    entries, found = entries_by_headers(data), 0
    for entry in entries[1:]:
        for bit in (0x80, 0x40, 0x20):
            seal = check_seal(changed(data, entry.end - 1, bit), {})
            assert [change.member for change in seal.changes] == [entry.shown]
            assert seal.changes[0].first <= entry.end - 1 <= seal.changes[0].last
            found += "without effect" in seal.changes[0].what
    assert found > 20


def test_a_member_in_other_bytes_of_the_same_length_is_named_by_its_digest(capsule):
    data = capsule.read_bytes()
    name = next(entry.shown for entry in entries_by_headers(data) if entry.shown.endswith("main.csv"))
    assert [c.member for c in check_seal(data, {name: "0" * 64}).changes] == [name]


@pytest.mark.parametrize(("cut", "words"), [(-1, "cut off by 1 bytes"), (3, "after the end")])
def test_a_byte_too_few_or_too_many_is_named(capsule, cut, words):
    data = capsule.read_bytes()
    seal = check_seal(data[:cut] if cut < 0 else data + b"abc", {})
    assert any(words in change.what for change in seal.changes)
    assert 0 < seal.cost < 100


def test_many_changes_are_all_named(capsule):
    data, draw = capsule.read_bytes(), random.Random(4)
    entries = draw.sample([entry for entry in entries_by_headers(data) if entry.method == 0 or entry.packed < 300], 5)
    for entry in entries:
        data = changed(data, entry.start + 1, 9)
    assert {change.member for change in check_seal(data, {}).changes} == {entry.shown for entry in entries}


def test_a_zip_of_another_program_does_not_pass_for_sealed(capsule, tmp_path):
    with zipfile.ZipFile(capsule) as archive, zipfile.ZipFile(tmp_path / "other.zip", "w") as other:
        for name in archive.namelist():
            other.writestr(name, archive.read(name))
    data = (tmp_path / "other.zip").read_bytes()
    assert check_seal(data, {}).cost > 1000
    assert content_of(data, CONTENTS) is not None


@pytest.mark.parametrize("data", [b"", b"PK", b"PK\x03\x04", b"PK\x05\x06" + bytes(18), bytes(100)])
def test_what_is_no_zip_has_nothing_that_fits(data):
    seal = check_seal(data, {})
    assert seal.entries == [] and seal.cost == len(data)
    assert entries_by_headers(data) == entries_by_directory(data) == []
