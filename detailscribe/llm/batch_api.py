"""Asking by the Batch API: half the price, an answer within a day, the same exchanges as asking at once.

A batch under way is written down beside the exchanges (`batch-{name}.json`) before it is submitted, so that a run that
was stopped finds it again. What a batch leaves open (expired, failed, unreadable) goes into another one.
"""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from detailscribe.files.atomic import write_text
from detailscribe.files.digests import canonical_json, digest
from detailscribe.llm.budget import Spending
from detailscribe.llm.providers import PATHS, OpenAIProvider, address, body_of
from detailscribe.llm.rate_limit import back_off
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.responses import EndpointError, classify_http_error

MOST_REQUESTS, MOST_BYTES = 50_000, 180_000_000  # in one batch; the API takes 200 MB
UPLOAD_S = 900.0
FIRST_LOOK_S, LONGEST_LOOK_S = 0.2, 60.0  # between two looks at a batch
PATIENCE = 6  # tries of a call about a batch
ROUNDS = 3  # batches that a request is put into before it counts as failed
ENDED = ("completed", "expired", "cancelled", "failed")
LABEL = "detailscribe"  # metadata of a batch: its name here


async def submit_batches_and_wait(
    left: dict[str, Request],
    provider: OpenAIProvider,
    store: Path,
    spending: Spending,
    keep: Callable[[Request, Answer], None],
) -> None:
    """Ask requests in batches until each has its answer.

    Args:
        left: Requests by digest; `keep` takes out what it is given.
        provider: Whom to ask.
        store: Folder of the exchanges.
        spending: Where each batch's price is reserved.
        keep: Called with each answer.

    Raises:
        Trouble: requests stay without an answer.
        OverBudget: the next batch could exceed the budget.
    """
    rounds: Counter = Counter()
    while left:
        files = [path for path in sorted(store.glob("batch-*.json")) if _is_ours(path, left, provider)]
        if not files:
            requests = [each for each in left.values() if rounds[each.digest] < ROUNDS]
            if not requests:
                raise EndpointError(f"left {len(left)} requests unanswered in {ROUNDS} batches each")
            files = [save_pending(store, chunk, provider) async for chunk in chunks(requests)]
        rounds.update(name for path in files for name in json.loads(path.read_text())["digests"])
        reservation = await spending.reserve_batch(list(left.values()), provider.endpoint)
        try:
            for fails in await asyncio.gather(*(run_batch(path, left, provider, keep) for path in files)):
                for name in (name for name in fails if name in left and rounds[name] >= ROUNDS):
                    keep(left[name], fails[name])
        finally:
            spending.settle(reservation)


async def run_batch(path: Path, left: dict[str, Request], provider: OpenAIProvider, keep: Callable) -> dict:
    """Submit a batch if it is not yet, wait for its end, keep its answers.

    Returns:
        By digest: answers that could not be read, to be kept if the next batch brings no better.

    Raises:
        Trouble: the batch as a whole was turned down, or the endpoint does not answer.
    """
    noted, client = json.loads(path.read_text(encoding="utf-8")), provider.client
    name = path.stem.removeprefix("batch-")
    if not noted["batch"]:
        noted["batch"] = await submitted_before(name, provider) or await submit(name, noted, left, provider)
        write_text(path, canonical_json(noted) + "\n")
    look_s = FIRST_LOOK_S
    while True:
        try:
            batch = await with_retries(provider, lambda: client.batches.retrieve(noted["batch"]))
        except EndpointError as trouble:
            if trouble.status == 404:  # the provider no longer knows it
                path.unlink()
                return {}
            raise
        if batch.status in ENDED:
            break
        await asyncio.sleep(look_s)
        look_s = min(LONGEST_LOOK_S, look_s * 1.5)
    if batch.status == "failed":
        path.unlink()
        said = "; ".join(f"{each.code}: {each.message}" for each in (batch.errors and batch.errors.data) or [])
        raise EndpointError(f"turned a batch down ({provider.shield.quote(said or 'no reason given')})", final=True)
    fails: dict[str, Answer] = {}
    for file in filter(None, (batch.output_file_id, batch.error_file_id)):
        content = await with_retries(provider, lambda file=file: client.files.content(file))
        for line in content.content.splitlines():
            read_line(line, left, provider, keep, fails)
    path.unlink()
    return fails


def read_line(line: bytes, left: dict[str, Request], provider: OpenAIProvider, keep: Callable, fails: dict) -> None:
    """Keep the answer in one line of a batch's output; what asking again may mend goes to `fails` or stays left.

    Raises:
        Trouble: the set-up is wrong.
    """
    try:
        row = json.loads(line)
        request, response = left.get(row["custom_id"]), row.get("response") or {}
    except (ValueError, KeyError, TypeError, AttributeError):
        return
    if request is None:
        return
    status, body = response.get("status_code") or 500, response.get("body") or {}
    try:
        if status == 200:
            answer = provider.read(body, request)
        else:
            error = body.get("error") or row.get("error") or {}
            answer = classify_http_error(status, error, request, provider.endpoint, provider.shield)
    except EndpointError as trouble:
        if trouble.final:
            raise
        if trouble.answer:
            fails[request.digest] = trouble.answer
        return
    keep(request, answer)


async def chunks(requests: list[Request]) -> AsyncIterator[list[Request]]:
    """Requests in the portions of a batch: of one kind, so many and so large at most."""
    for kind in PATHS:
        portion, size = [], 0
        for request in (each for each in requests if each.kind == kind):
            length = len(await asyncio.to_thread(line_of, request))
            if portion and (len(portion) == MOST_REQUESTS or size + length > MOST_BYTES):
                yield portion
                portion, size = [], 0
            portion.append(request)
            size += length
        if portion:
            yield portion


def save_pending(store: Path, requests: list[Request], provider: OpenAIProvider) -> Path:
    """Note a batch that is about to be submitted."""
    names = sorted(request.digest for request in requests)
    path = store / f"batch-{digest(names)[:16]}.json"
    write_text(path, canonical_json({"at": place(provider), "batch": None, "digests": names}) + "\n")
    return path


async def submit(name: str, noted: dict, left: dict[str, Request], provider: OpenAIProvider) -> str:
    """Upload the requests of a batch and start it; its id."""
    requests = [left[each] for each in noted["digests"] if each in left]
    data = b"".join([await asyncio.to_thread(line_of, request) for request in requests])
    client = provider.client.with_options(timeout=UPLOAD_S)
    file = await with_retries(
        provider, lambda: client.files.create(file=(f"{name}.jsonl", data), purpose="batch"), UPLOAD_S
    )
    batch = await with_retries(
        provider,
        lambda: client.batches.create(
            input_file_id=file.id,
            endpoint=PATHS[requests[0].kind],
            completion_window="24h",
            metadata={LABEL: name},
        ),
    )
    return batch.id


async def submitted_before(name: str, provider: OpenAIProvider) -> str | None:
    """The id of a batch of this name that was submitted by a run that was stopped before it could note the id."""
    page = await with_retries(provider, lambda: provider.client.batches.list(limit=100))
    found = [each for each in page.data or [] if (each.metadata or {}).get(LABEL) == name]
    return next((each.id for each in found if each.status in ("validating", "in_progress", "finalizing")), None)


async def with_retries(provider: OpenAIProvider, call: Callable[[], Awaitable], timeout_s: float | None = None):
    """What a call about a batch brings, after some tries.

    Raises:
        Trouble: nothing.
    """
    for attempt in range(PATIENCE):
        try:
            found = await provider.call(call(), timeout_s=timeout_s)
        except EndpointError as trouble:
            if trouble.final or attempt == PATIENCE - 1:
                raise
            await asyncio.sleep(max(trouble.wait_s or 0, back_off(attempt)))
            continue
        if isinstance(found, Answer):
            raise EndpointError(f"does not take batches: {found.reason}", final=True)
        return found
    return None


def line_of(request: Request) -> bytes:
    """A request as a line of a batch's file."""
    line = {"custom_id": request.digest, "method": "POST", "url": PATHS[request.kind], "body": body_of(request)}
    return (canonical_json(line) + "\n").encode()


def place(provider: OpenAIProvider) -> str:
    """Whose batch it is: the address and the name of the key."""
    return f"{address(provider.endpoint)} {provider.endpoint.get('key_env') or ''}".strip()


def _is_ours(path: Path, left: dict[str, Request], provider: OpenAIProvider) -> bool:
    try:
        noted = json.loads(path.read_text(encoding="utf-8"))
        return noted["at"] == place(provider) and not left.keys().isdisjoint(noted["digests"])
    except (OSError, ValueError, KeyError, TypeError):
        return False
