import io
import zipfile

import pytest

from detailscribe.capsule.check.zip_bytes import (
    Entry,
    central_header,
    end_records,
    entries_by_directory,
    entries_by_headers,
    local_header,
)
from detailscribe.capsule.sealed_zip import EPOCH, MODE, UNIX


class Far(io.RawIOBase):
    """A file that only counts, from a place beyond what 32 bits hold."""

    def __init__(self, place: int):
        self.place, self.written = place, bytearray()

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self.place + len(self.written)

    def seek(self, place: int, whence: int = 0) -> int:
        return place

    def write(self, data) -> int:
        self.written += data
        return len(data)


def test_headers_are_those_that_the_library_writes(tmp_path):
    path = tmp_path / "zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number, data in enumerate((b"", b"some text " * 30, b"x")):
            info = zipfile.ZipInfo(f"folder/name{number}.json", EPOCH)
            info.create_system, info.external_attr, info.compress_type = UNIX, MODE, 8 * (number % 2)
            archive.writestr(info, data)
    data = path.read_bytes()
    entries = entries_by_headers(data)
    assert entries == entries_by_directory(data) and len(entries) == 3
    rebuilt = b"".join(local_header(each) + data[each.start : each.end] for each in entries)
    directory = b"".join(map(central_header, entries))
    assert data == rebuilt + directory + end_records(entries, len(rebuilt), len(directory))


@pytest.mark.parametrize(("count", "start"), [(3, 2**31 + 5), (70_000, 10**6), (3, 2**33)], ids=["far", "many", "2^33"])
def test_large_zips_have_64_bit_numbers_as_the_library_writes_them(count, start):
    infos, entries = [], []
    for number in range(count):
        info = zipfile.ZipInfo(f"n{number}", EPOCH)
        info.create_system, info.external_attr, info.header_offset = UNIX, MODE, start - count + number
        infos.append(info)
        entries.append(Entry(info.filename.encode(), 0, 0, 0, 0, info.header_offset))
        info.CRC = info.compress_size = info.file_size = 0
    far = Far(start)
    archive = zipfile.ZipFile(io.BytesIO(), "w")
    archive.fp, archive.filelist, archive.start_dir = far, infos, start
    archive._write_end_record()
    archive.fp = None
    directory = b"".join(map(central_header, entries))
    assert bytes(far.written) == directory + end_records(entries, start, len(directory))


def test_a_directory_with_64_bit_numbers_is_read_back(tmp_path):
    path = tmp_path / "zip"
    with zipfile.ZipFile(path, "w") as archive:
        for number in range(66_000):
            archive.writestr(zipfile.ZipInfo(f"n{number}", EPOCH), b"")
    data = path.read_bytes()
    entries = entries_by_directory(data)
    assert len(entries) == 66_000 and entries == entries_by_headers(data)
