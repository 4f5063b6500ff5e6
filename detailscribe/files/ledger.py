"""Append-only ledger of finished rows, each with a digest of its own line, so that an edited row is never used."""

import hashlib
import json
import os
import re
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from detailscribe.files.atomic import atomic_write
from detailscribe.files.rows import decode_line

SYNC_S = 1.0  # between two fsync: a power cut may lose this much; a killed process loses no row it wrote
CHECK = "check"  # last column of a line: the first hex characters of the SHA-256 of the line without it
CHECK_LENGTH = 16
_START = f', "{CHECK}": "'.encode()
_TAIL_LENGTH = len(_START) + CHECK_LENGTH + len('"}')
_ENDS_IN_CHECK = re.compile(rb'"[0-9a-f]{%d}"}$' % CHECK_LENGTH)


class Ledger:
    """Finished rows by id and key, in an append-only file: work that a killed or repeated job need not do again.

    Snakemake deletes the outputs of a rule before each run of a job; the ledger is not an output and is kept.
    A line that a kill truncated, or whose digest does not match, is skipped on reading. Lines of earlier versions have
    no digest and are believed until `verify` gives them one.

    Attributes:
        changed: Numbers of the lines whose digest does not match.
        truncated: Numbers of the lines that are no JSON object with an id and a key.
    """

    def __init__(self, path: Path):
        self.path = path
        self.changed: list[int] = []
        self.truncated: list[int] = []
        self._rows: dict[tuple[str, str], dict] = {}
        self._unchecked: set[tuple[str, str]] = set()
        self._synced = 0.0
        if path.is_file():
            for number, line in enumerate(path.read_bytes().split(b"\n"), 1):
                if line:
                    self._read(number, line)

    def _read(self, number: int, line: bytes) -> None:
        # No column of a line without a digest ends in so short a digest: one whose name was damaged is a changed line.
        checked = _ENDS_IN_CHECK.search(line) is not None
        original, line = line, line[:-_TAIL_LENGTH] + b"}" if checked else line
        try:
            row: Any = decode_line(line)
            key = row["id"], row["key"]
            if CHECK in row or (checked and _with_check(line) != original):
                self.changed.append(number)
                return
            self._rows[key] = row
        except (ValueError, KeyError, TypeError):
            (self.changed if checked else self.truncated).append(number)
            return
        (self._unchecked.discard if checked else self._unchecked.add)(key)

    def get(self, id: str, key: str) -> dict | None:
        """The finished row of this id and key, or None."""
        return self._rows.get((id, key))

    def add(self, row: dict) -> None:
        """Append a finished row with its `id` and `key`; once this returns, a kill cannot lose it."""
        self._rows[row["id"], row["key"]] = row
        self._unchecked.discard((row["id"], row["key"]))
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            file.seek(0, os.SEEK_END)
            truncated = file.tell() > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
            file.write(b"\n" * truncated + ledger_line(row))
            file.flush()
            if time.monotonic() - self._synced > SYNC_S:
                os.fsync(file.fileno())
                self._synced = time.monotonic()

    def rows(self) -> list[dict]:
        """The latest row of each id and key."""
        return list(self._rows.values())

    def unchecked(self) -> list[dict]:
        """The rows that have no digest."""
        return [self._rows[key] for key in sorted(self._unchecked)]


def ledger_line(row: dict) -> bytes:
    """A row as a line of a ledger, with its digest."""
    return _with_check(json.dumps(row, ensure_ascii=False).encode()) + b"\n"


def write_ledger(path: Path, rows: Iterable[dict]) -> None:
    """Write a ledger anew, with a digest in each line."""
    with atomic_write(path) as temporary, open(temporary, "wb") as file:
        file.writelines(map(ledger_line, rows))


def _with_check(line: bytes) -> bytes:
    check = hashlib.sha256(line).hexdigest()[:CHECK_LENGTH].encode()
    return line[:-1] + _START + check + b'"}'
