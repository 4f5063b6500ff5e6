"""Batch API: half the price, an answer within a day, the same exchanges as direct calls.

A batch is recorded beside the exchanges (`batch-{name}.json`) before it is submitted, so that a run finds the batch of
an interrupted one again. The record stays until every line of the batch's output was read. Requests that a batch does
not answer (expired, failed, unparseable) go into another one.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path

from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.endpoint_state import EndpointState
from detailscribe.llm.openai_api.batch_calls import (
    NO_SUCH_CALL,
    fetch_file,
    find_submitted,
    submit_batch,
    wait_for_batch,
)
from detailscribe.llm.openai_api.batch_files import Pending, pending_batches, save_pending, split_into_batches
from detailscribe.llm.openai_api.batch_reader import answer_in_line, read_line, status_words
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.spending.budget import Budget, BudgetExceededError

MAX_BATCHES = 3  # batches that a request enters before it counts as failed


class Batches:
    """The batches of one endpoint during a run.

    Args:
        unanswered: Requests by digest; `keep` removes each one that it gets.
        state: State of the endpoint, whose provider is an OpenAIProvider.
        store: Folder of the exchanges.
        budget: Where the cost of each batch is reserved and recorded.
        keep: Called with each answer; it may raise EndpointError.
    """

    def __init__(
        self,
        unanswered: dict[str, Request],
        state: EndpointState,
        store: Path,
        budget: Budget,
        keep: Callable[[Request, Answer], None],
    ):
        assert isinstance(state.provider, OpenAIProvider)
        self._unanswered, self._state, self._store = unanswered, state, store
        self._provider, self._budget, self._keep = state.provider, budget, keep
        self._entered: Counter[str] = Counter()  # batches that each request was in
        self._unusable: dict[str, list[Answer]] = defaultdict(list)  # answers of earlier batches, each paid for
        self._taken: set[str] = set()  # ids of batches whose answers were read
        self._ignored = 0  # lines of output that are about none of the requests
        self._unclear: Counter[str] = Counter()  # lines without an answer and without an error, by their status
        self._unknown: set[str] = set()  # names of damaged records of which the endpoint has no batch

    async def run(self) -> None:
        """Submit batches until every request has its answer, or the endpoint is closed.

        Raises:
            EndpointError: requests stay unanswered.
            BudgetExceededError: the next batch could exceed the budget.
            OSError: an answer could not be recorded.
        """
        while self._unanswered and not self._state.closed:
            found = pending_batches(self._store, self._unanswered, self._provider.endpoint)
            batches = [each for each in found if each.name not in self._unknown] or await self._new_batches()
            ended = await asyncio.gather(*(self._run_batch(each) for each in batches), return_exceptions=True)
            errors = [each for each in ended if isinstance(each, BaseException)]
            # What concerns this machine first, then what concerns the endpoint.
            for error in sorted(errors, key=lambda each: isinstance(each, EndpointError | BudgetExceededError)):
                raise error

    async def _new_batches(self) -> list[Pending]:
        def invalid(request: Request, reason: str) -> None:
            self._keep(request, Answer("failed", reason, billed=False))

        requests = []
        for digest, request in list(self._unanswered.items()):
            if self._entered[digest] < MAX_BATCHES:
                requests.append(request)
            elif self._unusable[digest]:
                self._keep(request, self._with_tries(digest, self._unusable[digest][-1]))
        if not requests and self._unanswered:
            raise EndpointError(f"left {len(self._unanswered)} requests unanswered in {MAX_BATCHES} batches each")
        return [
            save_pending(self._store, batch, self._provider.endpoint)
            async for batch in split_into_batches(requests, invalid)
        ]

    async def _run_batch(self, pending: Pending) -> None:
        """Submit a recorded batch unless it was submitted before, wait for its end and keep its answers.

        Raises:
            EndpointError: the batch as a whole was rejected, the set-up is wrong, or the endpoint does not answer.
            BudgetExceededError: the batch could exceed the budget.
        """
        pending.batch = pending.batch or await find_submitted(pending.name, self._provider, self._taken)
        if pending.is_damaged and not pending.batch:
            self._unknown.add(pending.name)  # of another endpoint, or never submitted
            return
        own = set(pending.digests)  # in the order of asking: requests that begin alike follow each other
        requests = [request for digest, request in self._unanswered.items() if digest in own]
        try:
            await self._budget.reserve_batch(pending.name, requests, self._provider.endpoint)
        except BudgetExceededError:
            if not pending.batch:  # otherwise it is paid for
                pending.path.unlink()
                raise
        if not pending.batch:
            try:
                pending.batch = await submit_batch(pending.name, requests, self._provider)
            except EndpointError as error:
                if not error.retryable:  # otherwise it may have been submitted all the same
                    self._end(pending)
                raise
        if not pending.is_damaged:
            pending.write()
        self._entered.update(pending.digests)
        try:
            batch = await wait_for_batch(pending.batch, self._provider)
        except EndpointError as error:
            if error.status not in NO_SUCH_CALL:
                raise
            self._end(pending, unknown=True)  # the provider no longer knows it
            return
        if batch.status == "failed":
            self._end(pending)
            raise EndpointError(f"rejected a batch ({batch.problem or 'no reason given'})", retryable=False)
        lines: list[bytes] = []
        for file in filter(None, (batch.output, batch.errors)):
            try:
                lines += (await fetch_file(file, self._provider)).splitlines()
            except EndpointError as error:
                if error.status not in NO_SUCH_CALL:
                    raise
                raise EndpointError(
                    f"no longer has the answers of the batch {pending.batch} (HTTP {error.status}); to pay for them "
                    f"again, delete {pending.path}",
                    retryable=False,
                ) from None
        problems = self._read_lines(lines, pending.batch)  # every line, whatever is wrong with some
        self._taken.add(pending.batch)
        self._end(pending)
        if problems:
            raise problems[0]
        for request in requests:
            self._state.close_if_suspect(request)

    def _read_lines(self, lines: Iterable[bytes], batch: str) -> list[EndpointError]:
        """Keep the answer of every line; a failure is kept only if no line of the same request brings an answer.

        Returns:
            The errors that concern more than one request.
        """
        problems: list[EndpointError] = []
        failed: dict[str, Answer] = {}
        for line in lines:
            if not (found := read_line(line, self._unanswered)):
                self._ignored += 1
                continue  # unreadable, foreign, or a second answer
            request, row = found
            try:
                answer = answer_in_line(row, request, self._provider)
                if answer and answer.status != "failed":
                    self._keep_read(request, answer, batch)
                elif answer:
                    failed[request.digest] = answer
                else:
                    self._unclear[self._provider.redactor.excerpt(status_words(row))] += 1
            except EndpointError as error:
                if error.fallback:
                    self._unusable[request.digest].append(error.fallback)
                    self._budget.record(request, error.fallback, self._provider.endpoint, batch)
                    self._state.first_calls(request).note(request, error.fallback)
                if not error.retryable:
                    problems.append(error)
        for digest, answer in failed.items():
            if digest in self._unanswered:
                self._keep_read(self._unanswered[digest], answer, batch)
        return problems

    def _keep_read(self, request: Request, answer: Answer, batch: str) -> None:
        self._budget.record(request, answer, self._provider.endpoint, batch)
        self._keep(request, self._with_tries(request.digest, answer))

    def _end(self, pending: Pending, unknown: bool = False) -> None:
        self._budget.release_batch(pending.name, unknown)
        pending.path.unlink(missing_ok=True)

    def _with_tries(self, digest: str, answer: Answer) -> Answer:
        usages = tuple(each.usage for each in self._unusable[digest] if each is not answer and each.billed)
        return replace(answer, tries=usages) if usages else answer
