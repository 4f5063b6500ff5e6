"""How fast an endpoint may be asked: calls in flight, requests and tokens a minute, for all processes of a machine.

The bound on calls in flight is halved when the endpoint says 429 and grows back by one a bound's worth of answers.
Requests and tokens are spread evenly: each call books the time at which the next one may start.
"""

import asyncio
import contextlib
import os
import random
import tempfile
import time
from collections.abc import AsyncIterator
from email.utils import parsedate_to_datetime
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.digests import digest
from detailscribe.files.locked_file import shared

MINUTE_S = 60.0
LOOK_AGAIN_S = 0.02  # between two looks for a free place
FORGET_S = 600.0  # a bound that was cut this long ago starts anew; no booking lies further ahead
FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0  # back-off


class Limit:
    """The limits of an endpoint.

    Args:
        endpoint: `base_url`, `key_env` (who shares an address and a key shares the limit), `in_flight`, and
            `requests_per_minute`, `tokens_per_minute` (0: no bound).
        folder: Where the state lies; by default a folder of this user and machine.

    Raises:
        SetupError: the folder cannot be written.
    """

    def __init__(self, endpoint: dict, folder: Path | None = None):
        self.most = max(1, endpoint["in_flight"])
        self._per_minute = {name: endpoint.get(f"{name}_per_minute") or 0 for name in ("requests", "tokens")}
        who = digest([endpoint.get("base_url"), endpoint.get("key_env")])[:16]
        folder = folder or Path(tempfile.gettempdir()) / f"detailscribe-{os.getuid()}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._file = shared(folder / f"{who}.json")
        except OSError as error:
            raise SetupError(
                f"{folder} cannot be written ({error.strerror}); set TMPDIR to a folder that can"
            ) from error

    @contextlib.asynccontextmanager
    async def slot(self, tokens: int = 0) -> AsyncIterator[None]:
        """One call in flight, once there is room for it and for its tokens."""
        while not (place := self._free_place()):
            await asyncio.sleep(LOOK_AGAIN_S * (0.5 + random.random()))
        try:
            if (wait := self._book(tokens)) > 0:
                await asyncio.sleep(wait)
            yield
        finally:
            self._file.release(place)

    def slow_down(self, started: float, wait_s: float | None) -> None:
        """The endpoint asked for fewer calls: halve the bound, once for all calls that were under way.

        Args:
            started: When the call started, `time.time()`.
            wait_s: How long the endpoint wants no calls at all; None where it does not say.
        """
        now = time.time()
        with self._file.change() as state:
            if started >= state.get("cut", 0):
                state["bound"], state["cut"] = max(1.0, self._bound(state) / 2), now
            state["closed_until"] = max(state.get("closed_until", 0), now + (wait_s or 0))

    def answered(self, booked: int, used: int | None) -> None:
        """An answer came: let the bound grow, and book the tokens that it really took."""
        state = self._file.peek()
        rate = self._per_minute["tokens"]
        off = (used - booked) * MINUTE_S / rate if rate and used is not None else 0
        if off or self._bound(state) < self.most:
            with self._file.change() as state:
                bound = self._bound(state)
                state["bound"] = min(float(self.most), bound + 1 / bound)  # one more after a bound's worth
                if off:
                    state["tokens"] = state.get("tokens", 0) + off

    def bound(self) -> float:
        """Calls that may be in flight now."""
        return self._bound(self._file.peek())

    def _bound(self, state: dict) -> float:
        forgotten = time.time() - state.get("cut", 0) > FORGET_S
        return float(self.most) if forgotten else min(float(self.most), state.get("bound", self.most))

    def _free_place(self) -> int:
        return next((place for place in range(1, int(self.bound()) + 1) if self._file.hold(place)), 0)

    def _book(self, tokens: int) -> float:
        """Seconds until a call may start; its share of each minute is taken."""
        now = time.time()
        if not any(self._per_minute.values()):
            closed_for = self._file.peek().get("closed_until", 0) - now
            return closed_for if closed_for < FORGET_S else 0
        start = now
        with self._file.change() as state:
            for name, amount in (("requests", 1), ("tokens", tokens)):
                if rate := self._per_minute[name]:
                    booked = state.get(name, 0)
                    booked = now if booked < now or booked > now + FORGET_S else booked
                    start, state[name] = max(start, booked), booked + amount * MINUTE_S / rate
            closed_until = state.get("closed_until", 0)
        return max(start, closed_until if closed_until < now + FORGET_S else 0) - now


def back_off(attempt: int) -> float:
    """Seconds to wait after the attempt 0, 1, ...: doubling, with jitter so that jobs do not come back together."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)


def retry_after(headers) -> float | None:
    """Seconds that a response's headers ask to wait (`retry-after-ms`, `retry-after` in seconds or as a date).

    Returns:
        None where they do not say, or not in a way that can be read.
    """
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, float(headers.get("retry-after-ms")) / 1000)
    said = headers.get("retry-after")
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, float(said))
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, parsedate_to_datetime(said).timestamp() - time.time())
    return None
