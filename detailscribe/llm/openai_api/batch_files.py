"""Files of the Batch API: records of pending batches beside the exchanges, and requests as lines of an input file."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from detailscribe.errors import InputError
from detailscribe.files.atomic import write_text
from detailscribe.files.digests import canonical_json, digest
from detailscribe.files.json_reader import load_json
from detailscribe.llm.endpoints import endpoint_key
from detailscribe.llm.openai_api.request_body import API_PATHS, request_body
from detailscribe.llm.request import Request

MAX_REQUESTS, MAX_BYTES = 50_000, 180_000_000  # per batch; the API accepts 200 MB


@dataclass
class Pending:
    """The record of a batch that is about to be submitted, or was.

    Attributes:
        path: Its file, `batch-{name}.json` beside the exchanges.
        at: `endpoint_key` of the account.
        batch: Id of the batch; empty before it is submitted.
        digests: Digests of its requests; empty if the record is damaged, so that only its name is known.
    """

    path: Path
    at: str = ""
    batch: str = ""
    digests: list[str] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Name of the record, which the batch carries as its label."""
        return self.path.stem.removeprefix("batch-")

    @property
    def is_damaged(self) -> bool:
        """Whether only its name is known."""
        return not self.digests

    def write(self) -> None:
        """Write the record."""
        record = {"at": self.at, "batch": self.batch or None, "digests": self.digests}
        write_text(self.path, canonical_json(record) + "\n")


async def split_into_batches(
    requests: list[Request], invalid: Callable[[Request, str], None]
) -> AsyncIterator[list[Request]]:
    """Requests grouped by kind and cut to the size limits of a batch.

    Args:
        invalid: Called with each request that cannot be sent, and the reason.
    """
    for kind in API_PATHS:
        batch: list[Request] = []
        size = 0
        for request in (each for each in requests if each.kind == kind):
            try:
                length = len(await asyncio.to_thread(request_line, request))
            except (InputError, OSError) as error:
                invalid(request, str(error))
                continue
            if batch and (len(batch) == MAX_REQUESTS or size + length > MAX_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(request)
            size += length
        if batch:
            yield batch


def request_line(request: Request) -> bytes:
    """A request as a line of a batch's input file.

    Raises:
        InputError, OSError: one of its images cannot be read.
    """
    path, body = API_PATHS[request.kind], request_body(request)
    line = {"custom_id": request.digest, "method": "POST", "url": path, "body": body}
    return (canonical_json(line) + "\n").encode()


def save_pending(store: Path, requests: list[Request], endpoint: dict) -> Pending:
    """Record a batch that is about to be submitted, under a name of its own."""
    digests = sorted(request.digest for request in requests)
    path = store / f"batch-{digest(digests)[:16]}-{secrets.token_hex(4)}.json"
    pending = Pending(path, endpoint_key(endpoint), "", digests)
    pending.write()
    return pending


def pending_batches(store: Path, unanswered: Mapping[str, Request], endpoint: dict) -> list[Pending]:
    """Pending batches of an endpoint that hold one of the requests, and those whose record is damaged."""
    every = [_read_pending(path) for path in sorted(store.glob("batch-*.json"))]
    at = endpoint_key(endpoint)
    return [
        each for each in every if each.is_damaged or (each.at == at and not unanswered.keys().isdisjoint(each.digests))
    ]


def _read_pending(path: Path) -> Pending:
    try:
        record: Any = load_json(path.read_bytes())
        at, batch, digests = record["at"], record["batch"], record["digests"]
    except (OSError, ValueError, KeyError, TypeError):
        return Pending(path)
    texts = isinstance(at, str) and isinstance(batch, str | None) and isinstance(digests, list)
    if not texts or not all(isinstance(each, str) for each in digests):
        return Pending(path)
    return Pending(path, at, batch or "", digests)
