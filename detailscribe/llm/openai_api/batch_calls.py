"""Calls to the Batch API with retries: submit a batch, find it again, wait for its end, fetch its answers."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial
from typing import Any

from detailscribe.errors import InputError
from detailscribe.llm.endpoint_error import EndpointError, unless_too_long
from detailscribe.llm.openai_api.batch_files import request_line
from detailscribe.llm.openai_api.batch_reader import (
    ENDED,
    LABEL,
    RUNNING,
    BatchState,
    read_batch,
    read_batches,
    read_object,
)
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.openai_api.request_body import API_PATHS
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.retry import backoff_s

TRANSFER_TIMEOUT_S = 900.0  # of the upload or download of a file
FIRST_POLL_S, LONGEST_POLL_S = 0.2, 60.0  # interval between two polls of a batch
MAX_ATTEMPTS = 6  # of a call to the Batch API
MAX_LOOKS = 16  # polls, over about five minutes, of a batch that shows no state or no file that fits its state
NO_SUCH_CALL = (404, 405, 410)


async def submit_batch(name: str, requests: list[Request], provider: OpenAIProvider) -> str:
    """Upload the requests of a batch and start it; returns its id.

    Raises:
        EndpointError: the endpoint does not accept it, or does not say its id.
    """
    data = b"".join([await asyncio.to_thread(_line_or_nothing, request) for request in requests])
    client = provider.client.with_options(timeout=TRANSFER_TIMEOUT_S)
    upload = partial(client.files.with_raw_response.create, file=(f"{name}.jsonl", data), purpose="batch")
    file = await _object(provider, upload, TRANSFER_TIMEOUT_S)
    create = partial(
        provider.client.batches.with_raw_response.create,
        input_file_id=read_batch(file, provider).id or "none",
        endpoint=API_PATHS[requests[0].kind],
        completion_window="24h",
        metadata={LABEL: name},
    )
    for attempt in range(MAX_ATTEMPTS):
        try:
            started = read_object((await _call_once(provider, create)).content, provider)
            if id := read_batch(started, provider).id:
                return id
        except EndpointError as error:
            if not error.retryable or attempt == MAX_ATTEMPTS - 1:
                raise
            await _wait(error, attempt)
        if id := await find_submitted(name, provider):  # the answer to the call was lost, the batch was not
            return id
    raise EndpointError("says no id of the batch that it was given; look at its list of batches", retryable=False)


async def find_submitted(name: str, provider: OpenAIProvider, taken: Collection[str] = ()) -> str:
    """Id of the batch with this name, which an interrupted run submitted but did not record; empty if there is none.

    Args:
        taken: Ids of batches whose answers were taken already.
    """
    listed = await _object(provider, partial(provider.client.batches.with_raw_response.list, limit=100))
    found = [each for each in read_batches(listed, provider) if each.label == name and each.id not in taken]
    return next((each.id for each in found if each.id and each.status in (*RUNNING, *ENDED[:3])), "")


async def wait_for_batch(id: str, provider: OpenAIProvider) -> BatchState:
    """Poll a batch until it has ended and names the file of its answers, if it has any.

    Raises:
        EndpointError: the endpoint does not answer, does not know the batch, or does not say where its answers are.
    """
    interval_s, looks = FIRST_POLL_S, 0
    while True:
        retrieve = partial(provider.client.batches.with_raw_response.retrieve, id)
        batch = read_batch(await _object(provider, retrieve), provider)
        if batch.status in ENDED and not batch.lacks_answers:
            return batch
        if batch.status in RUNNING:
            looks = 0
        elif looks == 0:
            interval_s = FIRST_POLL_S
        looks += batch.status not in RUNNING
        if looks > MAX_LOOKS:
            status = provider.redactor.excerpt(batch.status or "none")
            shown = (
                f"has ended the batch {id} and names no file of its answers"
                if batch.lacks_answers
                else (f"shows the batch {id} in an unknown state ({status})")
            )
            raise EndpointError(f"{shown}; nothing is submitted again, look again later", retryable=False)
        await asyncio.sleep(interval_s)
        interval_s = min(LONGEST_POLL_S, interval_s * 1.5)


async def fetch_file(id: str, provider: OpenAIProvider) -> bytes:
    """Content of a file.

    Raises:
        EndpointError: the endpoint does not answer or no longer has the file.
    """
    content = partial(provider.client.files.content, id)
    return (await with_retries(provider, content, TRANSFER_TIMEOUT_S)).content


async def with_retries(
    provider: OpenAIProvider, call: Callable[[], Awaitable[Any]], timeout_s: float | None = None
) -> Any:
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
            await _wait(error, attempt)
    return await _call_once(provider, call, timeout_s)


async def _object(provider: OpenAIProvider, call: Callable[[], Awaitable[Any]], timeout_s: float | None = None) -> dict:
    """The object that a call returns; an unreadable one is asked for again."""

    async def read() -> dict:
        return read_object((await call()).content, provider)

    return await with_retries(provider, read, timeout_s)


async def _call_once(
    provider: OpenAIProvider, call: Callable[[], Awaitable[Any]], timeout_s: float | None = None
) -> Any:
    try:
        result = await provider.call(call(), timeout_s=timeout_s)
    except EndpointError as error:
        if error.status in NO_SUCH_CALL:
            text = (
                f"has no Batch API, or no longer the batch or file (HTTP {error.status}); remove `batch` if it has none"
            )
            raise EndpointError(text, retryable=False, status=error.status) from None
        raise
    if isinstance(result, Answer):
        raise EndpointError(f"does not support batches: {result.reason}", retryable=False)
    return result


async def _wait(error: EndpointError, attempt: int) -> None:
    if unless_too_long(error) is not error:
        raise unless_too_long(error)
    await asyncio.sleep(max(error.retry_after_s or 0, backoff_s(attempt)))


def _line_or_nothing(request: Request) -> bytes:
    try:
        return request_line(request)
    except (InputError, OSError):  # an image that has changed since; the request stays unanswered
        return b""
