"""Calls to the Batch API with retries: submit a batch, find it again, wait for its end."""

import asyncio
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.openai_api.batch_files import request_line
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.openai_api.request_body import API_PATHS
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.retry import backoff_s

if TYPE_CHECKING:  # takes 0.6 s
    from openai.types import Batch

UPLOAD_TIMEOUT_S = 900.0
FIRST_POLL_S, LONGEST_POLL_S = 0.2, 60.0  # interval between two polls of a batch
MAX_ATTEMPTS = 6  # of a call to the Batch API
ENDED = ("completed", "expired", "cancelled", "failed")
RUNNING = ("validating", "in_progress", "finalizing")
LABEL = "detailscribe"  # metadata key of a batch: the name of its record

Result = TypeVar("Result")


async def submit_batch(name: str, requests: list[Request], provider: OpenAIProvider) -> str:
    """Upload the requests of a batch and start it; returns its id."""
    data = b"".join([await asyncio.to_thread(request_line, request) for request in requests])
    client = provider.client.with_options(timeout=UPLOAD_TIMEOUT_S)
    create_file = partial(client.files.create, file=(f"{name}.jsonl", data), purpose="batch")
    file = await with_retries(provider, create_file, UPLOAD_TIMEOUT_S)
    create_batch = partial(
        client.batches.create,
        input_file_id=file.id,
        endpoint=API_PATHS[requests[0].kind],
        completion_window="24h",
        metadata={LABEL: name},
    )
    return (await with_retries(provider, create_batch)).id


async def find_submitted(name: str, provider: OpenAIProvider) -> str | None:
    """Id of a running batch with this name: one that an interrupted run submitted but did not record."""
    page = await with_retries(provider, partial(provider.client.batches.list, limit=100))
    named = [each for each in page.data or [] if (each.metadata or {}).get(LABEL) == name]
    return next((each.id for each in named if each.status in RUNNING), None)


async def wait_for_batch(id: str, provider: OpenAIProvider) -> "Batch":
    """Poll a batch until it has ended.

    Raises:
        EndpointError: the endpoint does not answer or does not know the batch.
    """
    interval_s = FIRST_POLL_S
    while True:
        batch = await with_retries(provider, partial(provider.client.batches.retrieve, id))
        if batch.status in ENDED:
            return batch
        await asyncio.sleep(interval_s)
        interval_s = min(LONGEST_POLL_S, interval_s * 1.5)


async def with_retries(
    provider: OpenAIProvider, call: Callable[[], Awaitable[Result]], timeout_s: float | None = None
) -> Result:
    """Call the Batch API with retries.

    Raises:
        EndpointError: every attempt failed, or the server has no Batch API.
    """
    for attempt in range(MAX_ATTEMPTS - 1):
        try:
            return await _call_once(provider, call, timeout_s)
        except EndpointError as error:
            if not error.retryable:
                raise
            await asyncio.sleep(max(error.retry_after_s or 0, backoff_s(attempt)))
    return await _call_once(provider, call, timeout_s)


async def _call_once(
    provider: OpenAIProvider, call: Callable[[], Awaitable[Result]], timeout_s: float | None
) -> Result:
    result = await provider.call(call(), timeout_s=timeout_s)
    if isinstance(result, Answer):
        raise EndpointError(f"does not support batches: {result.reason}", retryable=False)
    return result
