"""Agreement between two judges on the same images: kappa, correlation, calibration, and the ranks of the methods."""

from itertools import combinations

import numpy as np
import pandas as pd
from scipy import stats

from detailscribe.tables.agreement import joint_ratings, kappa_of_joint
from detailscribe.tables.intervals import jackknife_interval, mean_intervals
from detailscribe.tables.score_table import ScoreTable

JUDGE_COLUMNS = ["first", "second", "statistic", "level", "n", "value", "low95", "high95"]
RANKED = {  # statistics by the column that marks the rows which rank the methods
    "headline": ("method_kendall", "same_winner", "method_rank"),
    "honest": ("honest_kendall", "honest_winner", "honest_rank"),
}


def judge_agreement(
    scores: ScoreTable, judges: list[str], table: pd.DataFrame, ranges: dict[str, list[float] | None]
) -> pd.DataFrame:
    """Rows with JUDGE_COLUMNS for each pair of judges; none for fewer than two.

    weighted_kappa   quadratic weights, means of repeats rounded to whole ratings
    spearman         rank correlation over images
    mean_difference  second minus first
    calibration      mean rating of the second where the first gives `level`
    method_kendall   Kendall's tau-b between the two rankings of the headline rows
    method_rank      rank of a method (`level`) under the second judge minus under the first; positive: it falls
    same_winner      1 if both rank the same method first, otherwise 0
    honest_...       the same of the honest rows (kendall, rank, winner): none of these is an oracle cell

    The unit of the intervals is a prompt with all its images; n counts images, or methods.

    Args:
        scores: Of the scenario; images of incomplete prompts count too.
        judges: Metrics.
        table: The main table.
        ranges: Lowest and highest possible score by metric.
    """
    image_sets = list(dict.fromkeys(scores.frame["image_set"]))
    rows: list[tuple] = []
    for first_judge, second_judge in combinations(judges, 2):
        first, second = (scores.array(judge, image_sets) for judge in (first_judge, second_judge))
        limits = scores.limits(first_judge, ranges), scores.limits(second_judge, ranges)
        statistics = _image_statistics(first, second, *limits)
        for rows_of, names in RANKED.items():
            statistics += _method_statistics(table[table[rows_of]], first_judge, second_judge, names)
        rows += [(first_judge, second_judge, *row) for row in statistics]
    found = pd.DataFrame(rows, columns=JUDGE_COLUMNS)
    return found.astype({"n": "Int64", "value": float, "low95": float, "high95": float})


def _image_statistics(
    first: np.ndarray, second: np.ndarray, first_limits: tuple[float, float], second_limits: tuple[float, float]
) -> list[tuple]:
    """Statistics over the images that both judges scored; each array is (prompts, images)."""
    both = ~np.isnan(first) & ~np.isnan(second)
    used = both.any(axis=1)
    first, second, both = first[used], second[used], both[used]
    rounded = np.where(both, np.rint(first), np.nan)
    levels = np.unique(np.concatenate([rounded[both], np.rint(second[both])]))
    joint = joint_ratings(rounded, np.where(both, np.rint(second), np.nan), levels)
    total = joint.sum(axis=0)
    kappa = kappa_of_joint(total, levels)
    without = np.array([kappa_of_joint(total - of_prompt, levels) for of_prompt in joint])
    spearman, images = _spearman(first[both], second[both]), int(both.sum())
    members = [np.arange(len(both)) != prompt for prompt in range(len(both))]
    ranks = np.array([_spearman(first[kept][both[kept]], second[kept][both[kept]]) for kept in members])
    rows: list[tuple] = [
        ("weighted_kappa", "", images, kappa, *jackknife_interval(kappa, without, (-1, 1))),
        ("spearman", "", images, spearman, *jackknife_interval(spearman, ranks, (-1, 1))),
        ("mean_difference", "", images)
        + _ratio(second - first, both, (second_limits[0] - first_limits[1], second_limits[1] - first_limits[0])),
    ]
    for level in levels:
        chosen = rounded == level
        rows.append(("calibration", f"{level:g}", int(chosen.sum()), *_ratio(second, chosen, second_limits)))
    return rows


def _spearman(first: np.ndarray, second: np.ndarray) -> float:
    varied = len(first) > 1 and np.ptp(first) > 0 and np.ptp(second) > 0
    return float(stats.spearmanr(first, second).statistic) if varied else np.nan


def _ratio(values: np.ndarray, chosen: np.ndarray, bounds: tuple[float, float]) -> tuple[float, float, float]:
    """Mean of the chosen values of all prompts, with its interval."""
    sums, counts = np.where(chosen, values, 0.0).sum(axis=1), chosen.sum(axis=1).astype(float)
    low, high = mean_intervals(sums[:, None], bounds, counts=counts[:, None])
    return float(sums.sum() / counts.sum()) if counts.any() else np.nan, float(low[0]), float(high[0])


def _method_statistics(rows: pd.DataFrame, first: str, second: str, names: tuple[str, str, str]) -> list[tuple]:
    """How the two judges rank the methods that both have a mean for.

    Args:
        rows: Of the main table, one for each method and metric.
        names: Of the statistics: Kendall's tau, same winner, rank.
    """
    means = rows.pivot(index="method", columns="metric", values="mean")
    both = means.reindex(columns=[first, second]).dropna()
    if len(both) < 2:
        return []
    ranks = both.rank(ascending=False, method="min")
    tau = stats.kendalltau(both[first], both[second]).statistic
    winners = [set(both.index[ranks[judge] == 1]) for judge in (first, second)]
    shift = ranks[second] - ranks[first]
    return [
        (names[0], "", len(both), float(tau), np.nan, np.nan),
        (names[1], "", len(both), float(winners[0] == winners[1]), np.nan, np.nan),
        *((names[2], method, len(both), float(shift[method]), np.nan, np.nan) for method in both.index),
    ]
