"""How much of an oracle's mean comes from looking: the oracle beside choices that did not see the scores they report.

Estimand, for each `against`: E[max over the candidates of the reported score] - E[score of the candidate that another
rule picks]. Each difference is a mean over prompts of something seen in that prompt, so it is unbiased whatever the
correlations, ties and spreads are:

other_prompts   the candidate that is best on average over a random half of the prompts, this one not in it: what a user
                could fix in advance
by:{metric}     the candidate that another metric picks
other_draw      the same pick, scored afresh: where a judge answered several times for each image. With D draws, the
                candidate that is best by the mean of D - 1 draws is scored by the one left out; the oracle is the mean
                of those D - 1, so this is the winner's curse proper, of an oracle that sees D - 1 draws
"""

import numpy as np
import pandas as pd

from detailscribe.tables import significance
from detailscribe.tables.main_table import select
from detailscribe.tables.score_table import Scores

HALVES = 400  # random halves of the prompts
COLUMNS = ["method", "metric", "against", "n", "oracle", "honest", "optimism", "low95", "high95"]


def optimism(scores: Scores, methods: list[dict], bootstrap: dict) -> pd.DataFrame:
    """Rows with COLUMNS for every method with several candidates, over the complete prompts; NaN for no value.

    Args:
        scores: Of the scenario.
        methods: Rows: name, candidates.
        bootstrap: `resamples` and `seed`.
    """
    keys, pairs = [], []
    for method in methods:
        names = list(method["candidates"])
        if len(names) < 2:
            continue
        arrays = {metric: scores.array(metric, names)[scores.complete] for metric in scores.metrics}
        for metric, values in arrays.items():
            oracle = select(values, "oracle", names, arrays)
            found = {"other_prompts": (oracle, by_other_prompts(values, bootstrap["seed"]))}
            for other in scores.metrics:
                if other != metric:
                    found[f"by:{other}"] = (oracle, select(values, f"by:{other}", names, arrays))
            if (drawn := scores.draws(metric, names)) is not None:
                found["other_draw"] = by_other_draw(drawn[scores.complete])
            keys += [(method["name"], metric, against) for against in found]
            pairs += found.values()
    if not keys:
        return pd.DataFrame(columns=COLUMNS)
    oracle, honest = (np.array([pair[side] for pair in pairs]).T for side in (0, 1))
    gains = oracle - honest
    both = ~np.isnan(gains)
    low, high = significance.intervals(gains, **bootstrap)
    table = pd.DataFrame(keys, columns=COLUMNS[:3])
    table["n"] = both.sum(axis=0)
    table["oracle"] = significance.means(np.where(both, oracle, np.nan))
    table["honest"] = significance.means(np.where(both, honest, np.nan))
    table["optimism"], table["low95"], table["high95"] = significance.means(gains), low, high
    return table


def by_other_prompts(values: np.ndarray, seed: int) -> np.ndarray:
    """For each prompt the score of the candidate with the highest mean over half of the prompts, this one not in it.

    Averaged over many random halves. All other prompts at once would be nearer to what a user does, but makes a wild
    estimate: where candidates are about equally good, the choice then depends on which prompt is left out.

    Args:
        values: (prompts, candidates).
        seed: Of the halves.

    Returns:
        (prompts,), NaN for a prompt that lacks a score, and where there is no other prompt.
    """
    complete = ~np.isnan(values).any(axis=1)
    chosen = np.full(len(values), np.nan)
    kept = values[complete]
    if len(kept) > 1:
        generator = np.random.default_rng(seed)
        halves = generator.permuted(np.tile(np.arange(len(kept)) < len(kept) // 2, (HALVES, 1)), axis=1)
        picks = np.eye(kept.shape[1])[(halves.astype(float) @ kept).argmax(axis=1)]
        share = (~halves).T.astype(float) @ picks
        chosen[complete] = (share * kept).sum(axis=1) / share.sum(axis=1)
    return chosen


def by_other_draw(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The oracle of all draws but one, and its pick scored by the draw left out, averaged over the one left out.

    Args:
        values: (prompts, candidates, draws).

    Returns:
        Oracle and fresh score, (prompts,); NaN for a prompt that lacks a draw.
    """
    number = values.shape[2]
    rows = np.arange(len(values))
    seen, fresh = np.zeros(len(values)), np.zeros(len(values))
    for left_out in range(number):
        others = np.delete(values, left_out, axis=2).mean(axis=2)
        best = np.nan_to_num(others, nan=-np.inf).argmax(axis=1)
        seen += others[rows, best] / number
        fresh += values[rows, best, left_out] / number
    missing = np.isnan(values).any(axis=(1, 2))
    return np.where(missing, np.nan, seen), np.where(missing, np.nan, fresh)
