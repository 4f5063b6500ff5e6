"""Worth of metrics and judges: agreement with the study's own people, beside what a benchmark measured (MMRB2).

Agreement is the share of image pairs of a prompt where the metric prefers the image that people prefer. The study's own
has up to two sources: the ratings, where the higher mean rating is the preferred image, and the pairs that people
compared directly. In both, pairs that people leave tied are excluded and pairs that the metric ties are half a hit.

Source of the benchmark's numbers: Hu et al. 2025, Multimodal RewardBench 2, arXiv 2512.16899, Tables 2 and 3; the table
is config/metric_worth.tsv.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from detailscribe.errors import InputError
from detailscribe.human.judges.preferences import (
    Agreement,
    Scores,
    agreement,
    of_choices,
    of_judge,
    of_ratings,
    of_scores,
)
from detailscribe.study.judging.judges import PAIRS
from detailscribe.study.study import MINIATURE, Study

if TYPE_CHECKING:
    import pandas as pd

STAGE = "human_worth"
ALGORITHM = 1
BENCHMARK = "config/metric_worth.tsv"
WORTH_COLUMNS = [
    *("metric", "model"),
    *(f"{source}_{name}" for source in ("ratings", "pairs") for name in Agreement._fields),
    *("mmrb2", "mmrb2_name", "mmrb2_source"),
]


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    rows = read_benchmark(study.resolve(BENCHMARK))
    of_pairs = study.judges_asked(PAIRS)
    entries = {name: ("metric", entry) for name, entry in study.config["metrics"].items()}
    entries |= {metric: ("judge", judge.entry) for judge in study.judging.values() for metric in judge.metrics}
    entries |= {f"judge-{name}": ("judge", study.judging[name].entry) for name in of_pairs}
    models = {name: str(entry.get("model", "")) for name, (_, entry) in entries.items()}
    measured = {name: measured_worth(rows, *entry) for name, entry in entries.items()}
    values = {"metrics": study.metrics, "judges_of_pairs": of_pairs, "models": models, "mmrb2": measured}
    return {"human_worth": values}


def read_benchmark(path: Path) -> list[dict]:
    """Rows of a tab-separated table: kind, module, model (regular expressions), name, agreement, pairs, source.

    Raises:
        InputError: a row lacks a value, or an expression or a number is none; names file and line.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows: list[dict] = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 2):
        try:
            share, pairs = float(row["agreement"]), int(row["pairs"])
            for column in ("module", "model"):
                re.compile(row[column])
            if row["kind"] not in ("metric", "judge") or not 0 <= share <= 1:
                raise ValueError
            row.update(agreement=share, pairs=pairs)
        except (KeyError, TypeError, ValueError, re.error) as error:
            raise InputError(
                f"{path}, line {number}: needs kind (metric or judge), module, model, name, agreement (0 to 1), pairs, "
                f"source, got {row}"
            ) from error
    return rows


def measured_worth(rows: list[dict], kind: str, entry: Mapping) -> dict | None:
    """What the benchmark measured of a metric, by its module, or of a judge, by its model; None for nothing.

    Case and the owner of a judge's model do not count. Demo models are no one's, whatever module runs them.

    Args:
        rows: Of `read_benchmark`.
        kind: metric or judge.
        entry: Of the config.
    """
    model, module = str(entry.get("model", "")), str(entry.get("module", ""))
    if MINIATURE in model:
        return None
    for row in rows:
        found = model.split("/")[-1] if kind == "judge" else model
        same_module = kind == "judge" or re.fullmatch(row["module"], module)
        if row["kind"] == kind and same_module and re.fullmatch(row["model"], found, re.IGNORECASE):
            return {name: row[name] for name in ("agreement", "name", "source")}
    return None


def worth_table(
    ratings: list[dict],
    choices: list[dict],
    scores: Mapping[str, Scores],
    judged_pairs: Mapping[str, list[dict]],
    dictionary: Mapping[str, dict],
    digests: Mapping[str, str],
    values: dict,
) -> pd.DataFrame:
    """Rows with WORTH_COLUMNS, one per metric and judge; ties as shares of the pairs that both judged, and of n.

    Args:
        ratings: Rows id, file, rating.
        choices: Rows of people's pairs (`preferences.of_choices`); empty if nobody compared any.
        scores: By metric, by (id, image file).
        judged_pairs: Rows of each judge of pairs (`preferences.of_judge`), by its name. Both orders of a pair count
            together, so that a preference for one place cancels.
        dictionary: Rows of dictionary.jsonl by id.
        digests: SHA-256 by file.
        values: Parameters of the stage: `metrics`, `judges_of_pairs`, `models`, `mmrb2`.
    """
    import pandas as pd

    people = of_ratings(ratings, digests), of_choices(choices, dictionary, digests)
    found = {name: [of_scores(scores[name], digests, each) for each in people] for name in values["metrics"]}
    for name in values["judges_of_pairs"]:
        found[f"judge-{name}"] = [of_judge(judged_pairs[name], dictionary, digests)] * len(people)
    rows = []
    for metric, preferences in found.items():
        own = [number for pair in zip(people, preferences, strict=True) for number in _numbers(agreement(*pair))]
        measured = values["mmrb2"][metric] or {}
        of_benchmark = (measured.get("agreement"), measured.get("name", ""), measured.get("source", ""))
        rows.append((metric, values["models"][metric], *own, *of_benchmark))
    return pd.DataFrame(rows, columns=WORTH_COLUMNS).astype({"mmrb2": float})


def _numbers(found: Agreement) -> tuple[float, ...]:
    """Of the columns of one source."""
    ties = (found.tied_by_people, found.n + found.tied_by_people), (found.tied_by_metric, found.n)
    return (*found[:4], *(count / total if total else float("nan") for count, total in ties))
