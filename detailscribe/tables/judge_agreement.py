"""Two judges on the same images: do they agree, on what scale, and do they rank the methods alike?"""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from detailscribe.tables.agreement import weighted_kappa
from detailscribe.tables.score_table import Scores

COLUMNS = ["first", "second", "statistic", "level", "n", "value", "low95", "high95"]


def bridge(scores: Scores, judges: list[str], table: pd.DataFrame, bootstrap: dict) -> pd.DataFrame:
    """Rows with COLUMNS for each pair of judges; none for fewer than two.

    weighted_kappa   quadratic weights, means of draws rounded to whole marks
    spearman         rank correlation over images
    mean_difference  second minus first
    calibration      mean mark of the second where the first gives `level`
    method_kendall   Kendall's tau-b of the two orders of the headline rows
    method_rank      rank of a method (`level`) under the second judge minus under the first; positive: it falls
    same_winner      1 where both put the same method first, else 0

    Intervals resample prompts with all their images; n counts images, or methods.

    Args:
        scores: Of the scenario; images of incomplete prompts count too.
        judges: Metrics.
        table: The main table.
        bootstrap: `resamples` and `seed`.
    """
    image_sets = list(dict.fromkeys(scores.frame["image_set"]))
    rows = []
    for pair in combinations(judges, 2):
        first, second = (scores.array(judge, image_sets) for judge in pair)
        both = ~np.isnan(first) & ~np.isnan(second)
        rows += [dict(zip(COLUMNS, (*pair, *row), strict=True)) for row in _images(first, second, both, bootstrap)]
        rows += [dict(zip(COLUMNS, (*pair, *row), strict=True)) for row in _methods(table, pair)]
    return pd.DataFrame(rows, columns=COLUMNS).astype({"n": "Int64", "value": float, "low95": float, "high95": float})


def _images(first: np.ndarray, second: np.ndarray, both: np.ndarray, bootstrap: dict) -> list[tuple]:
    levels = np.unique(np.rint(np.concatenate([first[both], second[both]])))

    def all_statistics(prompts: np.ndarray) -> list[float]:
        kept = both[prompts]
        one, two = first[prompts][kept], second[prompts][kept]
        rounded = np.rint(one), np.rint(two)
        varied = len(one) > 1 and np.ptp(one) > 0 and np.ptp(two) > 0
        return [
            weighted_kappa(*rounded, levels),
            float(stats.spearmanr(one, two).statistic) if varied else np.nan,
            float((two - one).mean()) if len(one) else np.nan,
            *(float(two[rounded[0] == level].mean()) if (rounded[0] == level).any() else np.nan for level in levels),
        ]

    everyone = np.arange(len(first))
    found = all_statistics(everyone)
    generator = np.random.default_rng(bootstrap["seed"])
    number = bootstrap["resamples"] if both.any(axis=1).sum() > 1 else 0
    drawn = [all_statistics(generator.choice(everyone, len(everyone))) for _ in range(number)]
    names = ["weighted_kappa", "spearman", "mean_difference"] + ["calibration"] * len(levels)
    labels = ["", "", "", *(f"{level:g}" for level in levels)]
    counts = [both.sum()] * 3 + [(np.rint(first[both]) == level).sum() for level in levels]
    rows = []
    for place, value in enumerate(found):
        seen = [resample[place] for resample in drawn if not np.isnan(resample[place])]
        low, high = np.quantile(seen, [0.025, 0.975]) if seen and not np.isnan(value) else (np.nan, np.nan)
        rows.append((names[place], labels[place], int(counts[place]), value, float(low), float(high)))
    return rows


def _methods(table: pd.DataFrame, pair: tuple[str, str]) -> list[tuple]:
    means = table[table["headline"]].pivot(index="method", columns="metric", values="mean")
    both = means.reindex(columns=list(pair)).dropna()
    if len(both) < 2:
        return []
    ranks = both.rank(ascending=False, method="min")
    tau = stats.kendalltau(*(both[judge] for judge in pair)).statistic
    best = [set(both.index[ranks[judge] == 1]) for judge in pair]
    fallen = ranks[pair[1]] - ranks[pair[0]]
    return [
        ("method_kendall", "", len(both), float(tau), np.nan, np.nan),
        ("same_winner", "", len(both), float(best[0] == best[1]), np.nan, np.nan),
        *(("method_rank", method, len(both), float(fallen[method]), np.nan, np.nan) for method in both.index),
    ]
