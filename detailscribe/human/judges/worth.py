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
from typing import TYPE_CHECKING, NamedTuple

from detailscribe.errors import InputError
from detailscribe.study.study import MINIATURE, Study

if TYPE_CHECKING:
    import pandas as pd

STAGE = "human_worth"
ALGORITHM = 1
BENCHMARK = "config/metric_worth.tsv"
AGREEMENT = ["n", "agreement", "low95", "high95", "tied_by_people", "tied_by_metric"]
WORTH_COLUMNS = [
    *("metric", "model"),
    *(f"{source}_{name}" for source in ("ratings", "pairs") for name in AGREEMENT),
    *("mmrb2", "mmrb2_name", "mmrb2_source"),
]
PAIR_COLUMNS = ["id", "first", "second", "choice"]  # of human/pairs.csv, those that are read here
VOTES = {"first": 1, "second": -1, "tie": 0}


class Agreement(NamedTuple):
    """Agreement with people on pairs of images; NaN where no pair is decided.

    Attributes:
        n: Pairs that people decided and the metric scored.
        agreement, low95, high95: Share of these, in [0, 1].
        tied_by_people: Share of the pairs that the metric scored which people left tied.
        tied_by_metric: Share of n that the metric scores equally.
    """

    n: int
    agreement: float
    low95: float
    high95: float
    tied_by_people: float
    tied_by_metric: float


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    rows = read_benchmark(study.resolve(BENCHMARK))
    entries = {name: ("metric", entry) for name, entry in study.config["metrics"].items()}
    entries |= {metric: ("judge", judge.entry) for judge in study.judging.values() for metric in judge.metrics}
    measured = {name: measured_worth(rows, *entries[name]) for name in study.metrics}
    models = {name: entries[name][1].get("model", "") for name in study.metrics}
    return {"human_worth": {"metrics": study.metrics, "models": models, "mmrb2": measured}}


def read_benchmark(path: Path) -> list[dict]:
    """Rows of a tab-separated table: kind, module, model (regular expressions), name, agreement, pairs, source.

    Raises:
        InputError: a row lacks a value, or an expression or a number is none; names file and line.
    """
    with open(path, encoding="utf-8", newline="") as file:
        rows: list[dict] = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    for number, row in enumerate(rows, 2):
        try:
            agreement, pairs = float(row["agreement"]), int(row["pairs"])
            for column in ("module", "model"):
                re.compile(row[column])
            if row["kind"] not in ("metric", "judge") or not 0 <= agreement <= 1:
                raise ValueError
            row.update(agreement=agreement, pairs=pairs)
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
    pairs: list[dict],
    dictionary: Mapping[str, dict],
    scores: dict[str, dict[tuple[str, str], float]],
    digests: dict[str, str],
    values: dict,
) -> pd.DataFrame:
    """Rows with WORTH_COLUMNS, one per metric and judge.

    Args:
        ratings: Rows id, file, rating.
        pairs: Rows with PAIR_COLUMNS, one per rater and pair: two image sets of a prompt, and which of them was
            preferred (a key of VOTES). Empty if nobody compared pairs.
        dictionary: Rows of dictionary.jsonl by id.
        scores: By metric, by (id, image file).
        digests: SHA-256 by file; files with the same bytes are one image, and no pair.
        values: Parameters of the stage: `metrics`, `models`, `mmrb2`.
    """
    import pandas as pd

    rows = []
    for metric in values["metrics"]:
        of_ratings = rating_agreement(ratings, scores[metric], digests)
        of_pairs = pair_agreement(pairs, dictionary, scores[metric], digests)
        measured = values["mmrb2"][metric] or {}
        of_benchmark = (measured.get("agreement"), measured.get("name", ""), measured.get("source", ""))
        rows.append((metric, values["models"][metric], *of_ratings, *of_pairs, *of_benchmark))
    return pd.DataFrame(rows, columns=WORTH_COLUMNS).astype({"mmrb2": float})


def rating_agreement(ratings: list[dict], scores: dict[tuple[str, str], float], digests: dict[str, str]) -> Agreement:
    """Agreement on the pairs of images of a prompt that were rated differently, as `agreement.metric_agreement`.

    Args:
        ratings: Rows id, file, rating.
        scores: By (id, file).
        digests: SHA-256 by file.
    """
    from detailscribe.human.judges.agreement import metric_agreement

    row = metric_agreement(ratings, {"": scores}, digests).iloc[0]
    decided, tied = int(row["pairs"]), int(row["tied_by_people"])
    shares = _share(tied, tied + decided), _share(int(row["tied_by_metric"]), decided)
    return Agreement(decided, float(row["agreement"]), float(row["low95"]), float(row["high95"]), *shares)


def pair_agreement(
    pairs: list[dict], dictionary: Mapping[str, dict], scores: dict[tuple[str, str], float], digests: dict[str, str]
) -> Agreement:
    """Agreement on the pairs that people compared: the majority of a pair's raters, whichever image came first.

    Args:
        pairs: Rows with PAIR_COLUMNS.
        dictionary: Rows of dictionary.jsonl by id; pairs of other prompts or image sets do not count.
        scores: By (id, file).
        digests: SHA-256 by file.
    """
    import numpy as np

    from detailscribe.tables.intervals import EQUAL, mean_intervals

    known = [score for score in scores.values() if not np.isnan(score)]
    scale = EQUAL * (max(known) - min(known)) if known else 0.0
    hits, counts, tied_by_people, tied_by_metric = [0.0], [0.0], 0, 0  # the first is no prompt's and counts nothing
    for id, of_prompt in _votes(pairs, dictionary, digests).items():
        found = []
        for (first, second), vote in of_prompt.items():
            difference = scores.get((id, first), np.nan) - scores.get((id, second), np.nan)
            if np.isnan(difference):
                continue
            tied = bool(abs(difference) <= scale)
            tied_by_people += vote == 0
            tied_by_metric += tied and vote != 0
            if vote:
                found.append(0.5 if tied else float((difference > 0) == (vote > 0)))
        hits.append(sum(found))
        counts.append(float(len(found)))
    total = int(sum(counts))
    low, high = mean_intervals(np.array(hits)[:, None], (0, 1), counts=np.array(counts)[:, None])
    shares = _share(tied_by_people, tied_by_people + total), _share(tied_by_metric, total)
    return Agreement(total, _share(sum(hits), total), float(low[0]), float(high[0]), *shares)


def _votes(
    pairs: list[dict], dictionary: Mapping[str, dict], digests: dict[str, str]
) -> dict[str, dict[tuple[str, str], int]]:
    """By prompt and pair of files, in their order: raters who prefer the first less those who prefer the second."""
    votes: dict[str, dict[tuple[str, str], int]] = {}
    for row in pairs:
        images = dictionary[row["id"]]["images"] if row["id"] in dictionary else {}
        first, second = (images.get(row[side], "") for side in ("first", "second"))
        if not first or not second or digests.get(first, first) == digests.get(second, second):
            continue
        pair = (first, second) if first < second else (second, first)
        vote = VOTES[row["choice"]] * (1 if first < second else -1)
        of_prompt = votes.setdefault(row["id"], {})
        of_prompt[pair] = of_prompt.get(pair, 0) + vote
    return votes


def _share(count: float, total: int) -> float:
    return count / total if total else float("nan")
