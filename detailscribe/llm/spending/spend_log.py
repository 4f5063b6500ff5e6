"""Spend log `spend.jsonl`: every paid answer and every reservation of a budget, appended by all jobs of a study.

A reservation is written before its call and settled by the row of the answer, in one write each, so that a process may
be killed at any moment: what it did not settle stays reserved. Rows, by their keys:

    date, role, model, batch, digest, input_tokens, output_tokens, cost_usd     an answer
    ..., batch_id                                                               ... in a batch, counted once
    ..., settles, bound_usd                                                     ... that settles a reservation
    ..., settled_usd                                                            ... or this part of a batch's
    date, role, model, batch, digest, reservation, owner, reserved_usd, certain a reservation
    date, reservation, owner                                                    ... that another process continues
    date, settles                                                               a call that was not billed
    ..., booked_usd                                                             ... that may have been
"""

import contextlib
import errno
import json
import os
from datetime import UTC, datetime
from pathlib import Path

from detailscribe.files.digests import canonical_json
from detailscribe.llm.prices import batch_factor, cost_usd, prices_of
from detailscribe.llm.request import Answer, Request

SPEND_FILE = "spend.jsonl"


class SpendLog:
    """The spend log of a store, read incrementally.

    Args:
        store: Folder of the exchanges.
    """

    def __init__(self, store: Path):
        self._path, self._offset = store / SPEND_FILE, 0
        self._in_batches: set[tuple[str, str]] = set()  # batch and digest

    def append(self, row: dict) -> None:
        """Append a row with today's date.

        Raises:
            OSError: the disk is full.
        """
        line = (canonical_json({"date": datetime.now(UTC).isoformat(timespec="seconds"), **row}) + "\n").encode()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if os.write(handle, line) < len(line):  # one write, so that the lines of two jobs do not mix
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path))
        finally:
            os.close(handle)

    def read_new(self) -> list[dict]:
        """Rows that were completed since the last call.

        A second row of the same answer in a batch, which was read again after a kill, is not among them.
        """
        size = self._path.stat().st_size if self._path.is_file() else 0
        if size <= self._offset:
            return []
        with open(self._path, "rb") as file:
            file.seek(self._offset)
            data = file.read(size - self._offset)
        complete = data[: data.rfind(b"\n") + 1]
        self._offset += len(complete)
        return [row for row in _parse_rows(complete) if self._is_new(row)]

    def _is_new(self, row: dict) -> bool:
        answer = str(row.get("batch_id")), str(row.get("digest"))
        if "batch_id" not in row or answer not in self._in_batches:
            self._in_batches |= {answer} if "batch_id" in row else set()
            return True
        return False


def call_row(request: Request, endpoint: dict) -> dict:
    """What every row of a call says: role, model, batch, digest."""
    batch = batch_factor(endpoint) < 1
    return {"role": request.role, "model": request.model, "batch": batch, "digest": request.digest}


def answer_row(request: Request, answer: Answer, endpoint: dict) -> dict | None:
    """The row of a paid answer; None if it reports no usage and has no price, or if the server rejected the request."""
    cost = cost_usd(answer.usage, prices_of(endpoint, request.model))
    if not answer.billed or (answer.usage is None and not cost):
        return None
    return {**call_row(request, endpoint), **(answer.usage or {}), "cost_usd": cost}


def read_spending(store: Path) -> list[dict]:
    """Rows of the answers: date, role, model, digest, input_tokens, output_tokens, cost_usd, batch."""
    return [row for row in SpendLog(store).read_new() if "cost_usd" in row]


def _parse_rows(data: bytes) -> list[dict]:
    rows = []
    for line in data.splitlines():
        # A line that a kill or a full disk cut off is followed by the next row on the same line.
        for text in (line, line[max(line.rfind(b'{"'), 0) :]):
            with contextlib.suppress(ValueError, RecursionError):
                if isinstance(row := json.loads(text), dict):
                    rows.append(row)
                    break
    return rows
