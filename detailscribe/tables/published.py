"""The paper's numbers beside ours. What can be compared gets a verdict, what cannot gets the reason.

Figure 4 is of the same 1000 prompts as a whole study here, so its values are held against our 95 % interval. Table 2
is of 50 prompts that nobody named: its values are held against where the mean of so few random prompts of ours would
lie, and are not testable where we have fewer. Source of the numbers: the `table` and `version` columns (A, B and C are
the versions of the paper's page; C is the one of EMNLP 2025).
"""

import csv
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.errors import InputError

if TYPE_CHECKING:  # every plan reads the numbers; only a comparison has a table
    import pandas as pd
from detailscribe.study.interacting import PAPER_SCENARIOS
from detailscribe.study.study import Study

STAGE = "compare"
ALGORITHM = 2
PUBLISHED = "config/published.tsv"
PAPER_HOSTED = "dall-e-3"  # the paper's hosted image model


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    judges = study.config["judges"].items()
    hosted = study.config["external"].get("hosted", {}).get("model", PAPER_HOSTED)
    return {
        "compare": {
            "published": read_published(study.resolve(PUBLISHED)),
            # The paper's judges grade from 1 to 5; a yes or no is not comparable.
            "judges": {f"judge-{name}": entry["model"] for name, entry in judges if entry["scale"] == "grade"},
            # An imported folder may hold the paper's own images; another hosted model certainly makes others.
            "replaced": {} if hosted == PAPER_HOSTED else {"hosted": hosted},
            "miniature": bool(study.image_model["notice"]),
            "whole": set(study.config["study"]) == PAPER_SCENARIOS,
        }
    }


COLUMNS = [
    *("scenario", "method", "metric", "published", "version", "n_published"),
    *("ours", "low95", "high95", "n", "reach_low", "reach_high", "verdict", "reason"),
]
POOLED = "all"  # the scenario of a number over all prompts
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
    whole: bool,
) -> list[dict]:
    """Set the published values of a scenario beside the headline rows of our table.

    Args:
        scenario: Its name, or POOLED.
        published: Rows of `read_published`.
        table: The main table.
        judges: Model of each of our judge metrics.
        replaced: Methods whose hosted model is another than the paper's, with ours.
        miniature: Whether our images were made by the miniature.
        whole: Whether the study is the paper's three scenarios.

    Returns:
        Rows with COLUMNS, in the order of `published`; where there is nothing of ours, its columns are None. A value is
        reproduced where it lies between `reach_low` and `reach_high`.
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
        low, high = _reach(our, value["n"] if scenario != POOLED else None) if our else (None, None)
        if value["note"].startswith(STALE):
            reason = "suspected stale value"
        elif value["metric"] == "human" or value["method"] == "pairs":
            reason = "subset unknown: its 50 prompts and their raters are not named"
        elif metric not in set(headline["metric"]):
            reason = "another judge" if judges and metric.startswith("judge-") else "metric not run"
        elif not our:
            reason = "method not run"
        elif miniature:
            reason = "made by the miniature"
        elif scenario == POOLED and not whole:
            reason = "the study is not the paper's three scenarios"
        elif value["method"] in replaced:
            reason = f"model retired; ours is {replaced[value['method']]}"
        elif scenario != POOLED and our["n"] < value["n"]:
            reason = f"subset unknown: {value['n']} prompts of the scenario, more than we have"
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
                "low95": our and our["low95"],
                "high95": our and our["high95"],
                "n": our and our["n"],
                "reach_low": low,
                "reach_high": high,
                "verdict": "not testable" if reason else "reproduced" if covered else "not reproduced",
                "reason": reason,
            }
        )
    return rows


def _reach(our: dict, n_published: int | None) -> tuple[float, float]:
    """Our interval, or the 95 % prediction interval of the mean of `n_published` prompts drawn from where ours were."""
    if n_published is None:
        return our["low95"], our["high95"]
    half = 1.96 * our["sd"] * math.sqrt(1 / n_published + 1 / our["n"]) if our["n"] else math.nan
    return our["mean"] - half, our["mean"] + half


def bare_model(name: str) -> str:
    """A model's name without its owner, its date and `-Instruct`: what two spellings of one model share."""
    return re.sub(r"(-instruct|-\d{4}-\d{2}-\d{2})+$", "", name.rsplit("/", 1)[-1].lower())
