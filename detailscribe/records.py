"""Rows on disk: JSON lines, content digests, atomic files and the ledger of what was already made."""

import contextlib
import csv
import hashlib
import importlib.metadata
import json
import os
import tempfile
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.errors import SetupError

if TYPE_CHECKING:  # planning writes no table
    import pandas as pd

SYNC_S = 1.0  # what a power cut may cost; a killed process costs nothing of what it wrote
KEY_LENGTH = 16  # hex characters of a key that go into a file name: 64 bits


def canonical(value) -> str:
    """The one JSON text of a value: sorted keys, no spaces, characters as they are."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest(value) -> str:
    """SHA-256 of `canonical(value)`, 64 hex characters."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def file_sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, 64 hex characters."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a hidden temporary name in the same folder; on success it takes the place of `path`, on an error it goes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".tmp")
    os.close(handle)
    temporary = Path(name)
    try:
        temporary.chmod(0o644)
        yield temporary
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


def write_text(path: Path, text: str) -> None:
    """Write a whole file or nothing."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def write_if_changed(path: Path, text: str) -> bool:
    """Write only where the content differs, so that the file's time means its content; say whether it did."""
    if path.is_file() and path.read_bytes() == text.encode():
        return False
    write_text(path, text)
    return True


def rows_text(rows: Iterable[dict]) -> str:
    """Rows as JSON lines, keys in the order given."""
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def write_rows(path: Path, rows: Iterable[dict]) -> None:
    """Write JSON lines, whole or not at all."""
    write_text(path, rows_text(rows))


def write_csv(path: Path, columns: list[str], rows: Iterable[dict]) -> None:
    """Write a table, whole or not at all; numbers to six decimals, nothing for None."""
    with replacing(path) as temporary, open(temporary, "w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(columns)
        for row in rows:
            table.writerow([f"{row[name]:.6f}" if isinstance(row[name], float) else row[name] for name in columns])


def read_rows(path: Path) -> list[dict]:
    """Read JSON lines that this project wrote.

    Raises:
        ValueError: a line is not JSON; the message names file and line.
    """
    rows = []
    with open(path, encoding="utf-8") as file:
        for number, line in enumerate(file, 1):
            try:
                rows.append(json.loads(line))
            except json.JSONDecodeError as error:
                raise ValueError(f"{path}, line {number}: not JSON ({error}); delete the file and run again") from error
    return rows


def write_frame(path: Path, frame: "pd.DataFrame", exact: bool = False) -> None:
    """Write a table as CSV, fractions with six decimals or `exact`, nothing where there is no number."""
    with replacing(path) as temporary:
        frame.to_csv(temporary, index=False, float_format=None if exact else "%.6f")


def library_versions(names: Iterable[str]) -> dict[str, str]:
    """Installed versions by distribution name.

    Raises:
        SetupError: one is not installed.
    """
    try:
        return {name: importlib.metadata.version(name) for name in names}
    except importlib.metadata.PackageNotFoundError as error:
        raise SetupError(f"the package {error.name} is not installed; install it with pip") from error


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
