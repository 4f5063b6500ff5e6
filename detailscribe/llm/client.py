"""Asking models: every question at most once, many at a time, every answer kept the moment it arrives.

`live` asks for what the store does not hold; `replay` never asks and so needs no network and no key.
"""

import asyncio
import contextlib
import random
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from pathlib import Path

from detailscribe.errors import InputError, SetupError
from detailscribe.files.locked_file import shared
from detailscribe.llm import exchange_store
from detailscribe.llm.batch_api import submit_batches_and_wait
from detailscribe.llm.budget import OverBudget, Spending, input_tokens
from detailscribe.llm.model_names import not_the_model
from detailscribe.llm.providers import provider_of
from detailscribe.llm.rate_limit import FORGET_S, Limit, back_off
from detailscribe.llm.request import Answer, Reply, Request
from detailscribe.llm.responses import EndpointError

__all__ = ["Answer", "Chat", "Reply", "Request"]

PATIENCE = 20  # requests in a row without an answer before an endpoint is left alone
NAMED = 3  # missing exchanges that an error names
LOOK_AGAIN_S = 0.05  # while another process asks the same


@dataclass
class _EndpointState:
    """One endpoint during one `ask`."""

    endpoint: dict
    provider: object
    limit: Limit | None
    turns: asyncio.Semaphore
    asked: int = 0
    left: int = 0
    in_a_row: int = 0
    closed: bool = False
    troubles: list[str] = field(default_factory=list)

    def give_up(self, trouble: EndpointError, calls: int = 1) -> None:
        """Some calls stay without an answer."""
        self.left, self.in_a_row = self.left + calls, self.in_a_row + calls
        self.troubles.insert(0 if trouble.final else len(self.troubles), str(trouble))
        self.closed = self.closed or trouble.final or self.in_a_row >= PATIENCE


class Chat:
    """The store and the endpoints behind it.

    Args:
        endpoints: By name: `kind` (openai or offline), `base_url`, `key_env` (empty: no key), `in_flight` (calls at
            once, of all jobs of this machine), `requests_per_minute`, `tokens_per_minute` (0: no bound), `batch` (ask
            in batches), `timeout_s` (of a call), `max_retries`, prices (`exchanges.prices_of`).
        store: Folder of the exchanges.
        mode: live or replay.
        budget_usd: Dollars that the store's exchanges may cost in all; None for no bound.
        allow_served: By model asked: other models that may answer in its place.

    Attributes:
        answered: Digests of the exchanges that answered so far, in the order of the questions.
    """

    def __init__(
        self,
        endpoints: dict[str, dict],
        store: Path,
        mode: str,
        budget_usd: float | None = None,
        allow_served: dict[str, list[str]] | None = None,
    ):
        if mode not in ("live", "replay"):
            raise InputError(f"exchanges must be live or replay, got {mode!r}")
        self.endpoints, self.store, self.mode = endpoints, Path(store), mode
        self._budget_usd, self._allow_served = budget_usd, allow_served or {}
        self.answered: dict[str, None] = {}

    def ask(self, requests: list[Request], on_done: Callable[[], None] | None = None) -> list[Reply]:
        """Reply to each request, in their order; identical requests are asked once.

        Args:
            on_done: Called once a finished request, for a progress bar.

        Raises:
            InputError: a request names an endpoint that the config does not have.
            SetupError: replay lacks an exchange; a key is missing; another model answered than was asked; or an
                endpoint left requests unanswered, which is raised after every other request was answered and recorded.
        """
        wanted: dict[str, list[Request]] = defaultdict(list)
        for request in requests:
            if request.endpoint not in self.endpoints:
                known = ", ".join(sorted(self.endpoints))
                raise InputError(f"{request.role}: endpoint {request.endpoint!r} is not in the config; known: {known}")
            wanted[request.digest].append(request)
        replies: dict[str, Reply] = {}

        def finish(reply: Reply) -> None:
            replies[reply.digest] = reply
            for _ in wanted[reply.digest]:
                if on_done:
                    on_done()

        missing, damaged = [], 0
        for digest, (request, *_) in wanted.items():
            try:
                kept = exchange_store.read(self.store, digest)
            except ValueError:
                kept, damaged = None, damaged + 1
            if kept is None or (kept.status not in exchange_store.ANSWERED and self.mode == "live"):
                missing.append(request)
            elif problem := self._other_model(request, kept):
                raise SetupError(f"Endpoint {request.endpoint!r} {problem} (exchange {digest}).")
            else:
                finish(kept)
        if missing and self.mode == "replay":
            raise SetupError(self._missing(missing, len(wanted), damaged))
        if missing:
            asyncio.run(self._ask_all(missing, finish))
        self.answered |= dict.fromkeys(wanted)
        return [replies[request.digest] for request in requests]

    def _missing(self, missing: list[Request], of: int, damaged: int) -> str:
        named = "; ".join(
            f"{each.digest} ({each.role} {each.fields.get('id', '')}".rstrip() + ")" for each in missing[:NAMED]
        )
        more = f"; and {len(missing) - NAMED} more" if len(missing) > NAMED else ""
        spoilt = f", {damaged} of them damaged" if damaged else ""
        return (
            f"{len(missing)} of {of} exchanges are missing in {self.store}{spoilt}: {named}{more}; "
            "unpack the study's exchanges there, or set `exchanges: live` to ask for them."
        )

    def _other_model(self, request: Request, reply: Reply) -> str:
        if self.mode == "replay" or self.endpoints[request.endpoint]["kind"] == "offline":
            return ""
        return not_the_model(request.model, reply.served_model, self._allow_served)

    async def _ask_all(self, missing: list[Request], finish: Callable[[Reply], None]) -> None:
        lines: dict[str, _EndpointState] = {}
        tasks = []
        spending = Spending(self.store, self._budget_usd)
        try:
            for request in missing:
                if request.endpoint not in lines:
                    endpoint = self.endpoints[request.endpoint]
                    provider = provider_of(request.endpoint, endpoint)
                    limit = Limit(endpoint) if endpoint["kind"] == "openai" else None
                    turns = asyncio.Semaphore(max(1, endpoint["in_flight"]))
                    lines[request.endpoint] = _EndpointState(endpoint, provider, limit, turns)
                lines[request.endpoint].asked += 1
            for name, line in lines.items():
                mine = [request for request in missing if request.endpoint == name]
                if line.endpoint.get("batch"):
                    tasks.append(asyncio.create_task(self._ask_batched(mine, line, spending, finish)))
                else:
                    asking = (self._ask_one(request, line, spending, finish) for request in mine)
                    tasks += [asyncio.create_task(each) for each in asking]
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            for line in lines.values():
                await line.provider.close()
        stuck = [
            f"Endpoint {name!r} {line.troubles[0]}; {line.left} of {line.asked} calls are left, "
            "what was answered is kept: run again."
            for name, line in lines.items()
            if line.left
        ]
        if stuck:
            raise SetupError(" ".join(stuck))

    async def _ask_one(self, request: Request, line: _EndpointState, spending: Spending, finish) -> None:
        async with line.turns:
            if line.closed:
                line.left += 1
                return
            try:
                async with self._exclusive(request) as kept:
                    reply = kept or self._keep(request, await self._answer(request, line, spending), line)
                    if problem := self._other_model(request, reply):
                        raise EndpointError(problem, final=True)
            except EndpointError as trouble:
                line.give_up(trouble)
                return
            line.in_a_row = 0
            finish(reply)

    async def _ask_batched(self, requests: list[Request], line: _EndpointState, spending: Spending, finish) -> None:
        def keep(request: Request, answer: Answer) -> None:
            spending.pay(request, answer, line.endpoint)
            reply = self._keep(request, answer, line)
            left.pop(request.digest)
            if problem := self._other_model(request, reply):
                raise EndpointError(problem, final=True)
            finish(reply)

        left = {request.digest: request for request in requests}
        try:
            async with contextlib.AsyncExitStack() as held:
                for request in sorted(requests, key=lambda each: each.digest):  # one order: no two jobs wait in a ring
                    if kept := await held.enter_async_context(self._exclusive(request)):
                        left.pop(request.digest)
                        finish(kept)
                await submit_batches_and_wait(left, line.provider, self.store, spending, keep)
        except (EndpointError, OverBudget) as error:
            over = isinstance(error, OverBudget)
            trouble = EndpointError(f"was stopped by the budget: {error}; raise it", final=True) if over else error
            line.give_up(trouble, len(left) or 1)

    def _keep(self, request: Request, answer: Answer, line: _EndpointState) -> Reply:
        return exchange_store.record(self.store, request, answer, line.endpoint)

    @contextlib.asynccontextmanager
    async def _exclusive(self, request: Request) -> AsyncIterator[Reply | None]:
        """While no other process asks the same; what one that did was answered."""
        asking = shared(self.store / ".asking")
        place = 1 + int(request.digest[:12], 16)
        while not asking.hold(place):
            await asyncio.sleep(LOOK_AGAIN_S)
        try:
            kept = None
            with contextlib.suppress(ValueError):
                kept = exchange_store.read(self.store, request.digest)
            yield kept if kept and kept.status in exchange_store.ANSWERED else None
        finally:
            asking.release(place)

    async def _answer(self, request: Request, line: _EndpointState, spending: Spending) -> Answer:
        """Ask until there is an answer, with waits between the tries.

        Raises:
            Trouble: there is none.
        """
        if line.limit is None:
            return await line.provider.answer(request)
        tokens, attempt = input_tokens(request), 0
        while True:
            try:
                reservation = await spending.reserve(request, line.endpoint)
            except OverBudget as error:
                raise EndpointError(f"was stopped by the budget: {error}; raise it", final=True) from None
            started = time.time()
            try:
                async with line.limit.slot(tokens):
                    started = time.time()
                    answer = await line.provider.answer(request)
                line.limit.answered(tokens, answer.usage and sum(answer.usage.values()))
                spending.pay(request, answer, line.endpoint)
                return answer
            except EndpointError as error:
                trouble = error
                if trouble.answer:
                    spending.pay(request, trouble.answer, line.endpoint)
            finally:
                spending.settle(reservation)
            if trouble.slow_down:
                line.limit.slow_down(started, trouble.wait_s)
            if (trouble.wait_s or 0) > FORGET_S:
                raise EndpointError(f"wants no calls for {trouble.wait_s:.0f} s; run again then", final=True)
            if trouble.final or line.closed or attempt >= line.endpoint["max_retries"]:
                if trouble.answer and not line.closed:
                    return trouble.answer
                raise trouble
            # What the endpoint asks for is kept to, and nobody comes back at the same moment as the others.
            await asyncio.sleep((trouble.wait_s or 0) + back_off(attempt) * (random.random() if trouble.wait_s else 1))
            attempt += 1
