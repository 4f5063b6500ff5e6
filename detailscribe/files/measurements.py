"""Measurements of jobs (speeds, memory), append-only JSON lines: they serve estimates, so losing them stops no job."""

import contextlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path

from detailscribe.files.digests import canonical_json


def append_measurements(path: Path, rows: Iterable[dict]) -> None:
    """Append rows in one write, after the end of a line that a killed job left half-written.

    What cannot be written (a full disk, no permission) is left out.
    """
    lines = "".join(f"{canonical_json(row)}\n" for row in rows).encode()
    if not lines:
        return
    with contextlib.suppress(OSError), open(path, "ab+") as file:
        file.seek(0, os.SEEK_END)
        torn = file.tell() > 0 and (file.seek(-1, os.SEEK_END), file.read(1))[1] != b"\n"
        file.write(b"\n" * torn + lines)


def read_measurements(path: Path) -> Iterator[dict]:
    """Rows in their order; lines that are no JSON object are left out, and so is a file that cannot be read."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return
    for line in lines:
        with contextlib.suppress(ValueError, RecursionError):
            if isinstance(row := json.loads(line), dict):
                yield row
