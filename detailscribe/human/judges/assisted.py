"""Means of human ratings with the help of metrics and judges, which scored more prompts than people rated (PPI++).

A row is refused where the rated prompts are no random sample of the scenario's. The check: sheets hold the first
prompts of an order that the digest of seed and prompt gives (`assignment.order_of_draw`), which no content of a prompt
or an image decides. So the rated prompts are a random sample if they are the first ones of that order, however many
they are. Otherwise prompts in between have no rating, whether by a rater's choice, on half-filled sheets, of prompts
chosen by hand or added later; that may depend on how good the images are, and then the judge's scores of the others
correct nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, NamedTuple

from detailscribe.human.assignment import order_of_draw
from detailscribe.study.methods import rated_methods
from detailscribe.study.study import Study

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd

STAGE = "human_assisted"
ALGORITHM = 1
KEY_COLUMNS = ["method", "selection", "headline", "statistic", "baseline", "judge", "n_human", "n_judge"]
NUMBERS = [
    *("people", "people_low95", "people_high95", "assisted", "assisted_low95", "assisted_high95"),
    *("weight", "width_ratio", "n_effective"),
]
ASSISTED_COLUMNS = [*KEY_COLUMNS, *NUMBERS, "status", "reason"]


class _Row(NamedTuple):
    """A method under one selection, and what it is compared with.

    Attributes:
        people: (prompts,), mean of the prompt's raters; NaN for a prompt without a rating.
        limits: Lowest and highest possible value.
    """

    method: str
    selection: str
    headline: bool
    statistic: str
    people: np.ndarray
    limits: tuple[float, float]


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    values = {
        "methods": [vars(method) for method in rated_methods(study)],
        "metrics": study.metrics,
        "baseline": study.config["statistics"]["baseline"],
        "seed": study.config["human"]["seed"],
    }
    return {"human_assisted": values}


def assisted_table(
    ratings: list[dict],
    dictionary: Mapping[str, dict],
    scores: dict[str, dict[tuple[str, str], float]],
    values: dict,
) -> pd.DataFrame:
    """Rows with ASSISTED_COLUMNS: each method and selection, its mean and its difference from the baseline, by judge.

    A prompt is one value: the mean of its raters, or of their differences; the judge's is `judge_value_of_selection`.

    Args:
        ratings: Rows rater, id, image_set, rating.
        dictionary: Rows of dictionary.jsonl by id: the scenario's prompts.
        scores: By metric, by (id, image file).
        values: Parameters of the stage: `methods`, `metrics`, `baseline`, `seed`.
    """
    import numpy as np
    import pandas as pd

    from detailscribe.tables.judging.prediction_powered import assisted_mean

    methods = values["methods"]
    shown = {name for method in methods for name in method["candidates"]}
    ids = [id for id, row in dictionary.items() if shown <= set(row["images"])]
    rows = _rows([row for row in ratings if row["id"] in set(ids)], methods, values["baseline"], ids)
    ranks = {id: rank for rank, id in enumerate(order_of_draw(ids, values["seed"]))}
    drawn = np.array([ranks[id] for id in ids], dtype=int)
    candidates = {method["name"]: list(method["candidates"]) for method in methods}
    of_baseline = next((row.selection for row in rows if row.method == values["baseline"] and row.headline), "")

    @cache
    def judged(metric: str, method: str, selection: str) -> np.ndarray:
        files = [[dictionary[id]["images"][name] for name in candidates[method]] for id in ids]
        by_file = scores[metric]
        table = [[by_file.get((id, file), np.nan) for file in row] for id, row in zip(ids, files, strict=True)]
        return judge_value_of_selection(np.array(table, float).reshape(len(ids), -1), candidates[method], selection)

    found = []
    for row in rows:
        rated = ~np.isnan(row.people)
        refusal = not_random(rated, drawn, ids)
        difference = row.statistic == "difference"
        for metric in values["metrics"]:
            judge = judged(metric, row.method, row.selection)
            if difference:
                judge = judge - judged(metric, values["baseline"], of_baseline)
            counts = int(rated.sum()), int((~np.isnan(judge)).sum())
            key = (*row[:4], values["baseline"] if difference else "", metric, *counts)
            why_not = _why_not(counts, metric)
            if why_not or refusal:
                status = "skipped" if why_not else "refused"
                found.append((*key, *[np.nan] * len(NUMBERS), status, why_not or refusal))
                continue
            mean = assisted_mean(row.people[rated], judge[rated], judge[~rated], row.limits, difference)
            found.append((*key, *mean[:-1], "ok", mean.why_alone))
    return pd.DataFrame(found, columns=ASSISTED_COLUMNS)


def judge_value_of_selection(values: np.ndarray, candidates: Sequence[str], selection: str) -> np.ndarray:
    """The judge's value of the images that people select: no prompt of a plan or a table may need people's choice.

    Of one image its score, of people's best image (`oracle`) the score of the judge's own best. Of an image that other
    raters choose (`by:other_raters`), and of the `mean`, it is the mean of the candidates, because nobody chose in a
    prompt without ratings. Any value is unbiased as long as it is the same function in rated and other prompts.

    Args:
        values: (prompts, candidates), its scores.
        candidates: Image sets.
        selection: Of `rating_statistics.selected_ratings`.

    Returns:
        (prompts,); NaN where it lacks a score that this needs.
    """
    if selection in candidates:
        return values[:, candidates.index(selection)]
    return values.max(axis=1) if selection == "oracle" else values.mean(axis=1)


def not_random(rated: np.ndarray, drawn: np.ndarray, ids: list[str]) -> str:
    """Why the rated prompts are no random sample; empty if they are.

    Args:
        rated: (prompts,), whether a prompt is rated.
        drawn: (prompts,), its rank in the order of the draw.
        ids: Of the prompts.
    """
    if not rated.any():
        return ""
    last = int(drawn[rated].max())
    gaps = sorted((rank, id) for rank, id, given in zip(drawn, ids, rated, strict=True) if not given and rank < last)
    if not gaps:
        return ""
    return (
        f"no random sample of the scenario: of the first {last + 1} prompts in the order of the draw (human: seed) "
        f"{len(gaps)} have no rating for this row, first {gaps[0][1]}; have them rated, or use main.csv, people alone"
    )


def _why_not(counts: tuple[int, int], metric: str) -> str:
    if counts[0] < 2:
        return f"{counts[0]} rated prompts, an interval needs 2"
    return "" if counts[1] else f"{metric} has no score of these images"


def _rows(ratings: list[dict], methods: list[dict], baseline: str, ids: list[str]) -> list[_Row]:
    """Every row, means first and then differences; a selection that nobody's ratings allow is left out."""
    import numpy as np

    from detailscribe.human.rating_statistics import RATING_LIMITS, selected_ratings

    keys, selected, prompts = selected_ratings(ratings, methods)
    number = {id: position for position, id in enumerate(ids)}
    place = np.array([number[id] for id in prompts], dtype=int)

    def by_prompt(values: np.ndarray) -> np.ndarray:
        known = ~np.isnan(values)
        sums = np.bincount(place[known], values[known], len(ids))
        counts = np.bincount(place[known], minlength=len(ids))
        return np.divide(sums, counts, out=np.full(len(ids), np.nan), where=counts > 0)

    other = next((index for index, key in enumerate(keys) if key[0] == baseline and key[2]), None)
    width = RATING_LIMITS[1] - RATING_LIMITS[0]
    given = [index for index in range(len(keys)) if not np.isnan(selected[:, index]).all()]
    means = [_Row(*keys[index], "mean", by_prompt(selected[:, index]), RATING_LIMITS) for index in given]
    if other is None:
        return means
    return means + [
        _Row(*keys[index], "difference", by_prompt(selected[:, index] - selected[:, other]), (-width, width))
        for index in given
        if index != other
    ]
