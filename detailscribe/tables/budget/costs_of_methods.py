"""Costs of the methods in tables: `tables/method_costs.csv`, its columns in the main table, seeds at equal compute."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from detailscribe.study.methods import EQUAL_COMPUTE

if TYPE_CHECKING:
    import pandas as pd

METHOD, HONEST, REFERENCE = "method", "honest", "reference"  # roles of a row; honest only where the tables add scores
COST_COLUMNS = [
    *("prompts", "images", "steps", "gpu_seconds", "scoring_seconds"),
    *("calls", "input_tokens", "output_tokens", "usd", "measured", "processors"),
]
TEXTS = ("method", "role", "selection", "metric", "processors", "equal_compute")
IN_MAIN = ["steps", "gpu_seconds", "scoring_seconds", "calls", "tokens", "usd", "equal_compute"]


def read_costs(path: str | Path) -> pd.DataFrame:
    """Read a file of costs; texts are never NaN, numbers are where they are not known."""
    import pandas as pd

    frame = pd.read_csv(path, dtype=dict.fromkeys(TEXTS, str))
    return frame.fillna(dict.fromkeys(TEXTS, ""))


def seconds_of(costs: Any) -> Any:
    """GPU seconds of images and scores: of one row, or a column of a table.

    Args:
        costs: A table, a row of it, or a mapping with COST_COLUMNS.

    Returns:
        What is not known stays so: None of a mapping with None, otherwise NaN.
    """
    images, scores = costs["gpu_seconds"], costs["scoring_seconds"]
    return None if images is None or scores is None else images + scores


def decided_methods(methods: list[dict], costs: Iterable[pd.DataFrame]) -> list[dict]:
    """The methods, with as many seeds at equal compute as their costs allow.

    Args:
        methods: Rows: name, candidates, headline.
        costs: Of one scenario or several, of which the fewest seeds count; without any, the methods stay as they are.
    """
    counts = [int(seeds) for frame in costs for seeds in frame[frame["method"] == EQUAL_COMPUTE]["seeds"]]
    if not counts:
        return methods
    count = min(counts)
    decided = []
    for method in methods:
        if method["name"] == EQUAL_COMPUTE:
            method = method | {"candidates": list(method["candidates"])[:count]}
            method |= {"headline": "single"} if count == 1 else {}
        decided.append(method)
    return decided


def add_costs(table: pd.DataFrame, costs: pd.DataFrame) -> pd.DataFrame:
    """The main table with the columns IN_MAIN: what each row's selection costs per prompt."""
    values = costs[costs["role"] == METHOD].assign(tokens=costs["input_tokens"] + costs["output_tokens"])
    keys = ["method", "selection", "metric"]
    return table.merge(values[[*keys, *IN_MAIN]], on=keys, how="left", validate="one_to_one")
