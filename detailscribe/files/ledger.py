"""Append-only ledger of finished rows."""

import contextlib
import json
import os
import time
from pathlib import Path

SYNC_S = 1.0  # what a power cut may cost; a killed process costs nothing of what it wrote


class Ledger:
    """Finished rows by id and key, in a file that only grows: what a killed or repeated job need not do again.

    Outputs of a rule are deleted by Snakemake before each run of a job; the ledger is not an output and stays.
    A line torn by a kill is skipped on reading.
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
        """The row made for this id under this key, or None."""
        return self._rows.get((id, key))

    def add(self, row: dict) -> None:
        """Record a finished row, which holds its `id` and `key`; no kill takes it back when this returns."""
        self._rows[row["id"], row["key"]] = row
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with open(self.path, "ab+") as file:
            file.seek(0, os.SEEK_END)
            torn = file.tell() > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
            file.write(b"\n" * torn + json.dumps(row, ensure_ascii=False).encode() + b"\n")
            file.flush()
            if time.monotonic() - self._synced > SYNC_S:
                os.fsync(file.fileno())
                self._synced = time.monotonic()

    def rows(self) -> list[dict]:
        """All rows, the latest of each id and key."""
        return list(self._rows.values())
