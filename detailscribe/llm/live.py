"""Live requests: concurrent calls to all endpoints, directly or in batches, with an inter-process lock per request."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.files.locked_file import open_locked_file
from detailscribe.llm import exchange_store
from detailscribe.llm.budget import Budget, BudgetExceededError
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.endpoint_state import EndpointState, stopped_by_budget
from detailscribe.llm.openai_api.batch_api import submit_batches
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer, Reply, Request

POLL_INTERVAL_S = 0.05  # while another process makes the same request


class LiveRequests:
    """Requests that the store does not answer.

    Args:
        endpoints: Config entries by name.
        store: Folder of the exchanges.
        budget: The study's budget.
        mismatch: Why a reply does not count as the requested model's; empty if it does.
        finish: Called with each reply.
    """

    def __init__(
        self,
        endpoints: dict[str, dict],
        store: Path,
        budget: Budget,
        mismatch: Callable[[Request, Reply], str],
        finish: Callable[[Reply], None],
    ):
        self._endpoints, self._store, self._budget = endpoints, store, budget
        self._mismatch, self._finish = mismatch, finish

    async def run(self, requests: list[Request]) -> None:
        """Make all requests.

        Raises:
            InputError, SetupError: an endpoint is misconfigured.
            SetupError: an endpoint left requests unanswered; raised after all other answers were recorded.
        """
        by_endpoint: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            by_endpoint[request.endpoint].append(request)
        states: dict[str, EndpointState] = {}
        tasks: list[asyncio.Task] = []
        try:
            for name in by_endpoint:
                states[name] = EndpointState(name, self._endpoints[name], self._budget)
            for name, state in states.items():
                if state.endpoint.get("batch"):
                    tasks.append(asyncio.create_task(self._ask_in_batches(by_endpoint[name], state)))
                else:
                    tasks += [asyncio.create_task(self._ask_one(request, state)) for request in by_endpoint[name]]
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for state in states.values():
                await state.provider.close()
        problems = [
            f"Endpoint {name!r} {state.errors[0]}; {state.unanswered} of {len(by_endpoint[name])} calls are "
            "unanswered, recorded answers are kept: run again."
            for name, state in states.items()
            if state.unanswered
        ]
        if problems:
            raise SetupError(" ".join(problems))

    async def _ask_one(self, request: Request, state: EndpointState) -> None:
        async with state.slots:
            if state.closed:
                state.unanswered += 1
                return
            try:
                async with self._exclusive(request) as recorded:
                    reply = recorded or self._record(request, await state.answer(request), state)
                    self._check_model(request, reply)
            except EndpointError as error:
                state.record_failure(error)
                return
            state.consecutive_failures = 0
            self._finish(reply)

    async def _ask_in_batches(self, requests: list[Request], state: EndpointState) -> None:
        if not isinstance(state.provider, OpenAIProvider):
            kind = state.endpoint["kind"]
            raise InputError(f"endpoint {requests[0].endpoint!r}: `batch` needs kind openai, got {kind!r}; remove it")
        unanswered = {request.digest: request for request in requests}

        def keep(request: Request, answer: Answer) -> None:
            self._budget.record(request, answer, state.endpoint)
            reply = self._record(request, answer, state)
            unanswered.pop(request.digest)
            self._check_model(request, reply)
            self._finish(reply)

        try:
            async with contextlib.AsyncExitStack() as locks:
                for request in sorted(requests, key=lambda each: each.digest):  # one order, against deadlocks
                    if recorded := await locks.enter_async_context(self._exclusive(request)):
                        unanswered.pop(request.digest)
                        self._finish(recorded)
                await submit_batches(unanswered, state.provider, self._store, self._budget, keep)
        except BudgetExceededError as error:
            state.record_failure(stopped_by_budget(error), len(unanswered) or 1)
        except EndpointError as error:
            state.record_failure(error, len(unanswered) or 1)

    def _record(self, request: Request, answer: Answer, state: EndpointState) -> Reply:
        return exchange_store.record_answer(self._store, request, answer, state.endpoint)

    def _check_model(self, request: Request, reply: Reply) -> None:
        if mismatch := self._mismatch(request, reply):
            raise EndpointError(mismatch, retryable=False)

    @contextlib.asynccontextmanager
    async def _exclusive(self, request: Request) -> AsyncIterator[Reply | None]:
        """Hold an inter-process lock on this request; yield the answer another process recorded meanwhile, if any."""
        locks = open_locked_file(self._store / ".asking")
        slot = 1 + int(request.digest[:12], 16)
        while not locks.try_lock(slot):
            await asyncio.sleep(POLL_INTERVAL_S)
        try:
            reply = None
            with contextlib.suppress(ValueError):
                reply = exchange_store.recorded_reply(self._store, request.digest)
            yield reply if reply and reply.status in exchange_store.ANSWERED else None
        finally:
            locks.release(slot)
