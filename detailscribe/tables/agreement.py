"""Agreement coefficients: Krippendorff's alpha and weighted kappa.

Sources: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability; Cohen 1968 (weighted kappa).
"""

import numpy as np

LEVELS = ("nominal", "ordinal", "interval")  # of measurement


def krippendorff_alpha(ratings: np.ndarray, level: str, weights: np.ndarray | None = None) -> float:
    """Krippendorff's alpha: 1 - observed / expected disagreement; 1 is perfect, 0 is chance, below 0 is worse.

    Args:
        ratings: (units, raters), NaN for a missing rating; any numbers.
        level: nominal, ordinal or interval; decides the distance between two values.
        weights: (units,), how often each unit counts; None for once each.

    Returns:
        NaN if no unit has two ratings, or if all ratings are equal.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=1).astype(float)  # (units, values)
    ratings_per_unit = counts.sum(axis=1)
    pairable = ratings_per_unit > 1
    counts, ratings_per_unit = counts[pairable], ratings_per_unit[pairable]
    weight = np.ones(len(ratings_per_unit)) if weights is None else weights[pairable]
    scale = (weight / (ratings_per_unit - 1))[:, None]
    coincidences = counts.T @ (counts * scale) - np.diag((counts * scale).sum(axis=0))
    totals = coincidences.sum(axis=1)
    total = totals.sum()
    distances = _distances(values, totals, level)
    expected = (np.outer(totals, totals) * distances).sum()
    if total <= 1 or expected == 0:
        return float("nan")
    return float(1 - (total - 1) * (coincidences * distances).sum() / expected)


def _distances(values: np.ndarray, totals: np.ndarray, level: str) -> np.ndarray:
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values) ** 2
    # Ordinal: the number of ratings between the two values, counting half of those at either end.
    midranks = np.cumsum(totals) - totals / 2
    return (midranks[:, None] - midranks) ** 2


def weighted_kappa(first: np.ndarray, second: np.ndarray, levels: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights, of two columns of ratings; NaN if no disagreement is expected by chance.

    Args:
        first, second: (images,), each value one of `levels`.
        levels: (levels,), all possible ratings.
    """
    return kappa_of_joint(joint_ratings(first[:, None], second[:, None], levels).sum(axis=0), levels)


def joint_ratings(first: np.ndarray, second: np.ndarray, levels: np.ndarray) -> np.ndarray:
    """(prompts, levels, levels): how many images of a prompt got each pair of ratings.

    Args:
        first, second: (prompts, images), each value one of `levels`; NaN leaves the image out.
        levels: (levels,).
    """
    one, other = ((ratings[:, :, None] == levels).astype(float) for ratings in (first, second))
    return np.einsum("pil,pim->plm", one, other)


def kappa_of_joint(joint: np.ndarray, levels: np.ndarray) -> float:
    """`weighted_kappa` of the counts of each pair of ratings, (levels, levels)."""
    observed = joint / max(joint.sum(), 1)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0))
    weights = (levels[:, None] - levels) ** 2
    chance = (weights * expected).sum()
    return float(1 - (weights * observed).sum() / chance) if chance > 0 else float("nan")
