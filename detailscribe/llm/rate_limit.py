"""Rate limits per endpoint (concurrency, requests per minute, tokens per minute), shared by this machine's processes.

Concurrency follows AIMD: halved on HTTP 429, increased by one per `concurrency` answers. Requests and tokens are
spread evenly: each call reserves the time at which the next one may start.
"""

import asyncio
import contextlib
import math
import random
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.digests import digest
from detailscribe.files.locked_file import open_locked_file
from detailscribe.files.user_tmp import VARIABLE, shared_by_jobs

MINUTE_S = 60.0
POLL_INTERVAL_S = 0.02  # between two attempts to get a slot
FORGET_S = 600.0  # a reduced concurrency is forgotten after this time; no start time is reserved further ahead


class RateLimit:
    """The rate limits of one endpoint.

    Args:
        endpoint: `base_url` and `key_env` (endpoints with the same address and key share the limits), `in_flight`,
            `requests_per_minute`, `tokens_per_minute` (0: no limit); `state_folder` of a server that a job started.
        folder: Folder of the state; by default that of the endpoint, or one of this user and machine.

    Raises:
        SetupError: the folder is not writable.
    """

    def __init__(self, endpoint: dict, folder: Path | None = None):
        self.max_in_flight = max(1, endpoint["in_flight"])
        self._per_minute = {name: endpoint.get(f"{name}_per_minute") or 0 for name in ("requests", "tokens")}
        name = digest([endpoint.get("base_url"), endpoint.get("key_env")])[:16]
        own = endpoint.get("state_folder")
        folder = folder or (Path(own) if own else shared_by_jobs("detailscribe"))
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = open_locked_file(folder / f"{name}.json")
        except OSError as error:
            raise SetupError(
                f"{folder} is not writable ({error.strerror}); set {VARIABLE} to a folder that is"
            ) from error

    @contextlib.asynccontextmanager
    async def slot(
        self, tokens: int = 0, pause: Callable[[float], Awaitable[object]] = asyncio.sleep
    ) -> AsyncIterator[None]:
        """Hold one of the concurrent calls; wait for it and for the start time of its request and tokens.

        Args:
            pause: Waits some seconds; what it raises ends the wait.
        """
        while not (slot := self._lock_slot()):
            await pause(POLL_INTERVAL_S * (0.5 + random.random()))
        try:
            if (wait_s := self._reserve_start(tokens)) > 0:
                await pause(wait_s)
            yield
        finally:
            self._file.release(slot)

    def on_rate_limited(self, started: float, retry_after_s: float | None) -> None:
        """Halve the concurrency after an HTTP 429, once for all calls that were in flight at that time.

        Args:
            started: When the call started, `time.time()`.
            retry_after_s: How long the endpoint wants no calls; None if it does not say.
        """
        now = time.time()
        with self._file.update() as state:
            if started >= state.get("cut", 0):
                state["bound"], state["cut"] = max(1.0, self._concurrency(state) / 2), now
            if retry_after_s and math.isfinite(retry_after_s):
                state["closed_until"] = max(state.get("closed_until", 0), now + retry_after_s)

    def on_answer(self, reserved_tokens: int, used_tokens: int | None) -> None:
        """Increase the concurrency after an answer, and correct the reserved tokens to those used."""
        state = self._file.read()
        rate = self._per_minute["tokens"]
        shift_s = (used_tokens - reserved_tokens) * MINUTE_S / rate if rate and used_tokens is not None else 0
        if shift_s or self._concurrency(state) < self.max_in_flight:
            with self._file.update() as state:
                concurrency = self._concurrency(state)
                state["bound"] = min(float(self.max_in_flight), concurrency + 1 / concurrency)
                if shift_s:
                    state["tokens"] = state.get("tokens", 0) + shift_s

    def concurrency(self) -> float:
        """Calls that may be in flight now."""
        return self._concurrency(self._file.read())

    def _concurrency(self, state: dict) -> float:
        forgotten = time.time() - state.get("cut", 0) > FORGET_S
        limit = float(self.max_in_flight)
        return limit if forgotten else min(limit, state.get("bound", self.max_in_flight))

    def _lock_slot(self) -> int:
        return next((slot for slot in range(1, int(self.concurrency()) + 1) if self._file.try_lock(slot)), 0)

    def _reserve_start(self, tokens: int) -> float:
        """Seconds until a call may start; reserves its share of each rate."""
        now = time.time()
        if not any(self._per_minute.values()):
            closed_for_s = self._file.read().get("closed_until", 0) - now
            return closed_for_s if closed_for_s < FORGET_S else 0
        start = now
        with self._file.update() as state:
            for name, amount in (("requests", 1), ("tokens", tokens)):
                if rate := self._per_minute[name]:
                    free_from = state.get(name, 0)
                    free_from = now if free_from < now or free_from > now + FORGET_S else free_from
                    start, state[name] = max(start, free_from), free_from + amount * MINUTE_S / rate
            closed_until = state.get("closed_until", 0)
        return max(start, closed_until if closed_until < now + FORGET_S else 0) - now
