"""Validation of `snakemake power` through the whole main table: the honest row below an oracle cell, and its family.

A judge marks one image of each of four methods and the four candidates of a fifth, whose headline is their best; its
honest row is the candidate that another metric selects. Pilots and studies go through the tables as those of a user do.
"""

from __future__ import annotations

import numpy as np
import pandas as pd
from planted_scores import CUTS

from detailscribe.operations.power.comparisons import Comparison, compare_means
from detailscribe.operations.power.power_table import DEFAULTS, Goal, power_rows
from detailscribe.tables.main_table import tabulate
from detailscribe.tables.score_table import ScoreTable, score_frame

SINGLE, CANDIDATES = ["sd", "m1", "m2", "m3"], ["k0", "k1", "k2", "k4"]
METHODS = [
    *({"name": name, "candidates": [name], "headline": "single"} for name in SINGLE),
    {"name": "ours", "candidates": CANDIDATES, "headline": "oracle"},
]
RANGES = {"judge": [1, 5], "clip": None}
ORACLES = {"selector": "clip"}
POPULATION = 200_000
HONEST = ("judge", "ours", "by:clip")


def marks_and_scores(generator: np.random.Generator, shift: float, prompts: int) -> dict[str, np.ndarray]:
    """Marks of the judge and scores of the metric that selects, each (prompts, images); all candidates are better."""
    quality = generator.normal(0, 0.8, (prompts, 1)) + generator.normal(0, 0.5, (prompts, 8))
    quality[:, len(SINGLE) :] += shift
    marks = 1.0 + np.searchsorted(CUTS, quality + generator.normal(0, 0.6, quality.shape))
    return {"judge": marks, "clip": quality + generator.normal(0, 1.5, quality.shape)}


def score_table(values: dict[str, np.ndarray]) -> ScoreTable:
    """Scores of one study."""
    ids, names = [f"p{number}" for number in range(len(values["judge"]))], [*SINGLE, *CANDIDATES]
    rows = {
        metric: [
            {"id": id, "image_set": name, "status": "ok", "score": float(scores[index, column])}
            for index, id in enumerate(ids)
            for column, name in enumerate(names)
        ]
        for metric, scores in values.items()
    }
    return ScoreTable(score_frame([{"id": id} for id in ids], set(ids), [], rows), list(rows))


def planned_and_found(
    generator: np.random.Generator, shift: float, pilot: int, studies: int, settings: dict, permutations: int
) -> tuple[int, float]:
    """Prompts that a pilot plans for the honest row, and the share of studies of this size whose table finds it.

    Args:
        generator: Of the scores.
        shift: Of the candidates' quality.
        pilot: Prompts of the pilot.
        studies: Of the planned size.
        settings: Of `snakemake power`, besides the difference, which is the true one.
        permutations: Of the test.
    """
    statistics = {"baseline": "sd", "test": "permutation", "permutations": permutations}
    everything = marks_and_scores(np.random.default_rng(8), shift, POPULATION)
    chosen = len(SINGLE) + everything["clip"][:, len(SINGLE) :].argmax(axis=1)
    truth = float((everything["judge"][np.arange(POPULATION), chosen] - everything["judge"][:, 0]).mean())
    comparison = _honest(score_table(marks_and_scores(generator, shift, pilot)))
    goal = Goal(DEFAULTS | settings | {"draws": [], "difference": {"judge": truth}}, statistics, {}, {})
    (row,) = power_rows([comparison], goal, lambda *_: 0.0, lambda *_: 0.0)
    of_table = {"bootstrap": {"resamples": 0, "seed": 0}, "statistics": statistics, "ranges": RANGES}
    of_table |= {"best_of": [], "ties_win": False, **ORACLES}
    found = 0
    for _ in range(studies):
        table = tabulate(score_table(marks_and_scores(generator, shift, row["prompts"])), METHODS, of_table)
        found += _is_found(table)
    return row["prompts"], found / studies


def _honest(scores: ScoreTable) -> Comparison:
    compared = compare_means("study", scores, METHODS, "sd", RANGES, ORACLES)
    return next(each for each in compared if (each.metric, each.method, each.selection) == HONEST)


def _is_found(table: pd.DataFrame) -> bool:
    row = table.set_index(["metric", "method", "selection"]).loc[HONEST]
    return bool(row["p_holm"] < 0.05 and row["difference"] > 0)
