"""Files of the Batch API: records of pending batches beside the exchanges, and requests as lines of an input file."""

import asyncio
import json
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.digests import canonical_json, digest
from detailscribe.llm.endpoints import endpoint_key
from detailscribe.llm.openai_api.request_body import API_PATHS, request_body
from detailscribe.llm.request import Request

MAX_REQUESTS, MAX_BYTES = 50_000, 180_000_000  # per batch; the API accepts 200 MB


async def split_into_batches(requests: list[Request]) -> AsyncIterator[list[Request]]:
    """Requests grouped by kind and cut to the size limits of a batch."""
    for kind in API_PATHS:
        batch: list[Request] = []
        size = 0
        for request in (each for each in requests if each.kind == kind):
            length = len(await asyncio.to_thread(request_line, request))
            if batch and (len(batch) == MAX_REQUESTS or size + length > MAX_BYTES):
                yield batch
                batch, size = [], 0
            batch.append(request)
            size += length
        if batch:
            yield batch


def request_line(request: Request) -> bytes:
    """A request as a line of a batch's input file."""
    path, body = API_PATHS[request.kind], request_body(request)
    line = {"custom_id": request.digest, "method": "POST", "url": path, "body": body}
    return (canonical_json(line) + "\n").encode()


def save_pending(store: Path, requests: list[Request], endpoint: dict) -> Path:
    """Record a batch that is about to be submitted."""
    digests = sorted(request.digest for request in requests)
    path = store / f"batch-{digest(digests)[:16]}.json"
    write_pending(path, {"at": endpoint_key(endpoint), "batch": None, "digests": digests})
    return path


def write_pending(path: Path, pending: dict) -> None:
    """Write the record of a pending batch.

    Args:
        pending: `at` (`endpoint_key`), `batch` (its id, None before it is submitted), `digests` of its requests.
    """
    write_text(path, canonical_json(pending) + "\n")


def pending_batches(store: Path, unanswered: Mapping[str, Request], endpoint: dict) -> list[Path]:
    """Records of the pending batches of an endpoint that hold one of the requests."""
    return [path for path in sorted(store.glob("batch-*.json")) if _holds(path, unanswered, endpoint)]


def _holds(path: Path, unanswered: Mapping[str, Request], endpoint: dict) -> bool:
    try:
        pending = json.loads(path.read_text(encoding="utf-8"))
        return pending["at"] == endpoint_key(endpoint) and not unanswered.keys().isdisjoint(pending["digests"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
