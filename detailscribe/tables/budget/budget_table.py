"""Table of what each method costs, `tables/budget.csv`, and its score against best of N at equal steps and seconds.

Every number is defined in docs/statistics.md.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.scores.metric_facts import score_ranges
from detailscribe.study.study import Study
from detailscribe.tables.budget.costs_of_methods import (
    COST_COLUMNS,
    HONEST,
    METHOD,
    REFERENCE,
    decided_methods,
    seconds_of,
)
from detailscribe.tables.honest.oracle_cells import honest_selection, is_oracle, oracle_settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

    from detailscribe.tables.budget.reference import Reference
    from detailscribe.tables.score_table import ScoreTable

STAGE = "budget"
ALGORITHM = 3
EQUAL = {
    kind: [
        *(f"seeds_at_{kind}", f"reference_at_{kind}", f"gain_at_{kind}"),
        *(f"gain_at_{kind}_low95", f"gain_at_{kind}_high95", f"rank_at_{kind}"),
    ]
    for kind in ("steps", "seconds")
}
BUDGET_COLUMNS = [
    *("method", "role", "selection", "metric", "oracle", "n", "mean", "low95", "high95", *COST_COLUMNS),
    *(*EQUAL["steps"], *EQUAL["seconds"], "equal_compute", "note"),
]


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    values = {
        "methods": [vars(method) for method in study.methods()],
        "metrics": study.metrics,
        "originals": study.originals(),
        **oracle_settings(study),
        "ranges": score_ranges(study),
    }
    return {"budget": values}


def tabulate_budget(scores: ScoreTable, costs: pd.DataFrame, settings: dict) -> pd.DataFrame:
    """Costs and scores of the headline row of every method and metric, and those of the best of 1, 2, ... seeds.

    Where the headline is an oracle cell, the honest row of the method stands right below it.

    Args:
        scores: Of the scenario.
        costs: Rows of `tables/method_costs.csv` (`costs_of_methods.read_costs`).
        settings: `methods` (name, candidates, headline), `metrics`, `originals`, `ranges` {metric: [low, high] or
            null}, and those of `oracle_settings`.

    Returns:
        Rows with BUDGET_COLUMNS; NaN where a number cannot be computed, and why in `note`.
    """
    import pandas as pd

    from detailscribe.tables.selection import select_scores

    reference, of_reference = _reference(costs, settings)
    ranges = settings["ranges"]
    of_methods, headlines = dict[tuple, pd.Series](), dict[tuple, str]()
    for _, cost in costs[costs["role"] == METHOD].iterrows():
        of_methods[cost["method"], cost["metric"], cost["selection"]] = cost
        headlines |= {(cost["method"], cost["metric"]): cost["selection"]} if cost["headline"] else {}
    on_the_way = settings.get("on_the_way", {})
    rows = []
    for metric in settings["metrics"]:
        best, limits = reference.scores(scores, metric)[scores.complete], scores.limits(metric, ranges)
        rows_of_metric = []
        for method in decided_methods(settings["methods"], [costs]):
            names = list(method["candidates"])
            arrays = {each: scores.array(each, names) for each in settings["metrics"]}
            headline = headlines[method["name"], metric]
            honest = honest_selection(method, metric, settings["metrics"], settings)
            shown = {METHOD: headline} | ({HONEST: honest} if honest and honest != headline else {})
            for role, selection in shown.items():
                cost = of_methods[method["name"], metric, selection]
                values = select_scores(arrays[metric], selection, names, arrays)[scores.complete]
                row = {"method": method["name"], "role": role, "selection": selection, "metric": metric}
                row["oracle"] = is_oracle(selection, metric, on_the_way.get(method["name"], ()))
                row |= _mean(values) | _interval(values, limits, bool(ranges.get(metric)))
                row |= {name: cost[name] for name in [*COST_COLUMNS, "equal_compute"]}
                own = reference.has(names, selection)
                gains = _at_equal_cost(values, best, cost, reference, own, limits, bool(ranges.get(metric)))
                rows_of_metric.append(row | gains)
        # Like is ranked with like: under the metric that selects the best of N, the reference is an oracle, too.
        is_selector = metric == settings["selector"]
        ranked = [row for row in rows_of_metric if (row["role"] == METHOD if is_selector else not row["oracle"])]
        for kind in EQUAL:
            _add_ranks(ranked, kind, limits)
        rows += rows_of_metric
        for number, (_, cost) in enumerate(of_reference.iterrows()):
            row = {"method": cost["method"], "role": REFERENCE, "selection": cost["selection"], "metric": metric}
            row["oracle"] = number > 0 and is_oracle(cost["selection"], metric)
            rows.append(row | _mean(best[:, number]) | {name: cost[name] for name in COST_COLUMNS})
    integers = ["n", "prompts", *(f"rank_at_{kind}" for kind in EQUAL)]
    return pd.DataFrame(rows, columns=BUDGET_COLUMNS).astype(dict.fromkeys(integers, "Int64"))


def _reference(costs: pd.DataFrame, settings: dict) -> tuple[Reference, pd.DataFrame]:
    from detailscribe.tables.budget.reference import Reference

    rows = costs[costs["role"] == REFERENCE].sort_values("seeds")
    values = {"steps": rows["steps"].to_numpy(float), "seconds": seconds_of(rows).to_numpy(float)}
    return Reference(settings["originals"], settings["selector"], values), rows


def _at_equal_cost(
    values: np.ndarray,
    best: np.ndarray,
    cost: pd.Series,
    reference: Reference,
    is_reference: bool,
    limits: tuple[float, float],
    is_bounded: bool,
) -> dict:
    """Gain over best of N at the method's steps and at its seconds: the mean of the differences of each prompt.

    Args:
        values: (prompts,), scores of the method.
        best: (prompts, N), scores of the reference.
        cost: Row of the costs.
        reference: Best of N.
        is_reference: Whether the method is itself the best of some N.
        limits: Lowest and highest score, possible or observed.
        is_bounded: Whether no score is possible beyond them.
    """
    import numpy as np

    from detailscribe.tables.intervals import EQUAL as SAME
    from detailscribe.tables.intervals import mean_intervals
    from detailscribe.tables.significance import means

    width, found, notes = limits[1] - limits[0], dict[str, float](), list[str]()
    reach = width if is_bounded else np.inf
    for kind, used in (("steps", float(cost["steps"])), ("seconds", seconds_of(cost))):
        weights, note = reference.weights(kind, used)
        notes += [note] if note else []
        if weights is None:
            continue
        chosen = weights > 0
        at_cost = best[:, chosen] @ weights[chosen]
        differences = values - at_cost
        differences[np.abs(differences) <= SAME * np.nan_to_num(width)] = 0
        column = differences[:, None]
        low, high = mean_intervals(column, (-reach, reach), (-width, width), paired=True)
        if is_reference:  # no difference of two methods
            low, high = np.full((2, 1), np.nan)
        seeds = float(weights @ np.arange(1, len(weights) + 1))
        both = np.where(np.isnan(differences), np.nan, at_cost)[:, None]
        numbers = (seeds, means(both)[0], means(column)[0], low[0], high[0])
        found |= dict(zip(EQUAL[kind], numbers, strict=False))
    return found | {"note": "; ".join(dict.fromkeys(notes))}


def _add_ranks(rows: list[dict], kind: str, limits: tuple[float, float]) -> None:
    """Rank the methods of one metric by their gain at equal cost; equal gains share a rank."""
    import numpy as np

    tolerance = 1e-9 * np.nan_to_num(limits[1] - limits[0])
    gains = [row.get(f"gain_at_{kind}", np.nan) for row in rows]
    for row, gain in zip(rows, gains, strict=True):
        if not np.isnan(gain):
            row[f"rank_at_{kind}"] = 1 + sum(other > gain + tolerance for other in gains)


def _interval(values: np.ndarray, limits: tuple[float, float], is_bounded: bool) -> dict:
    """Interval of the mean, as in the main table; arguments as of `_at_equal_cost`."""
    import numpy as np

    from detailscribe.tables.intervals import mean_intervals

    low, high = mean_intervals(values[:, None], limits if is_bounded else (-np.inf, np.inf), limits)
    return {"low95": low[0], "high95": high[0]}


def _mean(values: np.ndarray) -> dict:
    known = values[values == values]
    return {"n": len(known), "mean": known.mean() if len(known) else float("nan")}
