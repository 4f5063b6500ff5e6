"""Verdicts, leads, orders, win rates and means in the tables of one side: what a reader concludes from a study.

A verdict is the sign of a method's difference from the baseline where Holm's p is below 0.05. It is read from the
honest row of each method (docs/statistics.md): an oracle cell compares a choice with no choice.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from detailscribe.capsule.compare.differences import float_of
from detailscribe.capsule.compare.sides import Side

LEVEL = 0.05  # of Holm's p values, as in the tables and figures
BETTER, WORSE, UNDECIDED, NO_LEAD = "better", "worse", "no difference shown", "no sure lead"
PEOPLE = "people"
POOLED = "all scenarios"

Key = tuple[str, str, str]  # (scenario, metric, what)
Mean = tuple[float | None, float | None, float | None]  # with its interval


@dataclass(frozen=True)
class Cell:
    """A verdict with the numbers behind it; `value` is a mean, or the value of pairs."""

    verdict: str
    p: float | None = None
    difference: float | None = None


@dataclass
class Conclusions:
    """What the tables of a side say, each by (scenario, metric, what it is of).

    Attributes:
        verdicts: Of a method against another one, and of published numbers.
        leads: The method that surely leads, or NO_LEAD.
        orders: Methods from the best to the worst, equal ones joined by `=`; `what` is the rows that were ordered.
        win_rates: Shares of prompts on which a method wins.
        means: (mean, low95, high95) of the headline and honest rows.
        tabulated: Whether there is a main table, by scenario.
    """

    verdicts: dict[Key, Cell] = field(default_factory=dict)
    leads: dict[Key, str] = field(default_factory=dict)
    orders: dict[Key, str] = field(default_factory=dict)
    win_rates: dict[Key, float] = field(default_factory=dict)
    means: dict[Key, Mean] = field(default_factory=dict)
    tabulated: dict[str, bool] = field(default_factory=dict)


def conclusions_of(side: Side, pooled: bool) -> Conclusions:
    """Read the tables of every scenario, with `pooled` also of all together where there are several."""
    found = Conclusions()
    for scenario in side.scenarios:
        folder = f"results/{scenario}"
        main = _rows(side, f"{folder}/tables/main.csv")
        found.tabulated[scenario] = bool(main)
        _add_main(found, scenario, main)
        for row in _rows(side, f"{folder}/tables/published.csv"):
            what = f"published {' '.join(filter(None, (row.get('version'), row.get('method'))))}"
            found.verdicts[scenario, row.get("metric", ""), what] = Cell(row.get("verdict", ""))
        _add_pairs(found, scenario, _rows(side, f"{folder}/tables/pairs.csv"))
        _add_pairs(found, scenario, _rows(side, f"{folder}/human/pair_main.csv"))
        _add_strengths(found, scenario, _rows(side, f"{folder}/tables/strengths.csv"))
        _add_strengths(found, scenario, _rows(side, f"{folder}/human/strengths.csv"))
        _add_ratings(found, scenario, _rows(side, f"{folder}/human/main.csv"))
    if pooled and len(side.scenarios) > 1:
        _add_main(found, POOLED, _rows(side, "results/tables/pooled.csv"))
    return found


def _rows(side: Side, file: str) -> list[dict[str, str]]:
    return side.table(file)[1]


def _add_main(found: Conclusions, scenario: str, rows: list[dict[str, str]]) -> None:
    has_honest = any("honest" in row for row in rows)  # tables of earlier versions have none
    for row in rows:
        metric, method = row.get("metric", ""), row.get("method", "")
        is_headline, is_oracle = row.get("headline") == "True", row.get("oracle") == "True"
        is_honest = row.get("honest") == "True" if has_honest else is_headline
        if not (is_headline or is_honest):
            continue
        key = scenario, metric, method if is_honest else f"{method} (headline)"
        found.means[key] = float_of(row.get("mean")), float_of(row.get("low95")), float_of(row.get("high95"))
        if (rate := float_of(row.get("win_rate"))) is not None:
            found.win_rates[key] = rate
        if is_honest and (cell := _verdict(row, "difference")):
            found.verdicts[scenario, metric, f"{method} against {row.get('baseline', '')}"] = cell
        if is_honest and (row.get("leads") == "True" or (scenario, metric, "lead") not in found.leads):
            found.leads[scenario, metric, "lead"] = method if row.get("leads") == "True" else NO_LEAD
        if is_headline and is_oracle:
            found.orders.setdefault((scenario, metric, "headline rows"), "")
    for metric in dict.fromkeys(row.get("metric", "") for row in rows):
        of_metric = [row for row in rows if row.get("metric") == metric]
        honest = [row for row in of_metric if row.get("honest" if has_honest else "headline") == "True"]
        found.orders[scenario, metric, "honest rows"] = order(honest, "mean")
        if (scenario, metric, "headline rows") in found.orders:
            headline = [row for row in of_metric if row.get("headline") == "True"]
            found.orders[scenario, metric, "headline rows"] = order(headline, "mean")


def _add_pairs(found: Conclusions, scenario: str, rows: list[dict[str, str]]) -> None:
    for row in rows:
        key = scenario, row.get("judge", PEOPLE), f"{row.get('method', '')} against {row.get('other', '')}"
        if cell := _verdict(row, "value"):
            found.verdicts[key] = cell
        if (rate := float_of(row.get("win_rate"))) is not None:
            found.win_rates[key] = rate


def _add_strengths(found: Conclusions, scenario: str, rows: list[dict[str, str]]) -> None:
    for judge, of_judge in _by(rows, lambda row: row.get("judge", PEOPLE)):
        found.orders[scenario, judge, "strengths"] = order(of_judge, "strength")


def _add_ratings(found: Conclusions, scenario: str, rows: list[dict[str, str]]) -> None:
    """Means of people's ratings, which have no p values of their own."""
    headline = [row for row in rows if row.get("headline") == "True"]
    for row in headline:
        numbers = float_of(row.get("mean")), float_of(row.get("low95")), float_of(row.get("high95"))
        found.means[scenario, PEOPLE, row.get("method", "")] = numbers
    if headline:
        found.orders[scenario, PEOPLE, "headline rows"] = order(headline, "mean")


def _verdict(row: dict[str, str], column: str) -> Cell | None:
    """The verdict of a row; None where nothing was tested."""
    p, difference = float_of(row.get("p_holm")), float_of(row.get(column))
    if p is None or difference is None:
        return None
    sign = BETTER if difference > 0 else WORSE
    return Cell(sign if p < LEVEL and difference else UNDECIDED, p, difference)


def order(rows: list[dict[str, str]], column: str) -> str:
    """Methods by a column, the highest first; equal ones are joined, those without a value are left out."""
    values = {row.get("method", ""): value for row in rows if (value := float_of(row.get(column))) is not None}
    groups: dict[float, list[str]] = {}
    for method, value in sorted(values.items(), key=lambda item: (-item[1], item[0])):
        groups.setdefault(value, []).append(method)
    return " > ".join(" = ".join(names) for names in groups.values())


def _by(
    rows: list[dict[str, str]], name: Callable[[dict[str, str]], str]
) -> Iterator[tuple[str, list[dict[str, str]]]]:
    for each in dict.fromkeys(map(name, rows)):
        yield each, [row for row in rows if name(row) == each]
