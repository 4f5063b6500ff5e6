"""Append-only ledger of finished rows."""

import contextlib
import json
import os
import time
from pathlib import Path

SYNC_S = 1.0  # between two fsync: a power cut may lose this much; a killed process loses no row it wrote


class Ledger:
    """Finished rows by id and key, in an append-only file: work that a killed or repeated job need not do again.

    Snakemake deletes the outputs of a rule before each run of a job; the ledger is not an output and is kept.
    A line that a kill truncated is skipped on reading.
    """

    def __init__(self, path: Path):
        self.path = path
        self._rows: dict[tuple[str, str], dict] = {}
        self._synced = 0.0
        if path.is_file():
            for line in path.read_bytes().split(b"\n"):
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    row = json.loads(line)
                    self._rows[row["id"], row["key"]] = row

    def get(self, id: str, key: str) -> dict | None:
        """The finished row of this id and key, or None."""
        return self._rows.get((id, key))

    def add(self, row: dict) -> None:
        """Append a finished row with its `id` and `key`; once this returns, a kill cannot lose it."""
        self._rows[row["id"], row["key"]] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            file.seek(0, os.SEEK_END)
            truncated = file.tell() > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
            file.write(b"\n" * truncated + json.dumps(row, ensure_ascii=False).encode() + b"\n")
            file.flush()
            if time.monotonic() - self._synced > SYNC_S:
                os.fsync(file.fileno())
                self._synced = time.monotonic()

    def rows(self) -> list[dict]:
        """The latest row of each id and key."""
        return list(self._rows.values())
