"""State of one endpoint during a run of requests: failures, rate limit, and calls with retries within the budget."""

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import Collection
from dataclasses import replace

from detailscribe.llm.endpoint_error import EndpointError, are_alike, kind_of_reason, unforeseen_error, unless_too_long
from detailscribe.llm.endpoints import Redactor, is_offline
from detailscribe.llm.prices import estimate_input_tokens
from detailscribe.llm.providers import create_provider
from detailscribe.llm.rate_limit import RateLimit
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.retry import backoff_s
from detailscribe.llm.spending.budget import Budget, BudgetExceededError

MAX_CONSECUTIVE_FAILURES = 20  # calls in a row without a usable answer after which an endpoint is abandoned
MAX_ALIKE_FAILURES = 5  # calls of a role that fail alike, none having succeeded, after which no more are made


class CallNotSentError(Exception):
    """A call was not made, because its endpoint is closed."""


class FirstCalls:
    """What the first calls of one role to one model show.

    Attributes:
        works: Whether one of them, in this run or an earlier one, brought an answer or a refusal.
        open: Calls in flight.
        failed: Digests of the failed calls by kind of reason.
        suspect: The reason for which the first calls failed alike; empty until then. New calls wait until those in
            flight have ended, since a failure is often faster than an answer.
        may_start: Cleared while calls wait.
    """

    def __init__(self, works: bool):
        self.works, self.open, self.suspect = works, 0, ""
        self.failed: dict[str, set[str]] = defaultdict(set)
        self.may_start = asyncio.Event()
        self.may_start.set()

    def note(self, request: Request, answer: Answer) -> None:
        """Note an answer."""
        if answer.status != "failed":
            self.works, self.suspect = True, ""
            self.may_start.set()
        elif not self.works:
            alike = self.failed[kind_of_reason(answer.reason)]
            alike.add(request.digest)
            if len(alike) >= MAX_ALIKE_FAILURES:
                self.suspect = answer.reason
                self.may_start.clear()


class EndpointState:
    """One endpoint during one run.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry.
        budget: The study's budget.
        proven: Roles and models of this endpoint that have a recorded answer among the run's requests.
        earlier: By digest: why a request failed in an earlier run.

    Attributes:
        slots: Semaphore of the concurrent calls of this process.
        unanswered: Calls without an answer.
        consecutive_failures: Calls in a row that brought no answer, or failed for the same kind of reason.
        closed: Whether further calls are pointless. Calls in flight end, and their answers are kept; none is started
            or retried.
        errors: Messages of the failures; those that closed the endpoint come first.

    Raises:
        InputError, SetupError: the endpoint is misconfigured.
    """

    def __init__(
        self,
        name: str,
        endpoint: dict,
        budget: Budget,
        proven: Collection[tuple[str, str]] = (),
        earlier: dict[str, str] | None = None,
    ):
        self.endpoint, self._budget, self._earlier = endpoint, budget, earlier or {}
        self.provider = create_provider(name, endpoint)
        self.redactor: Redactor = getattr(self.provider, "redactor", Redactor(""))
        self._limit = None if is_offline(endpoint) else RateLimit(endpoint)
        self.slots = asyncio.Semaphore(max(1, endpoint["in_flight"]))
        self.unanswered, self.consecutive_failures, self._last_kind = 0, 0, ""
        self.errors: list[str] = []
        self._closing = asyncio.Event()
        self._first_calls = {each: FirstCalls(works=True) for each in proven}

    @property
    def closed(self) -> bool:
        """Whether further calls are pointless."""
        return self._closing.is_set()

    def close(self, message: str) -> None:
        """Make no further calls, for the reason in `message`."""
        self.errors.insert(0, message)
        self._closing.set()
        for calls in self._first_calls.values():
            calls.may_start.set()

    def check_open(self) -> None:
        """Raise CallNotSentError if the endpoint is closed."""
        if self.closed:
            raise CallNotSentError

    def record_failure(self, error: EndpointError, calls: int = 1) -> None:
        """Record `calls` calls as unanswered."""
        self.unanswered += calls
        if not error.retryable:
            self.close(str(error))
            return
        self.errors.append(str(error))
        self._count_in_row(calls, str(error))

    def first_calls(self, request: Request) -> FirstCalls:
        """What the first calls of a request's role to its model show."""
        key = request.role, request.model
        if key not in self._first_calls:
            self._first_calls[key] = FirstCalls(works=False)
        return self._first_calls[key]

    def close_if_suspect(self, request: Request) -> None:
        """Close the endpoint if the first calls of a request's kind failed alike, and none is in flight."""
        calls = self.first_calls(request)
        if calls.suspect and not calls.open and not self.closed:
            count = max(map(len, calls.failed.values()))
            self.close(
                f"failed the first {count} calls of {request.role} to {request.model!r} alike ({calls.suspect}); "
                "correct the server, the model or its options"
            )

    def failed_before(self, request: Request, reason: str) -> bool:
        """Whether the request failed for the same kind of reason in an earlier run."""
        return request.digest in self._earlier and are_alike(self._earlier[request.digest], reason)

    async def answer(self, request: Request) -> Answer:
        """Call the endpoint, with retries; offline, without limits and retries.

        Raises:
            CallNotSentError: the endpoint is closed.
            EndpointError: there is no answer.
        """
        if self._limit is None:
            try:
                return await self._ask(request)
            except EndpointError as error:
                if error.fallback:
                    return error.fallback
                raise
        answer = await self._call_with_retries(request, self._limit)
        if answer.status != "failed":
            self.consecutive_failures = 0
        elif not (self.first_calls(request).works and self.failed_before(request, answer.reason)):
            self.consecutive_failures *= kind_of_reason(answer.reason) == self._last_kind
            self._count_in_row(1, answer.reason)
        return answer

    async def _call_with_retries(self, request: Request, limit: RateLimit) -> Answer:
        calls = self.first_calls(request)
        while True:
            await calls.may_start.wait()
            self.check_open()
            calls.open += 1
            try:
                answer = await self._retry(request, limit, calls)
                calls.note(request, answer)
                return answer
            except CallNotSentError:
                self.check_open()  # otherwise the first calls have become suspect: wait again
            finally:
                calls.open -= 1
                self.close_if_suspect(request)

    async def _retry(self, request: Request, limit: RateLimit, calls: FirstCalls) -> Answer:
        paid: Answer | None = None  # what an earlier attempt brought
        tries: list[Answer] = []  # unusable answers, each of which is paid for
        attempt = 0
        while True:
            try:
                return _with_tries(await self._call_once(request, limit, None if attempt else calls), tries)
            except CallNotSentError:
                if paid is None:
                    raise
                return _with_tries(paid, tries)
            except EndpointError as caught:
                error = unless_too_long(caught)
            is_last = self.closed or not error.retryable or attempt >= self.endpoint["max_retries"]
            paid = error.fallback or paid
            tries += [error.fallback] if error.fallback else []
            if is_last:
                if paid and (error.fallback or self.closed):
                    return _with_tries(paid, tries)
                if paid and not error.retryable:
                    self.close(str(error))
                    return _with_tries(paid, tries)
                raise error
            # Never earlier than the endpoint asks for, and not at the same moment as other calls.
            wait_s = error.retry_after_s or 0
            await self._pause(wait_s + backoff_s(attempt) * (random.random() if wait_s else 1))
            attempt += 1

    async def _call_once(self, request: Request, limit: RateLimit, first: FirstCalls | None) -> Answer:
        self.check_open()
        try:
            reservation = await self._budget.reserve(request, self.endpoint)
        except BudgetExceededError as error:
            raise stopped_by_budget(error) from None
        started, tokens = time.time(), estimate_input_tokens(request)
        paid: Answer | None = None
        unknown = False  # whether the call may be billed without an answer
        try:
            async with limit.slot(tokens, self._pause_or_stop):
                self.check_open()
                if first and first.suspect:
                    raise CallNotSentError
                started, unknown = time.time(), True
                answer = paid = await self._ask(request)
            limit.on_answer(tokens, sum(answer.usage.values()) if answer.usage else None)
            return answer
        except EndpointError as error:
            paid, unknown = error.fallback, error.may_be_billed
            if error.rate_limited:
                limit.on_rate_limited(started, error.retry_after_s)
            raise
        finally:
            self._budget.settle(reservation, request, paid, self.endpoint, unknown)

    async def _ask(self, request: Request) -> Answer:
        try:
            return await self.provider.answer(request)
        except EndpointError:
            raise
        except Exception as error:  # whatever goes wrong in one call concerns that call alone
            raise unforeseen_error(error, self.redactor.excerpt) from error

    def _count_in_row(self, calls: int, reason: str) -> None:
        self.consecutive_failures += calls
        self._last_kind = kind_of_reason(reason)
        if self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES and not self.closed:
            self.close(reason)

    async def _pause(self, wait_s: float) -> None:
        """Wait, but no longer than until the endpoint is closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(wait_s):
                await self._closing.wait()

    async def _pause_or_stop(self, wait_s: float) -> None:
        await self._pause(wait_s)
        self.check_open()


def _with_tries(answer: Answer, tries: list[Answer]) -> Answer:
    """An answer with the usages of the unusable ones that came before it."""
    earlier = tuple(each.usage for each in tries if each is not answer and each.billed)
    return replace(answer, tries=earlier) if earlier else answer


def stopped_by_budget(error: BudgetExceededError) -> EndpointError:
    """The error of a call that the budget does not allow."""
    return EndpointError(f"was stopped by the budget: {error}; raise it", retryable=False)
