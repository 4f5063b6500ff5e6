"""Whether two sides lead to the same conclusion: verdicts, leads and orders of methods that both have."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from detailscribe.capsule.compare.differences import (
    ABSENT,
    MEANS,
    RANKINGS,
    VERDICTS,
    WIN_RATES,
    Difference,
    Part,
    number_text,
    numbers_text,
    of_both,
)
from detailscribe.capsule.compare.verdicts import PEOPLE, Cell, Conclusions, Key, Mean

QUESTION = "Is the conclusion the same?"
YES, BUT, NO, UNKNOWN = "yes", "but", "no", "unknown"
DECIDING_ORDERS = ("honest rows", "strengths")  # an order of oracle cells decides nothing


@dataclass(frozen=True)
class Conclusion:
    """The answer: YES, BUT (another order), NO or UNKNOWN, and the sentences that say so."""

    answer: str
    text: str


def compare_conclusions(a: Conclusions, b: Conclusions, scope: str) -> tuple[Conclusion, list[Part]]:
    """The answer, and the parts verdicts, rankings, win rates and means.

    Args:
        a, b: Of the sides.
        scope: What is not compared, since only one side has it; empty if both have the same.
    """
    verdicts, leads = _pairs(a.verdicts, b.verdicts), _pairs(a.leads, b.leads)
    orders = _pairs(a.orders, b.orders)
    parts = {name: Part(name) for name in (VERDICTS, RANKINGS, WIN_RATES, MEANS)}
    changed_verdicts = [key for key, (one, other) in verdicts.items() if _verdict_of(one) != _verdict_of(other)]
    _add(parts[VERDICTS], a.verdicts, b.verdicts, _verdict_of, _verdict_texts)
    _add(parts[VERDICTS], a.leads, b.leads, _itself, _as_they_are)
    _add(parts[RANKINGS], a.orders, b.orders, _itself, _as_they_are, moves)
    _add(parts[WIN_RATES], a.win_rates, b.win_rates, _itself, numbers_text)
    _add(parts[MEANS], a.means, b.means, _mean_of, _mean_texts, _inside)
    deciding = {key: pair for key, pair in orders.items() if key[2] in DECIDING_ORDERS or key[1] == PEOPLE}
    moved = [key for key, (one, other) in deciding.items() if one != other]
    led = [key for key, (one, other) in leads.items() if one != other]
    counts = [
        (len(changed_verdicts), len(verdicts), "verdict"),
        (len(led), len(leads), "lead"),
        (len(moved), len(deciding), "order of methods"),
    ]
    untold = [name for name, is_there in a.tabulated.items() if b.tabulated.get(name, is_there) != is_there]
    lacking = [f"{'B' if a.tabulated[name] else 'A'} has no main table of {name}" for name in untold]
    return _conclusion(counts, lacking, scope), list(parts.values())


def _conclusion(counts: list[tuple[int, int, str]], lacking: list[str], scope: str) -> Conclusion:
    counts = [each for each in counts if each[1]]
    tail = f" Not compared: {scope}." if scope else ""
    changed = [f"{differ} of {_counted(total, name)}" for differ, total, name in counts if differ]
    same = [f"{'all ' if total > 1 else ''}{_counted(total, name)}" for differ, total, name in counts if not differ]
    decided = any(differ for differ, _, name in counts if name != "order of methods")
    if decided:
        kept = f" The same: {', '.join(same)}." if same else ""
        return Conclusion(NO, f"{QUESTION} No: {', '.join(changed)} differ.{kept}{tail}")
    if lacking or not counts:
        reason = ", ".join(lacking) or "no table of verdicts is on both sides"
        return Conclusion(UNKNOWN, f"{QUESTION} It cannot be said: {reason}.{tail}")
    if changed:
        return Conclusion(
            BUT, f"{QUESTION} Yes in what is sure ({', '.join(same) or 'nothing'}), but {changed[0]} differ.{tail}"
        )
    return Conclusion(YES, f"{QUESTION} Yes: {', '.join(same)} are the same.{tail}")


def moves(one: str, other: str) -> str:
    """Which methods have another place in an order, the farthest first; a method that only one order has is last."""
    a, b = _places(one), _places(other)
    found = sorted((name for name in a if a[name] != b.get(name)), key=lambda name: -abs(a[name] - b.get(name, len(a))))
    words = [f"{name} {a[name]} → {b.get(name, ABSENT)}" for name in found]
    return ", ".join([*words, *(f"{name} {ABSENT} → {b[name]}" for name in b if name not in a)])


def _places(order: str) -> dict[str, int]:
    """The place of each method, from 1; equal ones share one."""
    places: dict[str, int] = {}
    place = 1
    for group in filter(None, order.split(" > ")):
        names = group.split(" = ")
        places |= dict.fromkeys(names, place)
        place += len(names)
    return places


def _counted(count: int, name: str) -> str:
    plural = name.replace("order ", "orders ") if name.startswith("order") else f"{name}s"
    return f"{count} {name if count == 1 else plural}"


def _pairs(a: Mapping[Key, Any], b: Mapping[Key, Any]) -> dict[Key, tuple[Any, Any]]:
    return {key: (value, b[key]) for key, value in a.items() if key in b}


def _add(
    part: Part,
    a: Mapping[Key, Any],
    b: Mapping[Key, Any],
    compared: Callable[[Any], Any],
    texts: Callable[[Any, Any], tuple[str, str]],
    note: Callable[[Any, Any], str] = lambda one, other: "",
) -> None:
    """Add what differs to a part; what only one side has differs, too."""
    found = []
    for key in [*a, *(key for key in b if key not in a)]:
        scenario, item, one, other = key[0], f"{key[1]}, {key[2]}", a.get(key), b.get(key)
        if one is None or other is None:
            pair = (texts(one, one)[0], ABSENT) if one is not None else (ABSENT, texts(other, other)[1])
            found.append(Difference(part.name, scenario, item, *pair))
        elif compared(one) != compared(other):
            found.append(Difference(part.name, scenario, item, *texts(one, other), note(one, other)))
    part.add(found, len(a.keys() | b.keys()))


def _itself(value: object) -> object:
    return value


def _as_they_are(one: str, other: str) -> tuple[str, str]:
    return one, other


def _verdict_of(cell: Cell) -> str:
    return cell.verdict


def _verdict_texts(*cells: Cell) -> tuple[str, str]:
    return of_both(lambda cell: cell.verdict + (f" (p {number_text(cell.p)})" if cell.p is not None else ""), *cells)


def _mean_of(mean: Mean) -> float | None:
    return mean[0]


def _mean_texts(one: Mean, other: Mean) -> tuple[str, str]:
    return numbers_text(one[0], other[0])


def _inside(one: Mean, other: Mean) -> str:
    """Whether B's mean lies in the 95 % interval of A's."""
    _, low, high = one
    if low is None or high is None or other[0] is None:
        return ""
    return f"{'inside' if low <= other[0] <= high else 'outside'} A's 95 % interval"
