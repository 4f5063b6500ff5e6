"""Selection bias of oracle choice (winner's curse): the oracle's mean against selections without the reported scores.

Estimand, for each `against`: E[max over the candidates of the reported score] - E[score of the candidate that another
rule selects]. Each difference is a mean over prompts of a quantity observed in that prompt, so it is unbiased under
any correlations, ties and standard deviations:

other_prompts   the candidate with the best mean over a random half of the prompts, this one not among them: what a
                user could fix in advance
by:{metric}     the candidate that another metric selects
other_draw      the same selection, scored by another repeat, if a judge answered several times per image. With D
                repeats, the candidate that is best by the mean of D - 1 of them is scored by the one left out; the
                oracle is the mean of those D - 1. This is the winner's curse of an oracle that sees D - 1 repeats
"""

import numpy as np
import pandas as pd

from detailscribe.tables.score_table import ScoreTable
from detailscribe.tables.selection import select_scores
from detailscribe.tables.significance import bootstrap_intervals, means

HALVES = 400  # random halves of the prompts
BIAS_COLUMNS = ["method", "metric", "against", "n", "oracle", "honest", "optimism", "low95", "high95"]


def selection_bias(scores: ScoreTable, methods: list[dict], bootstrap: dict) -> pd.DataFrame:
    """Rows with BIAS_COLUMNS for every method with several candidates, over the complete prompts; NaN for no value.

    Args:
        scores: Of the scenario.
        methods: Rows: name, candidates.
        bootstrap: `resamples` and `seed`.
    """
    keys: list[tuple[str, str, str]] = []
    pairs: list[tuple[np.ndarray, np.ndarray]] = []
    for method in methods:
        names = list(method["candidates"])
        if len(names) < 2:
            continue
        arrays = {metric: scores.array(metric, names)[scores.complete] for metric in scores.metrics}
        for metric, values in arrays.items():
            oracle = select_scores(values, "oracle", names, arrays)
            by_rule = {"other_prompts": (oracle, best_on_other_prompts(values, bootstrap["seed"]))}
            for other in scores.metrics:
                if other != metric:
                    by_rule[f"by:{other}"] = (oracle, select_scores(values, f"by:{other}", names, arrays))
            if (repeats := scores.repeats(metric, names)) is not None:
                by_rule["other_draw"] = leave_one_repeat_out(repeats[scores.complete])
            keys += [(method["name"], metric, against) for against in by_rule]
            pairs += by_rule.values()
    if not keys:
        return pd.DataFrame(columns=BIAS_COLUMNS)
    oracle, honest = (np.array([pair[side] for pair in pairs]).T for side in (0, 1))
    differences = oracle - honest
    both = ~np.isnan(differences)
    table = pd.DataFrame(keys, columns=BIAS_COLUMNS[:3])
    table["n"] = both.sum(axis=0)
    table["oracle"] = means(np.where(both, oracle, np.nan))
    table["honest"] = means(np.where(both, honest, np.nan))
    table["optimism"] = means(differences)
    table["low95"], table["high95"] = bootstrap_intervals(differences, **bootstrap)
    return table


def best_on_other_prompts(values: np.ndarray, seed: int) -> np.ndarray:
    """For each prompt the score of the candidate with the highest mean over half of the prompts, this one not in it.

    Averaged over many random halves. Using all other prompts at once would be closer to what a user does, but has a
    large variance: if candidates are about equally good, the choice then depends on which prompt is left out.

    Args:
        values: (prompts, candidates).
        seed: Of the halves.

    Returns:
        (prompts,), NaN for a prompt with a missing score, and if there is no other prompt.
    """
    complete = ~np.isnan(values).any(axis=1)
    chosen = np.full(len(values), np.nan)
    scores = values[complete]
    if len(scores) > 1:
        generator = np.random.default_rng(seed)
        halves = generator.permuted(np.tile(np.arange(len(scores)) < len(scores) // 2, (HALVES, 1)), axis=1)
        picks = np.eye(scores.shape[1])[(halves.astype(float) @ scores).argmax(axis=1)]
        share = (~halves).T.astype(float) @ picks
        chosen[complete] = (share * scores).sum(axis=1) / share.sum(axis=1)
    return chosen


def leave_one_repeat_out(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Oracle over all repeats but one, and its selection scored by the one left out, averaged over the one left out.

    Args:
        values: (prompts, candidates, repeats).

    Returns:
        Mean of the repeats that selected, and score of the repeat left out, (prompts,); NaN for a prompt with a
        missing repeat.
    """
    repeats = values.shape[2]
    rows = np.arange(len(values))
    selecting, left_out = np.zeros(len(values)), np.zeros(len(values))
    for index in range(repeats):
        others = np.delete(values, index, axis=2).mean(axis=2)
        best = np.nan_to_num(others, nan=-np.inf).argmax(axis=1)
        selecting += others[rows, best] / repeats
        left_out += values[rows, best, index] / repeats
    missing = np.isnan(values).any(axis=(1, 2))
    return np.where(missing, np.nan, selecting), np.where(missing, np.nan, left_out)
