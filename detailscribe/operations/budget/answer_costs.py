"""Costs of recorded answers: calls, tokens and dollars of the exchanges that some rows name, each counted once."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detailscribe.llm.exchange_store import exchange_path, load_exchange


@dataclass(frozen=True)
class AnswerCost:
    """What answers cost; None for a number that some of them do not tell.

    Attributes:
        calls: Requests, those that brought no usable answer among them.
        input_tokens: Of all requests.
        output_tokens: Of all answers.
        usd: Dollars.
    """

    calls: int = 0
    input_tokens: int | None = 0
    output_tokens: int | None = 0
    usd: float | None = 0.0

    def __add__(self, other: "AnswerCost") -> "AnswerCost":
        return AnswerCost(
            self.calls + other.calls,
            _sum(self.input_tokens, other.input_tokens),
            _sum(self.output_tokens, other.output_tokens),
            _sum(self.usd, other.usd),
        )


class AnswerCosts:
    """Costs of the answers in a store; each is read once.

    Args:
        store: Folder of the exchanges.
    """

    def __init__(self, store: Path):
        self._store = store
        self._known: dict[str, AnswerCost] = {}

    def of(self, digests: Iterable[str]) -> AnswerCost:
        """The cost of some exchanges, by their digests. Of one that was deleted, only its call is known."""
        total = AnswerCost()
        for digest in dict.fromkeys(digests):
            if digest not in self._known:
                self._known[digest] = self._read(digest)
            total += self._known[digest]
        return total

    def _read(self, digest: str) -> AnswerCost:
        try:
            exchange = load_exchange(exchange_path(self._store, digest))
        except (OSError, ValueError):
            return AnswerCost(1, None, None, None)
        total = AnswerCost()
        for call in (*exchange.get("tries", []), exchange):
            usage = call["usage"] or {}
            total += AnswerCost(1, usage.get("input_tokens"), usage.get("output_tokens"), call.get("cost_usd"))
        return total


def _sum(first: float | None, second: float | None):
    return None if first is None or second is None else first + second
