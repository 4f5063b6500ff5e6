"""Order of the rows of a main table where it is shown: the honest row right below the oracle cell of its method."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.tables.honest.oracle_cells import DAGGER, honest_label

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pandas as pd


def lines_of(
    table: pd.DataFrame, methods: Mapping[str, str] | None = None, metrics: Mapping[str, str] | None = None
) -> tuple[pd.DataFrame, list[str]]:
    """Rows of a figure or short table: the headline of each method, below it its honest rows where that is an oracle.

    Args:
        table: The main table of one scenario: method, selection, metric, headline, oracle, honest.
        methods, metrics: What people read in place of their names, if that is not the names themselves.

    Returns:
        These rows with a column `line`, and a label per line. A headline with an oracle cell under any metric has a
        dagger, the line below it names the selections. It has no row under metrics whose headline is honest.
    """
    import pandas as pd

    parts: list[pd.DataFrame] = []
    labels: list[str] = []
    for method in dict.fromkeys(table["method"]):
        of_method = table["method"] == method
        headline, honest = (table[of_method & chosen] for chosen in _headline_and_honest(table))
        for rows in (headline, honest):
            if len(rows):
                parts.append(rows.assign(line=len(labels)))
                name = (methods or {}).get(method, method) + f" {DAGGER}" * bool(headline["oracle"].any())
                labels.append(name if rows is headline else honest_label(rows["selection"], metrics))
    return pd.concat(parts) if parts else table.iloc[:0].assign(line=0), labels


def ordered_selections(table: pd.DataFrame) -> list[tuple[str, str, bool]]:
    """(method, selection, headline) of every row of a long table, in its order.

    Each method's headline comes first, with its honest rows right below it if it has an oracle cell under any metric:
    first the row that is compared, then `mean` and what other metrics chose. All other rows follow at the end.
    """
    keys = ["method", "selection", "headline"]
    rows = table.groupby(keys, sort=False)[["oracle", "honest"]].any().reset_index()
    flattering = set(rows[rows["headline"] & rows["oracle"]]["method"])
    position = {method: number for number, method in enumerate(dict.fromkeys(rows["method"]))}

    def place(row: dict) -> tuple:
        chooses = row["selection"] in ("oracle", "mean") or row["selection"].startswith("by:")
        is_first = row["headline"] or (row["method"] in flattering and chooses)
        rank = 0 if row["headline"] else 1 if row["selection"] == "oracle" else 2 if row["honest"] else 3
        return (not is_first, position[row["method"]], rank)

    return [(row["method"], row["selection"], row["headline"]) for row in sorted(rows.to_dict("records"), key=place)]


def _headline_and_honest(table: pd.DataFrame) -> tuple[pd.Series, pd.Series]:
    headline = table["headline"].astype(bool)
    return headline, table["honest"].astype(bool) & ~headline
