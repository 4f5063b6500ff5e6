"""Packed files: read as if they were loose, written back byte for byte, and lost by no kill and no damaged byte."""

import os
import random
import shutil
import signal
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from detailscribe.errors import SetupError
from detailscribe.files import packing
from detailscribe.files.packed import (
    ARCHIVE,
    files_in,
    is_there,
    modified_ns,
    packed_names,
    read_bytes,
    sha256_of,
    size_of,
)
from detailscribe.files.packing import archive_problem, drop, pack, rescue, take_out, unpack

FILES = {
    "a-1.jpg": b"\xff\xd8\xff one",
    "b-2.png": b"PK\x03\x04" * 9,
    "c.json": b"",
    "d.bin": random.Random(0).randbytes(5000),
}
OLD = 10**18


@pytest.fixture
def folder(tmp_path) -> Path:
    """A folder with the files, written at a known time."""
    folder = tmp_path / "shard"
    folder.mkdir()
    for name, data in FILES.items():
        (folder / name).write_bytes(data)
    os.utime(folder, ns=(OLD, OLD))
    return folder


@pytest.fixture
def packed(folder) -> Path:
    """The folder with all of them packed."""
    pack({folder: FILES})
    return folder


def loose(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != ARCHIVE}


def everything(folder: Path) -> dict[str, bytes]:
    return {path.name: read_bytes(path) for path in files_in(folder)}


def test_packed_files_are_read_as_if_they_were_loose(folder):
    before = {name: (sha256_of(folder / name), size_of(folder / name)) for name in FILES}
    assert pack({folder: FILES}) == len(FILES)
    assert [path.name for path in folder.iterdir()] == [ARCHIVE]
    assert everything(folder) == FILES and set(packed_names(folder)) == set(FILES)
    assert {name: (sha256_of(folder / name), size_of(folder / name)) for name in FILES} == before
    assert all(is_there(folder / name) for name in FILES)
    assert modified_ns(folder / "d.bin") == (folder / ARCHIVE).stat().st_mtime_ns


@pytest.mark.parametrize("place", ["absent.jpg", "absent/a-1.jpg", "d.bin/a-1.jpg", ARCHIVE + "/a-1.jpg"])
@pytest.mark.parametrize("state", ["folder", "packed"])
def test_what_is_neither_loose_nor_packed_is_not_there(request, state, place):
    path = request.getfixturevalue(state) / place
    assert not is_there(path)
    for read in (read_bytes, size_of, modified_ns, sha256_of):
        with pytest.raises((FileNotFoundError, NotADirectoryError)):
            read(path)


def test_a_loose_file_wins_and_is_packed_in_its_place(packed):
    (packed / "a-1.jpg").write_bytes(b"another")
    (packed / "new.jpg").write_bytes(b"new")
    expected = FILES | {"a-1.jpg": b"another", "new.jpg": b"new"}
    assert everything(packed) == expected
    pack({packed: ["a-1.jpg", "new.jpg", "no such file"]})
    assert loose(packed) == {} and everything(packed) == expected
    assert unpack([packed]) == len(expected)
    assert loose(packed) == expected and not (packed / ARCHIVE).exists()


def test_times_stay_and_the_same_files_give_the_same_bytes(folder, tmp_path):
    other = tmp_path / "other"
    shutil.copytree(folder, other)
    pack({folder: FILES})
    for name in reversed(FILES):
        pack({other: [name]})
    assert (folder / ARCHIVE).read_bytes() == (other / ARCHIVE).read_bytes()
    assert folder.stat().st_mtime_ns == (folder / ARCHIVE).stat().st_mtime_ns == OLD
    unpack([folder])
    assert folder.stat().st_mtime_ns == OLD and loose(folder) == FILES


def test_a_later_change_of_the_archive_stays_a_later_change(packed):
    os.utime(packed / ARCHIVE, ns=(OLD + 7, OLD + 7))
    (packed / "new.jpg").write_bytes(b"new")
    os.utime(packed, ns=(OLD, OLD))
    pack({packed: ["new.jpg"]})
    assert (packed / ARCHIVE).stat().st_mtime_ns == OLD + 7


def test_hidden_files_and_the_archive_are_never_packed(folder):
    names = [".a.jpg.x1.tmp", ARCHIVE, "../outside.jpg", "sub/inside.jpg"]
    (folder / names[0]).touch()
    (folder.parent / "outside.jpg").touch()
    assert pack({folder: names}) == 0 and not (folder / ARCHIVE).exists()
    assert (folder.parent / "outside.jpg").exists()


def test_members_with_a_path_are_written_nowhere(packed, tmp_path):
    with zipfile.ZipFile(packed / ARCHIVE, "a") as archive:
        for name in ("../evil.jpg", "/tmp/evil-of-a-test.jpg", "sub/evil.jpg", ".hidden"):
            archive.writestr(name, b"evil")
    unpack([packed])
    assert loose(packed) == FILES
    assert not list(tmp_path.rglob("evil*")) and not Path("/tmp/evil-of-a-test.jpg").exists()


@pytest.mark.parametrize("compression", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED])
def test_an_archive_that_another_tool_wrote_is_read(folder, compression):
    with zipfile.ZipFile(folder / ARCHIVE, "w", compression) as archive:
        for name in FILES:
            archive.write(folder / name, name)
            (folder / name).unlink()
    assert everything(folder) == FILES
    unpack([folder])
    assert loose(folder) == FILES


@pytest.mark.skipif(not shutil.which("zip"), reason="needs zip")
def test_an_image_that_zip_deletes_is_gone_and_the_folder_is_newer(packed):
    assert is_there(packed / "b-2.png")
    subprocess.run(["zip", "-q", "-d", ARCHIVE, "b-2.png"], cwd=packed, check=True)
    assert not is_there(packed / "b-2.png")
    assert everything(packed) == {name: data for name, data in FILES.items() if name != "b-2.png"}
    assert packed.stat().st_mtime_ns > OLD


def test_members_are_dropped_and_taken_out(packed):
    drop(packed, ["a-1.jpg", "absent"])
    assert set(packed_names(packed)) == FILES.keys() - {"a-1.jpg"}
    take_out(packed / "c.json")
    take_out(packed / "absent")
    take_out(packed / ARCHIVE)
    assert loose(packed) == {"c.json": b""} and "c.json" not in packed_names(packed)
    drop(packed, list(FILES))
    assert not (packed / ARCHIVE).exists() and loose(packed) == {"c.json": b""}
    assert packed.stat().st_mtime_ns == OLD


STEPS = ("sync", "unlink", "replace", "utime")
KILLED = """
import os, sys
from pathlib import Path
from detailscribe.files import packing
step, count, action, folder = sys.argv[1], int(sys.argv[2]), sys.argv[3], Path(sys.argv[4])
def dying(call):
    def counted(*args, **kwargs):
        global count
        count -= 1
        if count < 0:
            os.kill(os.getpid(), 9)
        return call(*args, **kwargs)
    return counted
place = os if hasattr(os, step) and step in ("sync", "utime") else Path
setattr(place, step, dying(getattr(place, step)))
names = [path.name for path in folder.iterdir() if path.name != "packed.zip" and not path.name.startswith(".")]
packing.pack({folder: names}) if action == "pack" else packing.unpack([folder])
"""


@pytest.mark.parametrize("action", ["pack", "unpack"])
@pytest.mark.parametrize("step", STEPS)
def test_a_kill_before_any_step_loses_no_file(folder, action, step):
    if action == "unpack":
        pack({folder: FILES})
    killed = 0
    for count in range(5):
        command = [sys.executable, "-c", KILLED, step, str(count), action, str(folder)]
        ended = subprocess.run(command, check=False).returncode
        assert ended in (0, -signal.SIGKILL)
        assert everything(folder) == FILES
        killed += ended != 0
        if not ended:
            break
    assert killed
    unpack([folder])
    assert {name: data for name, data in loose(folder).items() if not name.startswith(".")} == FILES


def test_a_file_that_is_written_while_it_is_packed_stays_loose(folder, monkeypatch):
    write = packing._write

    def slow(*args):
        write(*args)
        (folder / "a-1.jpg").write_bytes(b"written meanwhile")

    monkeypatch.setattr(packing, "_write", slow)
    pack({folder: FILES})
    assert loose(folder) == {"a-1.jpg": b"written meanwhile"} and read_bytes(folder / "a-1.jpg") == b"written meanwhile"


def test_a_disk_that_writes_something_else_costs_no_file(folder, monkeypatch):
    testzip = zipfile.ZipFile.testzip
    monkeypatch.setattr(zipfile.ZipFile, "testzip", lambda archive: "a-1.jpg")
    with pytest.raises(SetupError, match="check the disk"):
        pack({folder: FILES})
    monkeypatch.setattr(zipfile.ZipFile, "testzip", testzip)
    assert loose(folder) == FILES and not (folder / ARCHIVE).exists()


def test_one_changed_byte_anywhere_is_noticed_and_no_other_file_is_lost(packed):
    """Every byte in turn would be slow: each of the directory and the headers, and some of the content."""
    archive = packed / ARCHIVE
    data, places = archive.read_bytes(), set(random.Random(1).sample(range(5500), 60))
    begin = data.index(b"PK\x01\x02")
    places |= set(range(begin, len(data), 3)) | set(range(0, 60))
    unnoticed = []
    for place in sorted(place for place in places if place < len(data)):
        for path in packed.iterdir():
            path.unlink()
        archive.write_bytes(data[:place] + bytes([data[place] ^ 0x41]) + data[place + 1 :])
        if not archive_problem(packed):
            assert everything(packed) == FILES, place  # a field that nobody reads, such as a version
            unnoticed.append(place)
            continue
        intact, changed = rescue(packed)
        found = loose(packed)
        kept = FILES.keys() & set(intact)  # a file whose name was changed is there by both names
        assert {name: found[name] for name in kept} == {name: FILES[name] for name in kept}, place
        assert len(FILES.keys() - set(intact)) <= 1, place
        assert not set(changed) & set(intact) and set(changed) <= found.keys()
    assert len(unnoticed) < len(places) / 2


@pytest.mark.parametrize("cut", [0, 1, 30, 200, 5000])
def test_a_cut_archive_stops_a_reader_with_a_remedy(packed, cut):
    data = (packed / ARCHIVE).read_bytes()
    (packed / ARCHIVE).write_bytes(data[:cut])
    for read in (read_bytes, is_there):
        with pytest.raises(SetupError, match=r"packed\.zip is damaged .*: run `snakemake verify`"):
            read(packed / "a-1.jpg")
    assert archive_problem(packed)
    intact, _ = rescue(packed)
    assert {name: loose(packed)[name] for name in intact} == {name: FILES[name] for name in intact}
    assert len(intact) == {0: 0, 1: 0, 30: 0, 200: 3, 5000: 3}[cut]
