"""Agreement: of raters among themselves, of two judges, and of a metric with people on pairs of images.

Sources: Krippendorff 2011, Computing Krippendorff's Alpha-Reliability; Cohen 1968 (weighted kappa).
"""

import numpy as np

LEVELS = ("nominal", "ordinal", "interval")


def krippendorff_alpha(ratings: np.ndarray, level: str, weights: np.ndarray | None = None) -> float:
    """Krippendorff's alpha: 1 - observed / expected disagreement; 1 is perfect, 0 is chance, below 0 is worse.

    Args:
        ratings: (units, raters), NaN for a mark that was not given; any numbers.
        level: nominal, ordinal or interval: how far two values are apart.
        weights: (units,), how often each unit counts, for a bootstrap; None for once.

    Returns:
        NaN where no unit has two marks, or where all marks are the same.
    """
    values = np.unique(ratings[~np.isnan(ratings)])
    counts = (ratings[:, :, None] == values).sum(axis=1).astype(float)  # (units, values)
    marks = counts.sum(axis=1)
    pairable = marks > 1
    counts, marks = counts[pairable], marks[pairable]
    weight = np.ones(len(marks)) if weights is None else weights[pairable]
    scale = (weight / (marks - 1))[:, None]
    coincidences = counts.T @ (counts * scale) - np.diag((counts * scale).sum(axis=0))
    totals = coincidences.sum(axis=1)
    total = totals.sum()
    distance = _distances(values, totals, level)
    expected = (np.outer(totals, totals) * distance).sum()
    if total <= 1 or expected == 0:
        return float("nan")
    return float(1 - (total - 1) * (coincidences * distance).sum() / expected)


def _distances(values: np.ndarray, totals: np.ndarray, level: str) -> np.ndarray:
    if level == "nominal":
        return 1.0 - np.eye(len(values))
    if level == "interval":
        return (values[:, None] - values) ** 2
    # Ordinal: marks given between the two values, half of the marks at either end.
    middle = np.cumsum(totals) - totals / 2
    return (middle[:, None] - middle) ** 2


def weighted_kappa(first: np.ndarray, second: np.ndarray, levels: np.ndarray) -> float:
    """Cohen's kappa with quadratic weights of two columns of marks; NaN where chance alone leaves nothing to agree on.

    Args:
        first, second: (images,), each one of `levels`.
    """
    table = (first[:, None, None] == levels[:, None]) & (second[:, None, None] == levels)
    observed = table.sum(axis=0) / max(len(first), 1)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0))
    weights = (levels[:, None] - levels) ** 2
    chance = (weights * expected).sum()
    return float(1 - (weights * observed).sum() / chance) if chance > 0 else float("nan")


def pair_hits(people: np.ndarray, metric: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """How often a metric prefers the image that people prefer, over all pairs of images of the same prompt.

    The rule for ties: a pair that people rate alike shows no preference and is left out; a pair that the metric scores
    alike counts as half a hit, what a coin would get.

    Args:
        people: (prompts, images), mean mark; NaN for an image that nobody rated, or that stands there twice.
        metric: (prompts, images).

    Returns:
        Hits, pairs, pairs tied by people, pairs tied by the metric; each (prompts,).
    """
    first, second = np.triu_indices(people.shape[1], k=1)
    preference = np.sign(np.round(people[:, first] - people[:, second], 9))
    choice = np.sign(metric[:, first] - metric[:, second])
    seen = ~np.isnan(preference) & ~np.isnan(choice)
    decided = seen & (preference != 0)
    hits = np.where(choice == 0, 0.5, choice == preference)
    return (
        np.where(decided, hits, 0.0).sum(axis=1),
        decided.sum(axis=1),
        (seen & (preference == 0)).sum(axis=1),
        (decided & (choice == 0)).sum(axis=1),
    )
