"""Batch API: half the price, an answer within a day, the same exchanges as direct calls.

A batch is recorded beside the exchanges (`batch-{name}.json`) before it is submitted, so that a run finds the batch of
an interrupted one again. Requests that a batch does not answer (expired, failed, unparseable) go into another one.
"""

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

from detailscribe.llm.budget import Budget
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.openai_api.batch_calls import find_submitted, submit_batch, wait_for_batch, with_retries
from detailscribe.llm.openai_api.batch_files import pending_batches, save_pending, split_into_batches, write_pending
from detailscribe.llm.openai_api.http_errors import classify_http_error
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer, Request

MAX_BATCHES = 3  # batches that a request enters before it counts as failed


async def submit_batches(
    unanswered: dict[str, Request],
    provider: OpenAIProvider,
    store: Path,
    budget: Budget,
    keep: Callable[[Request, Answer], None],
) -> None:
    """Submit batches until every request has its answer.

    Args:
        unanswered: Requests by digest; `keep` removes each one that it gets.
        provider: The provider of the endpoint.
        store: Folder of the exchanges.
        budget: Where the cost of each batch is reserved.
        keep: Called with each answer.

    Raises:
        EndpointError: requests stay unanswered.
        BudgetExceededError: the next batch could exceed the budget.
    """
    batches_of: Counter[str] = Counter()
    while unanswered:
        paths = pending_batches(store, unanswered, provider.endpoint)
        if not paths:
            requests = [each for each in unanswered.values() if batches_of[each.digest] < MAX_BATCHES]
            if not requests:
                raise EndpointError(f"left {len(unanswered)} requests unanswered in {MAX_BATCHES} batches each")
            paths = [save_pending(store, batch, provider.endpoint) async for batch in split_into_batches(requests)]
        batches_of.update(name for path in paths for name in json.loads(path.read_text())["digests"])
        reservation = await budget.reserve_batch(list(unanswered.values()), provider.endpoint)
        try:
            for fallbacks in await asyncio.gather(*(run_batch(path, unanswered, provider, keep) for path in paths)):
                for digest, answer in fallbacks.items():
                    if digest in unanswered and batches_of[digest] >= MAX_BATCHES:
                        keep(unanswered[digest], answer)
        finally:
            budget.release(reservation)


async def run_batch(
    path: Path, unanswered: dict[str, Request], provider: OpenAIProvider, keep: Callable[[Request, Answer], None]
) -> dict[str, Answer]:
    """Submit a recorded batch unless it was submitted before, wait for its end and keep its answers.

    Returns:
        By digest: failed answers, to keep if no further batch brings a better one.

    Raises:
        EndpointError: the batch as a whole was rejected, or the endpoint does not answer.
    """
    pending, name = json.loads(path.read_text(encoding="utf-8")), path.stem.removeprefix("batch-")
    if not pending["batch"]:
        requests = [unanswered[digest] for digest in pending["digests"] if digest in unanswered]
        pending["batch"] = await find_submitted(name, provider) or await submit_batch(name, requests, provider)
        write_pending(path, pending)
    try:
        batch = await wait_for_batch(pending["batch"], provider)
    except EndpointError as error:
        if error.status == 404:  # the provider no longer knows it
            path.unlink()
            return {}
        raise
    if batch.status == "failed":
        path.unlink()
        errors = "; ".join(f"{each.code}: {each.message}" for each in (batch.errors and batch.errors.data) or [])
        reason = provider.redactor.excerpt(errors or "no reason given")
        raise EndpointError(f"rejected a batch ({reason})", retryable=False)
    fallbacks: dict[str, Answer] = {}
    for file in filter(None, (batch.output_file_id, batch.error_file_id)):
        content = await with_retries(provider, partial(provider.client.files.content, file))
        for line in content.content.splitlines():
            read_result_line(line, unanswered, provider, keep, fallbacks)
    path.unlink()
    return fallbacks


def read_result_line(
    line: bytes,
    unanswered: dict[str, Request],
    provider: OpenAIProvider,
    keep: Callable[[Request, Answer], None],
    fallbacks: dict[str, Answer],
) -> None:
    """Keep the answer in one line of a batch's output. A retryable failure goes to `fallbacks` or stays unanswered.

    Raises:
        EndpointError: the set-up is wrong.
    """
    try:
        row = json.loads(line)
        request, response = unanswered.get(row["custom_id"]), row.get("response") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    if request is None:
        return
    status, body = response.get("status_code") or 500, response.get("body") or {}
    try:
        if status == 200:
            answer = provider.parse(body, request)
        else:
            details = body.get("error") or row.get("error") or {}
            answer = classify_http_error(status, details, request, provider.endpoint, provider.redactor)
    except EndpointError as error:
        if not error.retryable:
            raise
        if error.fallback:
            fallbacks[request.digest] = error.fallback
        return
    keep(request, answer)
