"""Spend log `spend.jsonl`: one row per paid answer, appended by all jobs of a study."""

import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from detailscribe.files.digests import canonical_json
from detailscribe.llm.prices import cost_usd, prices_of
from detailscribe.llm.request import Answer, Request

SPEND_FILE = "spend.jsonl"


class SpendLog:
    """The spend log of a store, read incrementally.

    Args:
        store: Folder of the exchanges.
    """

    def __init__(self, store: Path):
        self._path, self._offset = store / SPEND_FILE, 0

    def append(self, request: Request, answer: Answer, endpoint: dict) -> None:
        """Append the cost of an answer; nothing if it reports no usage and costs nothing.

        Raises:
            OSError: the disk is full.
        """
        cost, batch = cost_usd(answer.usage, prices_of(endpoint, request.model)), bool(endpoint.get("batch"))
        if answer.usage is None and not cost:
            return
        row = {
            **{"date": datetime.now(UTC).isoformat(timespec="seconds"), "role": request.role, "model": request.model},
            **{"digest": request.digest, **(answer.usage or {}), "cost_usd": cost, "batch": batch},
        }
        line = (canonical_json(row) + "\n").encode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if os.write(handle, line) < len(line):  # one write, so that the lines of two jobs do not mix
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        finally:
            os.close(handle)

    def read_new(self) -> list[dict]:
        """Rows that were completed since the last call."""
        size = self._path.stat().st_size if self._path.is_file() else 0
        if size <= self._offset:
            return []
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            data = file.read(size - self._offset)
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        return _parse_rows(complete)


def read_spending(store: Path) -> list[dict]:
    """All rows of the spend log: date, role, model, digest, input_tokens, output_tokens, cost_usd, batch."""
    path = store / SPEND_FILE
    return _parse_rows(path.read_bytes()) if path.is_file() else []


def _parse_rows(data: bytes) -> list[dict]:
    rows = []
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # cut off by a kill or a full disk
        if isinstance(row, dict) and "cost_usd" in row:
            rows.append(row)
    return rows
