"""Writer of a capsule's zip: fixed times, modes and order, each member with its digest; same content, same bytes.

Compression is zlib's at one level. Another implementation of it may pack the same members into other bytes; the
members, their digests and `capsule.json` stay the same.
"""

import hashlib
import zipfile
from pathlib import Path, PurePosixPath
from typing import Self

EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold
LEVEL = 6
PACKED = {".png", ".jpg", ".jpeg", ".gif", ".webp", ".gz"}  # compressed already
MODE = 0o100644 << 16
UNIX = 3


class SealedZip:
    """A zip under construction, a context manager; members are written in the order of `add`.

    Attributes:
        files: {name: {sha256, bytes}} of every member so far.
    """

    def __init__(self, path: Path):
        self.files: dict[str, dict] = {}
        self._zip = zipfile.ZipFile(path, "w", allowZip64=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self._zip.close()

    def add(self, name: str, data: bytes) -> None:
        """Write a member.

        Raises:
            ValueError: there is one of this name.
        """
        if name in self.files:
            raise ValueError(f"a second member {name}")
        info = zipfile.ZipInfo(name, EPOCH)
        info.create_system, info.external_attr = UNIX, MODE
        is_packed = PurePosixPath(name).suffix in PACKED
        info.compress_type = zipfile.ZIP_STORED if is_packed else zipfile.ZIP_DEFLATED
        self._zip.writestr(info, data, compresslevel=LEVEL)
        self.files[name] = {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}

    def read(self, name: str) -> bytes:
        """The bytes of a member that was written."""
        return self._zip.read(name)
