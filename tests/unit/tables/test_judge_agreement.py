"""Agreement of two judges whose relation is known."""

import numpy as np
import pandas as pd

from detailscribe.tables.judge_agreement import judge_agreement
from detailscribe.tables.score_table import SCORE_COLUMNS, ScoreTable

RANGES: dict = {"judge-x": [1, 5], "judge-y": [1, 5]}


def test_two_judges_are_compared_and_one_alone_is_not():
    generator = np.random.default_rng(3)
    rows = []
    for index in range(30):
        for image_set in ("a", "b"):
            rating = generator.integers(1, 6)
            for judge, score in (("judge-x", rating), ("judge-y", min(5, rating + 1))):
                rows.append((f"p{index}", "", "", image_set, judge, float(score), "ok", ""))
    scores = ScoreTable(pd.DataFrame(rows, columns=SCORE_COLUMNS), ["judge-x", "judge-y"])
    table = pd.DataFrame(
        [
            (m, j, v, headline, honest)
            for m, j, v, headline, honest in [
                *(("a", "judge-x", 3, True, False), ("a", "judge-y", 1, True, False), ("a", "judge-x", 1, False, True)),
                *(("b", "judge-x", 2, True, True), ("b", "judge-y", 4, True, True), ("a", "judge-y", 1, False, True)),
            ]
        ],
        columns=["method", "metric", "mean", "headline", "honest"],
    )
    found = judge_agreement(scores, ["judge-x", "judge-y"], table, RANGES)
    value = {(row.statistic, row.level): row.value for row in found.itertuples()}
    assert value["method_kendall", ""] == -1 and value["same_winner", ""] == 0
    assert (value["method_rank", "a"], value["method_rank", "b"]) == (1, -1)
    assert value["honest_kendall", ""] == 1 and value["honest_winner", ""] == 1, "without the oracle of a"
    assert (value["honest_rank", "a"], value["honest_rank", "b"]) == (0, 0)
    assert value["calibration", "2"] == 3 and value["calibration", "5"] == 5
    assert 0.5 < value["mean_difference", ""] < 1 and value["spearman", ""] > 0.95
    kappa = found[found["statistic"] == "weighted_kappa"].iloc[0]
    assert kappa["low95"] <= kappa["value"] <= kappa["high95"] < 1
    assert len(judge_agreement(scores, ["judge-x"], table, RANGES)) == 0
