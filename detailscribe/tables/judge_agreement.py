"""Agreement between two judges on the same images: kappa, correlation, calibration, and the ranks of the methods."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from detailscribe.tables.agreement import weighted_kappa
from detailscribe.tables.score_table import ScoreTable

JUDGE_COLUMNS = ["first", "second", "statistic", "level", "n", "value", "low95", "high95"]


def judge_agreement(scores: ScoreTable, judges: list[str], table: pd.DataFrame, bootstrap: dict) -> pd.DataFrame:
    """Rows with JUDGE_COLUMNS for each pair of judges; none for fewer than two.

    weighted_kappa   quadratic weights, means of repeats rounded to whole ratings
    spearman         rank correlation over images
    mean_difference  second minus first
    calibration      mean rating of the second where the first gives `level`
    method_kendall   Kendall's tau-b between the two rankings of the headline rows
    method_rank      rank of a method (`level`) under the second judge minus under the first; positive: it falls
    same_winner      1 if both rank the same method first, otherwise 0

    Intervals resample prompts with all their images; n counts images, or methods.

    Args:
        scores: Of the scenario; images of incomplete prompts count too.
        judges: Metrics.
        table: The main table.
        bootstrap: `resamples` and `seed`.
    """
    image_sets = list(dict.fromkeys(scores.frame["image_set"]))
    rows: list[tuple] = []
    for first_judge, second_judge in combinations(judges, 2):
        first, second = (scores.array(judge, image_sets) for judge in (first_judge, second_judge))
        statistics = _image_statistics(first, second, bootstrap) + _method_statistics(table, first_judge, second_judge)
        rows += [(first_judge, second_judge, *row) for row in statistics]
    found = pd.DataFrame(rows, columns=JUDGE_COLUMNS)
    return found.astype({"n": "Int64", "value": float, "low95": float, "high95": float})


def _image_statistics(first: np.ndarray, second: np.ndarray, bootstrap: dict) -> list[tuple]:
    """Statistics over the images that both judges scored; each array is (prompts, images)."""
    both = ~np.isnan(first) & ~np.isnan(second)
    levels = np.unique(np.rint(np.concatenate([first[both], second[both]])))

    def statistics_of(prompts: np.ndarray) -> list[float]:
        scored = both[prompts]
        one, two = first[prompts][scored], second[prompts][scored]
        rounded = np.rint(one), np.rint(two)
        varied = len(one) > 1 and np.ptp(one) > 0 and np.ptp(two) > 0
        return [
            weighted_kappa(*rounded, levels),
            float(stats.spearmanr(one, two).statistic) if varied else np.nan,
            float((two - one).mean()) if len(one) else np.nan,
            *(float(two[rounded[0] == level].mean()) if (rounded[0] == level).any() else np.nan for level in levels),
        ]

    prompts = np.arange(len(first))
    values = statistics_of(prompts)
    generator = np.random.default_rng(bootstrap["seed"])
    resamples = bootstrap["resamples"] if both.any(axis=1).sum() > 1 else 0
    resampled = [statistics_of(generator.choice(prompts, len(prompts))) for _ in range(resamples)]
    names = ["weighted_kappa", "spearman", "mean_difference"] + ["calibration"] * len(levels)
    labels = ["", "", "", *(f"{level:g}" for level in levels)]
    counts = [both.sum()] * 3 + [(np.rint(first[both]) == level).sum() for level in levels]
    rows = []
    for index, value in enumerate(values):
        defined = [each[index] for each in resampled if not np.isnan(each[index])]
        low, high = np.quantile(defined, [0.025, 0.975]) if defined and not np.isnan(value) else (np.nan, np.nan)
        rows.append((names[index], labels[index], int(counts[index]), value, float(low), float(high)))
    return rows


def _method_statistics(table: pd.DataFrame, first: str, second: str) -> list[tuple]:
    """How the two judges rank the methods that both have a mean for."""
    means = table[table["headline"]].pivot(index="method", columns="metric", values="mean")
    both = means.reindex(columns=[first, second]).dropna()
    if len(both) < 2:
        return []
    ranks = both.rank(ascending=False, method="min")
    tau = stats.kendalltau(both[first], both[second]).statistic
    winners = [set(both.index[ranks[judge] == 1]) for judge in (first, second)]
    shift = ranks[second] - ranks[first]
    return [
        ("method_kendall", "", len(both), float(tau), np.nan, np.nan),
        ("same_winner", "", len(both), float(winners[0] == winners[1]), np.nan, np.nan),
        *(("method_rank", method, len(both), float(shift[method]), np.nan, np.nan) for method in both.index),
    ]
