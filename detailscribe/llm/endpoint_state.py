"""State of one endpoint during a run of requests: failures, rate limit, and calls with retries within the budget."""

import asyncio
import random
import time

from detailscribe.llm.budget import Budget, BudgetExceededError
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.endpoints import is_offline
from detailscribe.llm.prices import estimate_input_tokens
from detailscribe.llm.providers import create_provider
from detailscribe.llm.rate_limit import FORGET_S, RateLimit
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.retry import backoff_s

MAX_CONSECUTIVE_FAILURES = 20  # requests without an answer after which an endpoint is abandoned


class EndpointState:
    """One endpoint during one run.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry.
        budget: The study's budget.

    Attributes:
        slots: Semaphore of the concurrent calls of this process.
        unanswered: Calls without an answer.
        consecutive_failures: Calls without an answer since the last answer.
        closed: Whether further calls are pointless.
        errors: Messages of the failures; those that closed the endpoint come first.

    Raises:
        InputError, SetupError: the endpoint is misconfigured.
    """

    def __init__(self, name: str, endpoint: dict, budget: Budget):
        self.endpoint, self._budget = endpoint, budget
        self.provider = create_provider(name, endpoint)
        self._limit = None if is_offline(endpoint) else RateLimit(endpoint)
        self.slots = asyncio.Semaphore(max(1, endpoint["in_flight"]))
        self.unanswered, self.consecutive_failures, self.closed = 0, 0, False
        self.errors: list[str] = []

    def record_failure(self, error: EndpointError, calls: int = 1) -> None:
        """Record `calls` calls as unanswered."""
        self.unanswered, self.consecutive_failures = self.unanswered + calls, self.consecutive_failures + calls
        self.errors.insert(len(self.errors) if error.retryable else 0, str(error))
        if not error.retryable or self.consecutive_failures >= MAX_CONSECUTIVE_FAILURES:
            self.closed = True

    async def answer(self, request: Request) -> Answer:
        """Call the endpoint, with retries; offline, without limits and retries.

        Raises:
            EndpointError: there is no answer.
        """
        if self._limit is None:
            return await self.provider.answer(request)
        attempt = 0
        while True:
            try:
                return await self._call_once(request, self._limit)
            except EndpointError as error:
                wait_s = error.retry_after_s or 0
                if wait_s > FORGET_S:
                    raise EndpointError(f"wants no calls for {wait_s:.0f} s; run again then", retryable=False) from None
                if not error.retryable or self.closed or attempt >= self.endpoint["max_retries"]:
                    if error.fallback and not self.closed:
                        return error.fallback
                    raise
            # Never earlier than the endpoint asks for, and not at the same moment as other calls.
            await asyncio.sleep(wait_s + backoff_s(attempt) * (random.random() if wait_s else 1))
            attempt += 1

    async def _call_once(self, request: Request, limit: RateLimit) -> Answer:
        try:
            reservation = await self._budget.reserve(request, self.endpoint)
        except BudgetExceededError as error:
            raise stopped_by_budget(error) from None
        started, tokens = time.time(), estimate_input_tokens(request)
        try:
            async with limit.slot(tokens):
                started = time.time()
                answer = await self.provider.answer(request)
            limit.on_answer(tokens, sum(answer.usage.values()) if answer.usage else None)
            self._budget.record(request, answer, self.endpoint)
            return answer
        except EndpointError as error:
            if error.fallback:
                self._budget.record(request, error.fallback, self.endpoint)
            if error.rate_limited:
                limit.on_rate_limited(started, error.retry_after_s)
            raise
        finally:
            self._budget.release(reservation)


def stopped_by_budget(error: BudgetExceededError) -> EndpointError:
    """The error of a call that the budget does not allow."""
    return EndpointError(f"was stopped by the budget: {error}; raise it", retryable=False)
