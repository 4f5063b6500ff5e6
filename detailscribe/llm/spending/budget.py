"""Budget of a study, a ceiling shared by all its jobs: each call's bound is reserved before it and settled after it.

A reservation is a row of the spend log. What a killed process had reserved therefore stays reserved: the server bills
the calls that were in flight.
"""

import asyncio
import contextlib
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from detailscribe.files.locked_file import open_locked_file
from detailscribe.llm.prices import batch_factor
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.spending.account import MARGIN, Account, Open
from detailscribe.llm.spending.bounds import Bound, call_bound
from detailscribe.llm.spending.spend_log import SpendLog, answer_row, call_row

POLL_INTERVAL_S = 0.05
PROCESS_SLOTS = 2**48  # locked while a budget is in use, chosen at random without collisions


class BudgetExceededError(Exception):
    """The next call could exceed the budget."""


@dataclass(frozen=True)
class Reservation:
    """Dollars reserved for a call; no name if nothing is reserved.

    Attributes:
        name: In the spend log.
        amount_usd: Reserved for the call.
        bound_usd: Bound of the call; more than the amount for a call without a limit that takes all that is left.
        shared: Whether the amount is a share of a batch's reservation.
    """

    name: str = ""
    amount_usd: float = 0.0
    bound_usd: float = 0.0
    shared: bool = False


class Budget:
    """The budget of a study. Without a limit, reservations are empty and costs are only recorded.

    Args:
        store: Folder of the exchanges, with the spend log.
        limit_usd: Dollars that all runs together may spend; None for no limit.
        say: Called with a sentence for the user, once per matter.
    """

    def __init__(self, store: Path, limit_usd: float | None, say: Callable[[str], None] | None = None):
        self.limit_usd, self._say, self._said = limit_usd, say, set[str]()
        self._log = SpendLog(store)
        self._account = Account(SpendLog(store))
        self._shares: dict[str, Reservation] = {}  # of requests in batches, by digest
        self._turn, self._settled = asyncio.Lock(), asyncio.Event()
        if limit_usd is not None:
            self._file = open_locked_file(store / ".spending.json")
            self._slot = 1 + secrets.randbelow(PROCESS_SLOTS)
            self._file.try_lock(self._slot)

    def __enter__(self) -> "Budget":
        return self

    def __exit__(self, *_) -> None:
        """End the use of this budget. What is not settled counts as spent from now on."""
        if self.limit_usd is not None:
            self._file.release(self._slot)

    async def reserve(self, request: Request, endpoint: dict) -> Reservation:
        """Reserve the bound of a call; wait while calls in flight leave no room for it.

        Calls of a role go out one at a time until one has kept to its bound, then as many as have kept to theirs. If
        nothing limits the output tokens, the assumed bound is reserved; where the budget has no room for that, the call
        may still go out alone if it fits at 1.25 x the role's most expensive call so far, and reserves all that is
        left.

        Raises:
            BudgetExceededError: what is spent plus this call could exceed the budget.
        """
        if self.limit_usd is None or not (bound := call_bound(request, endpoint)).amount_usd:
            return Reservation()
        kind, discount = (request.role, request.model), batch_factor(endpoint)
        async with self._turn:
            while True:
                self._settled.clear()
                with self._file.update():
                    self._account.update()
                    if amount := self._free_amount(kind, bound, discount):
                        name = secrets.token_hex(8)
                        row = call_row(request, endpoint) | {"certain": bound.certain, "reserved_usd": amount}
                        self._log.append(row | {"reservation": name, "owner": self._slot})
                        return Reservation(name, amount, bound.amount_usd)
                await self._wait()

    async def reserve_batch(self, name: str, requests: list[Request], endpoint: dict) -> None:
        """Reserve the bounds of a batch, unless an earlier run has done so; wait as `reserve` does.

        Args:
            name: Of the batch; the same when another run continues it.

        Raises:
            BudgetExceededError: what is spent plus the batch could exceed the budget.
        """
        if self.limit_usd is None:
            return
        bounds = {each.digest: call_bound(each, endpoint) for each in requests}
        unlimited = sorted({each.role for each in requests if not bounds[each.digest].certain})
        async with self._turn:
            while True:
                self._settled.clear()
                with self._file.update():
                    self._account.update()
                    shares = {each.digest: self._share(name, each, bounds[each.digest]) for each in requests}
                    total = sum(share.amount_usd for share in shares.values())
                    if not total or self._reserve_total(name, total, len(requests), unlimited):
                        self._shares |= shares
                        return
                await self._wait()

    def settle(
        self,
        reservation: Reservation,
        request: Request,
        answer: Answer | None,
        endpoint: dict,
        unknown: bool = False,
        batch_id: str = "",
    ) -> None:
        """Replace a reservation by the cost of its call. Do so before the exchange is recorded: no cost is lost then.

        The reservation of an answer without usage is booked as spent.

        Args:
            answer: None if there was none.
            unknown: Whether a call without an answer may have been billed; its reservation is then booked as spent.
            batch_id: Of the batch that holds the answer; empty for a direct call.
        """
        row = answer_row(request, answer, endpoint) if answer else None
        of_batch = {"batch_id": batch_id} if batch_id else {}
        if not reservation.name:
            if row:
                self._append(row | of_batch)
            return
        settles: dict = {"settles": reservation.name, **of_batch}
        if reservation.shared:
            settles["settled_usd"] = reservation.amount_usd
        if row and row["cost_usd"] is not None:
            row |= settles | {"bound_usd": reservation.bound_usd}
        elif answer.billed if answer else unknown:
            if answer and answer.status == "ok":
                self._say_once(
                    f"Endpoint {request.endpoint!r} reports no usage: `budget_usd` counts each of its answers at the "
                    "most that it can cost."
                )
            row = call_row(request, endpoint) | settles | {"booked_usd": reservation.amount_usd}
        else:
            row = {"digest": request.digest} | settles
        self._append(row)
        self._settled.set()

    def record(self, request: Request, answer: Answer, endpoint: dict, batch_id: str) -> None:
        """Record the cost of an answer in a batch, which settles the request's share of the reservation.

        Args:
            batch_id: Of the server.
        """
        self.settle(self._shares.pop(request.digest, Reservation()), request, answer, endpoint, batch_id=batch_id)

    def release_batch(self, name: str, unknown: bool = False) -> None:
        """Release what is left of a batch's reservation once the batch has ended.

        Args:
            unknown: Whether the rest may have been billed; it is then booked as spent.
        """
        if self.limit_usd is None:
            return
        self._account.update()
        if rest := self._account.open.get(name):
            self._append({"settles": name} | ({"booked_usd": rest.amount_usd} if unknown else {}))
            self._settled.set()

    def _free_amount(self, kind: tuple[str, str], bound: Bound, discount: float) -> float:
        """Dollars to reserve for a call now; 0 if it has to wait.

        Args:
            discount: Its price relative to a direct call's.

        Raises:
            BudgetExceededError: waiting would not help.
        """
        history = self._account.history(kind)
        amount = expected = bound.amount_usd * history.margin
        if not bound.certain:
            expected = min(amount, history.max_cost_usd * MARGIN * discount)
        live = self._live()
        spent = self._spent(live)
        free = self._limit - spent - sum(each.amount_usd for each in live)
        if spent + expected > self._limit or spent >= self._limit:
            raise BudgetExceededError(f"{self._spent_text(live)}; {_next_text(kind, bound, expected, history.margin)}")
        if sum(each.kind == kind for each in live) >= history.concurrent:
            return 0.0
        if amount <= free:
            return amount
        alone = not bound.certain and all(each.certain for each in live)
        return free if alone and free >= expected and free > 0 else 0.0

    def _share(self, name: str, request: Request, bound: Bound) -> Reservation:
        margin = self._account.history((request.role, request.model)).margin
        return Reservation(name, bound.amount_usd * margin, bound.amount_usd, shared=True)

    def _reserve_total(self, name: str, total: float, calls: int, unlimited: list[str]) -> bool:
        """Reserve the total of a batch, or continue its reservation; False if it has to wait."""
        if name in self._account.open:
            self._append({"reservation": name, "owner": self._slot})
            return True
        live = self._live()
        if self._spent(live) + total > self._limit:
            reason = f" (set `max_tokens` in the options of {', '.join(unlimited)})" if unlimited else ""
            raise BudgetExceededError(
                f"{self._spent_text(live)}; a batch of {calls} calls may cost {total:.4f}{reason}"
            )
        if self._spent(live) + sum(each.amount_usd for each in live) + total > self._limit:
            return False
        self._append(
            {"reservation": name, "owner": self._slot, "reserved_usd": total, "certain": not unlimited, "batch": True}
        )
        return True

    def _live(self) -> list[Open]:
        """Reservations of running processes."""
        held: dict[int, bool] = {}
        for each in self._account.open.values():
            if each.owner not in held:
                held[each.owner] = bool(each.owner) and self._file.is_held(each.owner)
        return [each for each in self._account.open.values() if held[each.owner]]

    def _spent(self, live: list[Open]) -> float:
        """Dollars that are spent or may have been: everything but the reservations of running processes."""
        lost = sum(each.amount_usd for each in self._account.open.values()) - sum(each.amount_usd for each in live)
        return self._account.cost_usd + self._account.booked_usd + max(0.0, lost)

    def _spent_text(self, live: list[Open]) -> str:
        spent = self._spent(live)
        unsure = spent - self._account.cost_usd
        text = f"{spent:.4f} of {self.limit_usd:g} dollars (`budget_usd`) are spent"
        return text + (f", {unsure:.4f} of them by calls without an answer that may be billed" if unsure > 5e-5 else "")

    async def _wait(self) -> None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(POLL_INTERVAL_S):
                await self._settled.wait()

    @property
    def _limit(self) -> float:
        return self.limit_usd or 0.0

    def _append(self, row: dict) -> None:
        # Under the lock where there is a budget: some network file systems do not append atomically.
        with self._file.update() if self.limit_usd is not None else contextlib.nullcontext():
            self._log.append(row)

    def _say_once(self, sentence: str) -> None:
        if self._say and sentence not in self._said:
            self._said.add(sentence)
            self._say(sentence)


def _next_text(kind: tuple[str, str], bound: Bound, expected: float, margin: float) -> str:
    text = f"the next call may cost {expected:.4f}"
    if not bound.certain:
        return text + f" or more (its output has no limit: set `max_tokens` in the options of {kind[0]})"
    return text + (f" (the server has reported more than the bound of {kind[0]})" if margin > 1 else "")
