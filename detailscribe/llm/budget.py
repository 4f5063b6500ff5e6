"""Budget of a study, shared by all its jobs: the cost of a call is reserved before it and recorded after it.

A reservation counts only while the process that made it is alive.
"""

import asyncio
import secrets
from dataclasses import dataclass
from pathlib import Path

from detailscribe.files.digests import digest
from detailscribe.files.locked_file import open_locked_file
from detailscribe.llm.prices import BATCH_PRICE, cost_usd, estimate_input_tokens, output_limit, prices_of
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.spend_log import SpendLog

MARGIN = 1.25  # assumed cost of a call, relative to the most expensive call of its role so far
POLL_INTERVAL_S = 0.05
PROCESS_SLOTS = 2**48  # slots of processes, chosen at random without collisions; the slots above are of first calls


class BudgetExceededError(Exception):
    """The next call could exceed the budget."""


@dataclass(frozen=True)
class Reservation:
    """Dollars reserved for one call or batch; `slot` is locked while the call is the first of its kind."""

    amount_usd: float = 0.0
    slot: int = 0


class Budget:
    """The budget of a study. Without a limit, reservations are empty and costs are only recorded.

    Args:
        store: Folder of the exchanges, with the spend log.
        limit_usd: Dollars that all runs together may spend; None for no limit.
    """

    def __init__(self, store: Path, limit_usd: float | None):
        self.limit_usd = limit_usd
        self._log = SpendLog(store)
        self._spent = 0.0
        self._max_cost: dict[tuple[str, str, bool], float] = {}
        if limit_usd is not None:
            self._file = open_locked_file(store / ".spending.json")
            self._slot = 1 + secrets.randbelow(PROCESS_SLOTS)
            self._file.try_lock(self._slot)

    async def reserve(self, request: Request, endpoint: dict) -> Reservation:
        """Reserve the estimated cost of a call; wait if only reservations of calls in flight exceed the budget.

        The estimate is 1.25 x the most expensive call of this role so far, capped by `max_tokens`. The first call of
        a role runs alone; its estimate is the cost of its input and of `max_tokens` output tokens.

        Raises:
            BudgetExceededError: the recorded cost plus this call could exceed the budget.
        """
        if self.limit_usd is None:
            return Reservation()
        kind = _kind(request, endpoint)
        while True:
            with self._file.update() as state:
                self._read_new_rows()
                slot = 0 if kind in self._max_cost else PROCESS_SLOTS + 1 + int(digest(kind)[:12], 16)
                amount = self._estimate(request, endpoint)
                if self._spent + amount > self.limit_usd and amount:
                    raise BudgetExceededError(f"{self._spent_text()}; the next call may cost {amount:.4f}")
                reserved = self._reserved(state)
                fits = self._spent + sum(reserved.values()) + amount <= self.limit_usd
                if fits and (not slot or self._file.try_lock(slot)):
                    self._update_reservation(state, reserved, amount)
                    return Reservation(amount, slot)
            await asyncio.sleep(POLL_INTERVAL_S)

    async def reserve_batch(self, requests: list[Request], endpoint: dict) -> Reservation:
        """Reserve the estimated cost of a batch; wait as `reserve` does.

        Raises:
            BudgetExceededError: the recorded cost plus the batch could exceed the budget, or the cost of one of its
                calls is unknown.
        """
        if self.limit_usd is None:
            return Reservation()
        while True:
            with self._file.update() as state:
                self._read_new_rows()
                amount = sum(self._estimate(request, endpoint) for request in requests)
                unknown = [
                    each for each in requests if self._known_cost(each, endpoint) is None and not output_limit(each)
                ]
                if unknown:
                    problem = f"the cost of a call of {unknown[0].role} is unknown (set `max_tokens` in its options)"
                    raise BudgetExceededError(f"{self._spent_text()}; {problem}")
                if self._spent + amount > self.limit_usd:
                    raise BudgetExceededError(
                        f"{self._spent_text()}; a batch of {len(requests)} calls may cost {amount:.4f}"
                    )
                reserved = self._reserved(state)
                if self._spent + sum(reserved.values()) + amount <= self.limit_usd:
                    self._update_reservation(state, reserved, amount)
                    return Reservation(amount)
            await asyncio.sleep(POLL_INTERVAL_S)

    def release(self, reservation: Reservation) -> None:
        """Release a reservation once the actual cost has been recorded."""
        if self.limit_usd is not None:
            with self._file.update() as state:
                self._update_reservation(state, self._reserved(state), -reservation.amount_usd)
            if reservation.slot:
                self._file.release(reservation.slot)

    def record(self, request: Request, answer: Answer, endpoint: dict) -> None:
        """Record the cost of an answer. Call it before the exchange is recorded, so that no cost is lost."""
        self._log.append(request, answer, endpoint)

    def _estimate(self, request: Request, endpoint: dict) -> float:
        usage = {"input_tokens": estimate_input_tokens(request), "output_tokens": output_limit(request)}
        upper_bound = cost_usd(usage, prices_of(endpoint, request.model)) or 0.0
        known = self._known_cost(request, endpoint)
        if known is None:
            return upper_bound
        return min(known * MARGIN, upper_bound) if output_limit(request) else known * MARGIN

    def _known_cost(self, request: Request, endpoint: dict) -> float | None:
        role, model, batch = _kind(request, endpoint)
        direct = self._max_cost.get((role, model, False))
        return self._max_cost.get((role, model, True), direct and direct * BATCH_PRICE) if batch else direct

    def _read_new_rows(self) -> None:
        for row in self._log.read_new():
            kind, cost = (row["role"], row["model"], row["batch"]), row["cost_usd"] or 0.0
            self._max_cost[kind] = max(self._max_cost.get(kind, 0.0), cost)
            self._spent += cost

    def _spent_text(self) -> str:
        return f"{self._spent:.4f} of {self.limit_usd:g} dollars (`budget_usd`) are spent"

    def _reserved(self, state: dict) -> dict[str, float]:
        reserved = state.get("reserved", {})
        return {slot: amount for slot, amount in reserved.items() if self._file.is_held(int(slot))}

    def _update_reservation(self, state: dict, reserved: dict[str, float], amount: float) -> None:
        own = str(self._slot)
        state["reserved"] = {**reserved, own: max(0.0, reserved.get(own, 0.0) + amount)}


def _kind(request: Request, endpoint: dict) -> tuple[str, str, bool]:
    return request.role, request.model, bool(endpoint.get("batch"))
