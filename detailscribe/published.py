"""The paper's numbers beside ours. What can be compared gets a verdict, what cannot gets the reason.

A verdict looks at our interval alone: the paper gives no spread, and the means of its Table 2 are of few prompts, so a
published mean may lie outside because of its own error. Source of the numbers: the `table` and `version` columns (A, B
and C are the versions of the paper's page; C is the one of EMNLP 2025).
"""

import csv
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.errors import InputError

if TYPE_CHECKING:  # every plan reads the numbers; only a comparison has a table
    import pandas as pd

COLUMNS = [
    *("scenario", "method", "metric", "published", "version", "n_published"),
    *("ours", "low95", "high95", "n", "verdict", "reason"),
]
STALE = "suspected stale"  # how the note of a value that is not to be trusted begins


def read_published(path: Path) -> list[dict]:
    """Rows of a table with tabs: table, scenario, method, metric, n, value, version, note.

    Raises:
        InputError: a value is not a number; names file and line.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 2):
        try:
            row.update(n=int(row["n"]), value=float(row["value"]))
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(f"{path}, line {number}: needs a number in n and in value, got {row}") from error
    return rows


def compare(
    scenario: str,
    published: list[dict],
    table: "pd.DataFrame",
    judges: dict[str, str],
    replaced: dict[str, str],
    miniature: bool,
) -> list[dict]:
    """Set the published values of a scenario beside the headline rows of our table.

    Args:
        scenario: Its name.
        published: Rows of `read_published`.
        table: The main table.
        judges: Model of each of our judge metrics.
        replaced: Methods whose hosted model is another than the paper's, with ours.
        miniature: Whether our images were made by the miniature.

    Returns:
        Rows with COLUMNS, in the order of `published`; where there is nothing of ours, its columns are None.
    """
    headline = table[table["headline"]]
    ours = {(row["method"], row["metric"]): row for row in headline.to_dict("records")}
    judged_by = {f"judge-{bare_model(model)}": metric for metric, model in judges.items()}
    rows = []
    for value in published:
        if value["scenario"] != scenario:
            continue
        metric = judged_by.get(value["metric"], value["metric"])
        our = ours.get((value["method"], metric))
        low, high = (our["low95"], our["high95"]) if our else (None, None)
        if value["note"].startswith(STALE):
            reason = "suspected stale value"
        elif metric not in set(headline["metric"]):
            reason = "another judge" if judges and metric.startswith("judge-") else "metric not run"
        elif not our:
            reason = "method not run"
        elif miniature:
            reason = "made by the miniature"
        elif value["method"] in replaced:
            reason = f"model retired; ours is {replaced[value['method']]}"
        elif math.isnan(low):
            reason = "no interval"
        else:
            reason = ""
        covered = not reason and low <= value["value"] <= high
        rows.append(
            {
                "scenario": scenario,
                "method": value["method"],
                "metric": value["metric"],
                "published": value["value"],
                "version": value["version"],
                "n_published": value["n"],
                "ours": our and our["mean"],
                "low95": low,
                "high95": high,
                "n": our and our["n"],
                "verdict": "not testable" if reason else "reproduced" if covered else "not reproduced",
                "reason": reason,
            }
        )
    return rows


def bare_model(name: str) -> str:
    """A model's name without its owner, its date and `-Instruct`: what two spellings of one model share."""
    return re.sub(r"(-instruct|-\d{4}-\d{2}-\d{2})+$", "", name.rsplit("/", 1)[-1].lower())
