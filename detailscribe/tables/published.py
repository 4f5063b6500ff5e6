"""Comparison with the published numbers: a verdict per value, or the reason why it cannot be compared.

Figure 4 covers the 1000 prompts of a whole study here, so its values are compared with our 95 % interval. Table 2
covers 50 prompts that the authors did not name: its values are compared with a prediction interval for the mean of as
many random prompts of ours, and are not testable if we have fewer. Source of the numbers: the `table` and `version`
columns (A, B and C are the versions of the paper's page; C is the one of EMNLP 2025).
"""

from __future__ import annotations

import csv
import math
import re
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.engines.acceleration.options import lossy_options
from detailscribe.errors import InputError
from detailscribe.study.interacting import PAPER_SCENARIOS
from detailscribe.study.judging.judges import GRADE, SAMPLED
from detailscribe.study.study import MINIATURE, Study

if TYPE_CHECKING:
    import pandas as pd

STAGE = "compare"
ALGORITHM = 4
PUBLISHED = "config/published.tsv"
PAPER_HOSTED = "dall-e-3"  # the paper's hosted image model


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    judges = study.config["judges"].items()
    entry = study.config["external"].get("hosted", {})
    hosted = entry.get("model") or entry.get("image_model") or PAPER_HOSTED
    return {
        "compare": {
            "published": read_published(study.resolve(PUBLISHED)),
            # The paper's judges give a grade from 1 to 5 with its reason; no other scale or reading is comparable.
            "judges": {
                f"judge-{name}": entry["model"]
                for name, entry in judges
                if entry["scale"] == GRADE and study.judging[name].reading == SAMPLED
            },
            # An imported folder may hold the paper's own images; another hosted model certainly makes others.
            "replaced": {} if hosted == PAPER_HOSTED else {"hosted": hosted},
            "miniature": _is_miniature(study.image_model),
            "whole": set(study.config["study"]) == PAPER_SCENARIOS,
        }
    }


def _is_miniature(image_model: dict) -> bool:
    """Whether a model's notice is that of demo models, and not of a lossy profile of another model."""
    lossy = lossy_options(image_model) and not image_model["path"].startswith(f"{MINIATURE}/")
    return bool(image_model["notice"]) and not lossy


PUBLISHED_COLUMNS = [
    *("scenario", "method", "metric", "published", "version", "n_published"),
    *("ours", "low95", "high95", "n", "reach_low", "reach_high", "verdict", "reason", "selection", "oracle", "honest"),
]
POOLED = "all"  # scenario of a published number over all prompts
STALE = "suspected stale"  # first words of the note on a value that is probably wrong


def read_published(path: Path) -> list[dict]:
    """Rows of a tab-separated table: table, scenario, method, metric, n, value, version, note.

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


def compare_with_published(
    scenario: str,
    published: list[dict],
    table: pd.DataFrame,
    judges: dict[str, str],
    replaced: dict[str, str],
    miniature: bool,
    whole: bool,
) -> list[dict]:
    """Compare the published values of a scenario with the headline rows of our table.

    Args:
        scenario: Its name, or POOLED.
        published: Rows of `read_published`.
        table: The main table.
        judges: Model of each of our judge metrics.
        replaced: Our model by method, for methods whose hosted model differs from the paper's.
        miniature: Whether our images were made by the demo models.
        whole: Whether the study covers exactly the paper's three scenarios.

    Returns:
        Rows with PUBLISHED_COLUMNS, in the order of `published`; our columns are None if we have no such row. A value
        is reproduced if it lies between `reach_low` and `reach_high`. `oracle` says whether `ours` is an oracle cell;
        `honest` is the mean of the row that stands for the method then, otherwise `ours`.
    """
    headline = table[table["headline"]]
    ours = {(row["method"], row["metric"]): row for row in headline.to_dict("records")}
    honest = table[table["honest"]].set_index(["method", "metric"])["mean"].to_dict()
    metrics = set(headline["metric"])
    metric_of_judge = {f"judge-{bare_model(model)}": metric for metric, model in judges.items()}

    def reason_not_testable(value: dict, metric: str, our: dict | None, low: float | None) -> str:
        """Empty if the value can be tested."""
        if value["note"].startswith(STALE):
            return "suspected stale value"
        if value["metric"] == "human" or value["method"] == "pairs":
            return "subset unknown: its 50 prompts and their raters are not named"
        if metric not in metrics:
            return "another judge" if judges and metric.startswith("judge-") else "metric not run"
        if our is None or low is None:
            return "method not run"
        if miniature:
            return "made by the demo models"
        if scenario == POOLED and not whole:
            return "the study is not the paper's three scenarios"
        if value["method"] in replaced:
            return f"model retired; ours is {replaced[value['method']]}"
        if scenario != POOLED and our["n"] < value["n"]:
            return f"subset unknown: {value['n']} prompts of the scenario, more than we have"
        return "no interval" if math.isnan(low) else ""

    rows = []
    for value in published:
        if value["scenario"] != scenario:
            continue
        metric = metric_of_judge.get(value["metric"], value["metric"])
        our = ours.get((value["method"], metric))
        low, high = _expected_interval(our, None if scenario == POOLED else value["n"]) if our else (None, None)
        reason = reason_not_testable(value, metric, our, low)
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
                "selection": our and our["selection"],
                "oracle": bool(our and our["oracle"]),
                "honest": honest.get((value["method"], metric)),
            }
        )
    return rows


def _expected_interval(our: dict, n_published: int | None) -> tuple[float, float]:
    """Our 95 % interval, or the 95 % prediction interval of the mean of `n_published` prompts drawn as ours were.

    Its variance is that of our mean times 1 + n / n_published: both arms of our interval grow by the square root.
    """
    if n_published is None:
        return our["low95"], our["high95"]
    growth = math.sqrt(1 + our["n"] / n_published)
    return our["mean"] - growth * (our["mean"] - our["low95"]), our["mean"] + growth * (our["high95"] - our["mean"])


def bare_model(name: str) -> str:
    """A model's name without owner, date and `-Instruct`: what two spellings of the same model share."""
    return re.sub(r"(-instruct|-\d{4}-\d{2}-\d{2})+$", "", name.rsplit("/", 1)[-1].lower())
