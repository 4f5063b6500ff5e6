"""Live requests: concurrent calls to all endpoints, directly or in batches, with an inter-process lock per request."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import AsyncIterator, Callable, Collection, Iterator
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.files.locked_file import open_locked_file
from detailscribe.llm import exchange_store
from detailscribe.llm.endpoint_error import EndpointError, unforeseen_error
from detailscribe.llm.endpoint_state import CallNotSentError, EndpointState, stopped_by_budget
from detailscribe.llm.openai_api.batch_api import Batches
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer, Reply, Request
from detailscribe.llm.served.run_batch import RunBatches, RunBatchProvider
from detailscribe.llm.spending.budget import Budget, BudgetExceededError

POLL_INTERVAL_S = 0.05  # while another process makes the same request


class LiveRequests:
    """Requests that the store does not answer.

    Args:
        endpoints: Config entries by name.
        store: Folder of the exchanges.
        budget: The study's budget.
        mismatch: Why a reply does not count as the requested model's; empty if it does.
        finish: Called with each reply.
        recorded: Recorded replies of the run's requests, with their requests; those that failed are made again.
    """

    def __init__(
        self,
        endpoints: dict[str, dict],
        store: Path,
        budget: Budget,
        mismatch: Callable[[Request, Reply], str],
        finish: Callable[[Reply], None],
        recorded: Collection[tuple[Request, Reply]] = (),
    ):
        self._endpoints, self._store, self._budget = endpoints, store, budget
        self._mismatch, self._finish = mismatch, finish
        self._proven: dict[str, set[tuple[str, str]]] = defaultdict(set)
        self._earlier: dict[str, str] = {}
        for request, reply in recorded:
            if reply.status in exchange_store.ANSWERED:
                self._proven[request.endpoint].add((request.role, request.model))
            else:
                self._earlier[request.digest] = reply.reason
        self._states: dict[str, EndpointState] = {}
        self._early_failures: list[tuple[Request, EndpointError, EndpointState]] = []  # before any call was answered
        self._first_error: Exception | None = None

    async def run(self, requests: list[Request]) -> None:
        """Make all requests. An error of one call, foreseen or not, leaves the others in flight alone.

        Raises:
            InputError, SetupError: an endpoint is misconfigured.
            OSError: an answer could not be recorded; raised after the calls in flight have ended.
            SetupError: an endpoint left requests unanswered; raised after all other answers were recorded.
        """
        by_endpoint: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            by_endpoint[request.endpoint].append(request)
        states = self._states
        tasks: list[asyncio.Task] = []
        try:
            for name in by_endpoint:
                proven = self._proven[name]
                states[name] = EndpointState(name, self._endpoints[name], self._budget, proven, self._earlier)
                if states[name].endpoint.get("batch") and not isinstance(states[name].provider, OpenAIProvider):
                    kind = states[name].endpoint["kind"]
                    raise InputError(f"endpoint {name!r}: `batch` needs kind openai or vllm, got {kind!r}; remove it")
            for name, state in states.items():
                if state.endpoint.get("batch"):
                    tasks.append(asyncio.create_task(self._ask_in_batches(by_endpoint[name], state)))
                else:
                    tasks += [asyncio.create_task(self._ask_one(request, state)) for request in by_endpoint[name]]
            await asyncio.gather(*tasks)
            await self._judge_early_failures()
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            await asyncio.gather(*(state.provider.close() for state in states.values()), return_exceptions=True)
        if self._first_error:
            raise self._first_error
        problems = []
        for name, state in states.items():
            count = f"{state.unanswered} of {len(by_endpoint[name])} calls are unanswered, "
            if state.unanswered or state.closed:
                count = count if state.unanswered else ""
                note = getattr(state.provider, "log_note", "") if "log: " not in state.errors[0] else ""
                sentence = f"{state.errors[0]}{note}; {count}recorded answers are kept: run again."
                problems.append(f"Endpoint {name!r} {sentence}")
        if problems:
            raise SetupError(" ".join(problems))

    async def _ask_one(self, request: Request, state: EndpointState) -> None:
        async with state.slots:
            with self._errors_of(state):
                state.check_open()
                async with self._exclusive(request, state) as recorded:
                    try:
                        reply = recorded or self._record(request, await state.answer(request), state)
                    except EndpointError as error:
                        reply = self._failed_again(request, error, state)
                    self._check_model(request, reply)
                self._finish(reply)

    @contextlib.contextmanager
    def _errors_of(self, state: EndpointState, calls: Callable[[], int] = lambda: 1) -> Iterator[None]:
        """Turn what goes wrong in `calls` calls into their error, and stop all calls where every other would fail."""
        try:
            yield
        except CallNotSentError:
            state.unanswered += calls()
        except EndpointError as error:
            state.record_failure(error, calls())
        except (InputError, SetupError, OSError) as error:  # of this machine: a full disk, a lock
            self._first_error = self._first_error or error
            for each in self._states.values():
                each.close("stopped")
        except Exception as error:  # noqa: BLE001  # a mistake of the program
            state.record_failure(unforeseen_error(error, state.redactor.excerpt), calls())

    def _failed_again(self, request: Request, error: EndpointError, state: EndpointState) -> Reply:
        """The failed reply to a request that gets no answer for the same reason in a second run, others getting one.

        Raises:
            EndpointError: it is the first time, or nothing else is answered either.
        """
        if not error.retryable or error.rate_limited or state.closed:
            raise error
        if not state.first_calls(request).works:
            self._early_failures.append((request, error, state))
            raise error
        reason = f"the endpoint {error}"
        reply = self._record(request, Answer("failed", reason, billed=False), state)
        if not state.failed_before(request, reason):
            raise error
        return reply

    async def _judge_early_failures(self) -> None:
        """Look again at the calls that failed before any other was answered: by now, others may have been."""
        early, self._early_failures = self._early_failures, []
        for request, error, state in early:
            with contextlib.suppress(EndpointError, CallNotSentError):
                async with self._exclusive(request, state) as recorded:
                    self._finish(recorded or self._failed_again(request, error, state))
                    state.unanswered -= 1

    async def _ask_in_batches(self, requests: list[Request], state: EndpointState) -> None:
        batches = RunBatches if isinstance(state.provider, RunBatchProvider) else Batches
        unanswered = {request.digest: request for request in requests}

        def keep(request: Request, answer: Answer) -> None:
            state.first_calls(request).note(request, answer)
            reply = self._record(request, answer, state)
            unanswered.pop(request.digest)
            self._check_model(request, reply)
            self._finish(reply)

        with self._errors_of(state, lambda: len(unanswered)):
            async with contextlib.AsyncExitStack() as locks:
                for request in sorted(requests, key=lambda each: each.digest):  # one order, against deadlocks
                    if recorded := await locks.enter_async_context(self._exclusive(request, state)):
                        unanswered.pop(request.digest)
                        self._finish(recorded)
                try:
                    await batches(unanswered, state, self._store, self._budget, keep).run()
                    if unanswered:
                        raise CallNotSentError
                except BudgetExceededError as error:
                    raise stopped_by_budget(error) from None

    def _record(self, request: Request, answer: Answer, state: EndpointState) -> Reply:
        return exchange_store.record_answer(self._store, request, answer, state.endpoint)

    def _check_model(self, request: Request, reply: Reply) -> None:
        if mismatch := self._mismatch(request, reply):
            raise EndpointError(mismatch, retryable=False)

    @contextlib.asynccontextmanager
    async def _exclusive(self, request: Request, state: EndpointState) -> AsyncIterator[Reply | None]:
        """Hold an inter-process lock on this request; yield the answer another process recorded meanwhile, if any."""
        locks = open_locked_file(self._store / ".asking")
        slot = 1 + int(request.digest[:12], 16)
        while not locks.try_lock(slot):
            await asyncio.sleep(POLL_INTERVAL_S)
            state.check_open()
        try:
            reply = None
            with contextlib.suppress(ValueError):
                reply = exchange_store.recorded_reply(self._store, request.digest)
            yield reply if reply and reply.status in exchange_store.ANSWERED else None
        finally:
            locks.release(slot)
