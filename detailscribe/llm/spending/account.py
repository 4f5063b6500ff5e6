"""Account of a study's spending: what the rows of the spend log add up to, and what calls of each role have cost."""

from collections import defaultdict
from dataclasses import dataclass, field, replace
from pathlib import Path

from detailscribe.llm.prices import BATCH_PRICE
from detailscribe.llm.spending.spend_log import SpendLog

MARGIN = 1.25  # of what calls have cost so far, where that is the best known estimate of the next one
MOST_HALVINGS = 10
SMALLEST_USD, LARGEST_USD = 1e-12, 1e9  # amounts of a call that a row may give
MAX_OWNER = 2**62  # slots of a lock file


@dataclass(frozen=True)
class Open:
    """A reservation that is not settled: its call is in flight, or its process was killed."""

    kind: tuple[str, str]
    amount_usd: float
    certain: bool
    owner: int


@dataclass
class History:
    """What calls of one kind (role, model) have cost, at the price of direct calls.

    Attributes:
        max_cost_usd: Of the most expensive one.
        within: Answers within their bound since the last one above it.
        exceeded: Answers above their bound.
        ratio: Largest cost relative to its bound.
    """

    max_cost_usd: float = 0.0
    within: int = 0
    exceeded: int = 0
    ratio: float = 1.0

    @property
    def margin(self) -> float:
        """Factor on the bounds of further calls: above 1 once a server has reported more than a bound."""
        return self.ratio * MARGIN if self.exceeded else 1.0

    @property
    def concurrent(self) -> int:
        """Calls that may be in flight: one at first, then as many as have kept to their bound."""
        return max(1, self.within >> min(self.exceeded, MOST_HALVINGS))


@dataclass
class Account:
    """Sums over the rows of a store's spend log.

    Attributes:
        cost_usd: Cost of the answers, as the servers reported it.
        booked_usd: Bounds of the calls that may have been billed: timeouts, lost connections, answers without usage.
        booked: Number of those calls.
        open: Reservations by name.
    """

    log: SpendLog
    cost_usd: float = 0.0
    booked_usd: float = 0.0
    booked: int = 0
    open: dict[str, Open] = field(default_factory=dict)
    _histories: defaultdict[tuple[str, str], History] = field(default_factory=lambda: defaultdict(History))

    def update(self) -> None:
        """Add the rows that were written since the last call."""
        for row in self.log.read_new():
            self._add(row)

    def history(self, kind: tuple[str, str]) -> History:
        """What calls of a kind have cost."""
        return self._histories[kind]

    def _add(self, row: dict) -> None:
        name = str(row.get("reservation"))
        if "reserved_usd" in row:
            certain = bool(row.get("certain"))
            self.open[name] = Open(_kind(row), _dollars(row["reserved_usd"]), certain, _owner(row))
        elif name in self.open:
            self.open[name] = replace(self.open[name], owner=_owner(row))
        if "settles" in row:
            self._settle(str(row["settles"]), row.get("settled_usd"))
        if "booked_usd" in row:
            self.booked_usd, self.booked = self.booked_usd + _dollars(row["booked_usd"]), self.booked + 1
        if "cost_usd" in row:
            cost = _dollars(row["cost_usd"])
            self.cost_usd += cost
            self._learn(row, cost)

    def _settle(self, name: str, part_usd: object) -> None:
        reservation = self.open.pop(name, None)
        if reservation and part_usd is not None:
            rest = max(0.0, reservation.amount_usd - _dollars(part_usd))
            self.open[name] = replace(reservation, amount_usd=rest)

    def _learn(self, row: dict, cost: float) -> None:
        history = self._histories[_kind(row)]
        history.max_cost_usd = max(history.max_cost_usd, cost / (BATCH_PRICE if row.get("batch") else 1))
        bound = _dollars(row.get("bound_usd"))
        if bound and cost > bound * (1 + 1e-9):
            history.exceeded, history.within, history.ratio = history.exceeded + 1, 0, max(history.ratio, cost / bound)
        elif bound:
            history.within += 1


def read_account(store: Path) -> Account:
    """The account of a store."""
    account = Account(SpendLog(store))
    account.update()
    return account


def _kind(row: dict) -> tuple[str, str]:
    return str(row.get("role")), str(row.get("model"))


def _owner(row: dict) -> int:
    owner = row.get("owner")
    return owner if isinstance(owner, int) and 0 < owner < MAX_OWNER else 0


def _dollars(value: object) -> float:
    """A row's amount; 0 for anything but a positive number, such as the negative costs of earlier versions."""
    if isinstance(value, int | float) and not isinstance(value, bool) and SMALLEST_USD <= value < LARGEST_USD:
        return float(value)
    return 0.0
