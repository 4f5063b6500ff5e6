"""What answers cost: a line for each one paid for, and a budget that all jobs of a study share.

`spend.jsonl` lies with the exchanges and only grows. Before a call its price is reserved; a reservation counts as long
as the process that made it lives.
"""

import asyncio
import errno
import json
import os
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from detailscribe.files.digests import canonical_json, digest
from detailscribe.files.locked_file import shared
from detailscribe.llm.prices import BATCH_PRICE, cost_usd, prices_of
from detailscribe.llm.request import Answer, Request

LEDGER = "spend.jsonl"
MARGIN = 1.25  # a call may cost this much more than the dearest of its role so far
BYTES_PER_TOKEN = 4  # of English text
IMAGE_TOKENS = 800  # of an image of 1024 x 1024 pixels that a model is shown
OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens")
LOOK_AGAIN_S = 0.05
PLACES = 2**48  # of the shared file; two random ones do not meet


class OverBudget(Exception):
    """The next call could exceed the budget."""


@dataclass(frozen=True)
class Reservation:
    """Dollars set aside for one call; `place` is held where it is the first of its kind."""

    amount: float = 0.0
    place: int = 0


class Spending:
    """The spending of a study.

    Args:
        store: Folder of the exchanges.
        budget_usd: Dollars that may be spent in all, by whatever run; None for no bound.
    """

    def __init__(self, store: Path, budget_usd: float | None):
        self._ledger, self.budget_usd = store / LEDGER, budget_usd
        self._read, self._spent = 0, 0.0
        self._dearest: dict[tuple, float] = {}
        if budget_usd is not None:
            self._shared = shared(store / ".spending.json")
            self._place = 1 + secrets.randbelow(PLACES)
            self._shared.hold(self._place)

    async def reserve(self, request: Request, endpoint: dict) -> Reservation:
        """Set a call's price aside, when there is enough; wait while only calls under way are in the way of it.

        The price is the dearest call of the role so far and a quarter, at most what `max_tokens` allows. The first
        call is made alone, at the price of its input and of as much output as `max_tokens` allows.

        Raises:
            OverBudget: what was paid and this call may be more than the budget.
        """
        if self.budget_usd is None:
            return Reservation()
        kind = _kind(request, endpoint)
        while True:
            with self._shared.change() as state:
                self._catch_up()
                first = 0 if kind in self._dearest else PLACES + 1 + int(digest(kind)[:12], 16)
                amount = self._price(request, endpoint)
                if self._spent + amount > self.budget_usd and amount:
                    raise OverBudget(
                        f"{self._spent:.4f} of {self.budget_usd:g} dollars (`budget_usd`) are spent "
                        f"and the next call may cost {amount:.4f}"
                    )
                reserved = self._reserved(state)
                room = self._spent + sum(reserved.values()) + amount <= self.budget_usd
                if room and (not first or self._shared.hold(first)):
                    self._set_aside(state, reserved, amount)
                    return Reservation(amount, first)
            await asyncio.sleep(LOOK_AGAIN_S)

    async def reserve_batch(self, requests: list[Request], endpoint: dict) -> Reservation:
        """Set the price of a whole batch aside.

        Raises:
            OverBudget: what was paid and the batch may be more than the budget, or nothing says what its calls cost.
        """
        if self.budget_usd is None:
            return Reservation()
        while True:
            with self._shared.change() as state:
                self._catch_up()
                amount = sum(self._price(request, endpoint) for request in requests)
                unknown = [each for each in requests if self._known(each, endpoint) is None and not _limit(each)]
                if unknown or self._spent + amount > self.budget_usd:
                    said = f"a batch of {len(requests)} calls may cost {amount:.4f}"
                    if unknown:
                        said = f"nothing says what a call of {unknown[0].role} costs (set `max_tokens` in its options)"
                    raise OverBudget(
                        f"{self._spent:.4f} of {self.budget_usd:g} dollars (`budget_usd`) are spent and {said}"
                    )
                reserved = self._reserved(state)
                if self._spent + sum(reserved.values()) + amount <= self.budget_usd:
                    self._set_aside(state, reserved, amount)
                    return Reservation(amount)
            await asyncio.sleep(LOOK_AGAIN_S)

    def settle(self, reservation: Reservation) -> None:
        """Free what was set aside, after what it became was paid."""
        if self.budget_usd is not None:
            with self._shared.change() as state:
                self._set_aside(state, self._reserved(state), -reservation.amount)
            if reservation.place:
                self._shared.release(reservation.place)

    def pay(self, request: Request, answer: Answer, endpoint: dict) -> None:
        """Write down what an answer cost; before its exchange, so that no cost is ever forgotten."""
        cost, batch = cost_usd(answer.usage, prices_of(endpoint, request.model)), bool(endpoint.get("batch"))
        if answer.usage is None and not cost:
            return
        row = {
            **{"date": datetime.now(UTC).isoformat(timespec="seconds"), "role": request.role, "model": request.model},
            **{"digest": request.digest, **(answer.usage or {}), "cost_usd": cost, "batch": batch},
        }
        line = (canonical_json(row) + "\n").encode()
        self._ledger.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(self._ledger, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        try:
            if os.write(handle, line) < len(line):  # one write: lines of two jobs do not mix
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._ledger))
        finally:
            os.close(handle)

    def _price(self, request: Request, endpoint: dict) -> float:
        usage = {"input_tokens": input_tokens(request), "output_tokens": _limit(request)}
        bound, max_cost = cost_usd(usage, prices_of(endpoint, request.model)) or 0.0, self._known(request, endpoint)
        if max_cost is None:
            return bound
        return min(max_cost * MARGIN, bound) if _limit(request) else max_cost * MARGIN

    def _known(self, request: Request, endpoint: dict) -> float | None:
        role, model, batch = _kind(request, endpoint)
        once = self._dearest.get((role, model, False))
        return self._dearest.get((role, model, True), once and once * BATCH_PRICE) if batch else once

    def _catch_up(self) -> None:
        size = self._ledger.stat().st_size if self._ledger.is_file() else 0
        if size > self._read:
            with open(self._ledger, "rb") as file:
                file.seek(self._read)
                data = file.read(size - self._read)
            self._read += data.rfind(b"\n") + 1
            for row in _rows(data[: data.rfind(b"\n") + 1]):
                kind, cost = (row["role"], row["model"], row["batch"]), row["cost_usd"] or 0.0
                self._dearest[kind] = max(self._dearest.get(kind, 0.0), cost)
                self._spent += cost

    def _reserved(self, state: dict) -> dict[str, float]:
        every = state.get("reserved", {})
        return {place: amount for place, amount in every.items() if self._shared.is_held(int(place))}

    def _set_aside(self, state: dict, reserved: dict, amount: float) -> None:
        mine = str(self._place)
        state["reserved"] = {**reserved, mine: max(0.0, reserved.get(mine, 0.0) + amount)}


def read_spending(store: Path) -> list[dict]:
    """Lines of the spending so far: date, role, model, digest, input_tokens, output_tokens, cost_usd, batch."""
    path = store / LEDGER
    return _rows(path.read_bytes()) if path.is_file() else []


def input_tokens(request: Request) -> int:
    """About how many tokens a request shows the model."""
    text = sum(len(message["content"].encode()) for message in request.messages)
    return text // BYTES_PER_TOKEN + IMAGE_TOKENS * len(request.images)


def _kind(request: Request, endpoint: dict) -> tuple[str, str, bool]:
    return request.role, request.model, bool(endpoint.get("batch"))


def _limit(request: Request) -> int:
    return next((request.options[name] for name in OUTPUT_LIMITS if name in request.options), 0)


def _rows(data: bytes) -> list[dict]:
    rows = []
    for line in data.splitlines():
        try:
            row = json.loads(line)
        except ValueError:
            continue  # torn by a kill or a full disk
        if isinstance(row, dict) and "cost_usd" in row:
            rows.append(row)
    return rows
