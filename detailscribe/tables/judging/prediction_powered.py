"""Prediction-powered inference (PPI++): a mean from few human ratings and a judge's scores of many prompts.

People rated n prompts, drawn at random; the judge scored these and N others. The estimate corrects the mean of the
ratings by how far the judge's scores of the rated prompts are from those of the others:

    estimate = mean of (rating - weight * (score - mean score of the other prompts)) over the rated prompts

It is unbiased for any weight and any judge, good or bad, as the correction is 0 on average. A weight of 0 is people
alone. With the PPI++ weight the interval is the shortest. Here, the weight of a rated prompt is computed without that
prompt, so that it is independent of its rating and score, and shrunk to 0 the less the ratings say about it. Scores are
first put on the scale of the ratings (their standard deviation), so a weight lies in [0, 1] whatever the judge's scale.

The rated and the other prompts are two independent samples. Each has its empirical likelihood interval (`intervals`),
the first of the terms above, the second of the weighted scores. Their sum's arms are the roots of the summed squares
of the two arms. If the result is not shorter than the interval of people alone, or the estimate lies off the scale (as
where the few low ratings are all among the rated prompts), the result is people alone.

Sources: Angelopoulos, Duchi and Zrnic 2023, PPI++, arXiv 2311.01453 (estimate and weight: sections 2 and 6);
Angelopoulos et al. 2023, Prediction-powered inference, arXiv 2301.09633; Zou and Donner 2008, Statistics in Medicine
27, 1693-1702 (arms of a sum).
Differs: PPI++ takes one weight from all prompts, and the normal distribution. With 25 to 50 rated prompts both make
intervals too narrow; for many prompts the results are the same.
"""

from typing import NamedTuple

import numpy as np

from detailscribe.tables.intervals import mean_intervals

FEWEST = 8  # rated prompts; with fewer, a weight is chance
ALL_RATED = "every prompt is rated"
TOO_FEW = f"fewer than {FEWEST} rated prompts"
NOT_SHORTER = "the judge does not shorten the interval"
OFF_SCALE = "the judge would move the mean off the scale"


class AssistedMean(NamedTuple):
    """A mean by people alone and with the help of a judge, each with its 95 % interval.

    Attributes:
        people, people_low95, people_high95: Ratings alone.
        assisted, assisted_low95, assisted_high95: With the judge; equal to people alone where `weight` is 0.
        weight: Of the judge's scores on the scale of the ratings, mean over the rated prompts, in [0, 1].
        width_ratio: Width of the assisted interval / width of that of people alone, at most 1.
        n_effective: Rated prompts that people alone would need for an interval of that width.
        why_alone: Why `weight` is 0; otherwise empty.
    """

    people: float
    people_low95: float
    people_high95: float
    assisted: float
    assisted_low95: float
    assisted_high95: float
    weight: float
    width_ratio: float
    n_effective: float
    why_alone: str


def assisted_mean(
    people: np.ndarray,
    judged: np.ndarray,
    others: np.ndarray,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    paired: bool = False,
) -> AssistedMean:
    """Mean over the prompts that the rated ones were drawn from.

    Args:
        people: (rated prompts,), one value per prompt: the mean of its raters, or the mean of its paired differences.
        judged: (rated prompts,), the judge's score of the same images, or the difference of its scores; NaN for none.
        others: (other prompts,), its scores of prompts that nobody rated; NaN for none.
        bounds: Lowest and highest possible value of `people`, infinite for unbounded.
        paired: The values are differences of pairs.

    Returns:
        NaN where a number is undefined, as the interval of a single prompt.
    """
    return assisted_means(people[:, None], judged[:, None], others[:, None], bounds, paired)[0]


def assisted_means(
    people: np.ndarray,
    judged: np.ndarray,
    others: np.ndarray,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    paired: bool = False,
) -> list[AssistedMean]:
    """`assisted_mean` of every column, of arrays (prompts, columns)."""
    prompts, columns = people.shape
    ends = np.repeat(np.reshape(bounds, (2, 1)), columns, axis=1).astype(float)
    mean = people.mean(axis=0) if prompts else np.full(columns, np.nan)
    low, high = _intervals(people, ends, paired)
    alone = np.array([mean, low, high])
    if prompts < FEWEST or len(others) < 2:
        why = ALL_RATED if prompts >= FEWEST else TOO_FEW
        return [AssistedMean._make([*each, *each, 0.0, 1.0, float(prompts), why]) for each in alone.T.tolist()]
    judged, others = _on_scale_of(people, judged, others)
    weights = cross_fitted_weights(people, judged, others)
    weight, centre = weights.mean(axis=0), others.mean(axis=0)
    terms = people - weights * (judged - centre)
    every = np.concatenate([judged, others])
    first = _intervals(terms, ends - weight * (np.array([every.max(axis=0), every.min(axis=0)]) - centre), paired)
    second = _intervals(weight * (others - centre), np.array([[-np.inf], [np.inf]]) * np.ones(columns), False)
    estimate = terms.mean(axis=0)
    assisted_low = np.maximum(estimate - np.hypot(estimate - first[0], np.minimum(second[0], 0)), ends[0])
    assisted_high = np.minimum(estimate + np.hypot(first[1] - estimate, np.maximum(second[1], 0)), ends[1])
    inside = (estimate >= ends[0]) & (estimate <= ends[1])
    helps = inside & (assisted_high - assisted_low < high - low)
    ratio = np.divide(assisted_high - assisted_low, high - low, out=np.ones(columns), where=helps)
    assisted = np.where(helps, [estimate, assisted_low, assisted_high], alone)
    numbers = np.array([*alone, *assisted, np.where(helps, weight, 0.0), ratio, prompts / ratio**2])
    why_alone = np.where(helps, "", np.where(inside, NOT_SHORTER, OFF_SCALE))
    return [AssistedMean._make([*each, why]) for each, why in zip(numbers.T.tolist(), why_alone.tolist(), strict=True)]


def weighted_mean(people: np.ndarray, judged: np.ndarray, others: np.ndarray, weight: float) -> float:
    """The PPI++ estimate with a weight from elsewhere; arguments as in `assisted_mean`, without NaN."""
    return float((people - weight * (judged - others.mean())).mean())


def cross_fitted_weights(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(rated prompts,): for each the PPI++ weight without it, shrunk by how well it is known, in [0, 1].

    The factor is 1 - 1 / t², at least 0, with t the slope of ratings on scores in units of its standard error: 0 for a
    slope within its error, about 1 for a judge that is clearly good.

    Args:
        people, judged, others: As in `assisted_mean`, without NaN.
    """
    weights, scores, ratings, products = _without_each(people, judged, others)
    explained = np.divide(products**2, scores, out=np.zeros_like(scores), where=scores > 0)
    unexplained = np.maximum(ratings - explained, 0) / (len(people) - 3)
    known = 1 - np.divide(unexplained, explained, out=np.ones_like(scores), where=explained > 0)
    return np.clip(weights, 0, 1) * np.maximum(known, 0)


def tuned_weights(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(rated prompts,): for each the PPI++ weight of the data without it, at least 0.

    Formula: cov(rating, score) / ((1 + n / N) * var(score)), the variance over all prompts. Source: arXiv 2311.01453,
    section 6.

    Args:
        people, judged, others: As in `assisted_mean`, without NaN.
    """
    return np.maximum(_without_each(people, judged, others)[0], 0)


def _without_each(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weight, and sums of squares of scores, of ratings and of their products, without each rated prompt."""
    count, total = len(people), len(judged) + len(others)
    rating, score = people - people.mean(axis=0), judged - judged.mean(axis=0)
    factor = count / (count - 1)
    scores, ratings, products = (
        (one * other).sum(axis=0) - factor * one * other
        for one, other in ((score, score), (rating, rating), (rating, score))
    )
    every = np.concatenate([judged, others])
    square = (judged - every.mean(axis=0)) ** 2
    variance = (((every - every.mean(axis=0)) ** 2).sum(axis=0) - total / (total - 1) * square) / (total - 2)
    scores, ratings, variance = (
        np.where(each > 1e-12 * scale, each, 0.0)  # up to rounding
        for each, scale in (
            (scores, (judged**2).sum(axis=0)),
            (ratings, (people**2).sum(axis=0)),
            (variance, (every**2).mean(axis=0)),
        )
    )
    covariance = products / (count - 1)
    needed = (1 + (count - 1) / len(others)) * variance
    return np.divide(covariance, needed, out=np.zeros_like(needed), where=needed > 0), scores, ratings, products


def _on_scale_of(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The judge's scores with the ratings' standard deviation; a missing one is the mean, which is no news."""
    every = np.concatenate([judged, others])
    known = ~np.isnan(every)
    count = np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, every - np.nansum(every, axis=0) / count, 0.0)
    spread = np.sqrt((centred**2).sum(axis=0) / count)
    varied = spread > 1e-12 * np.abs(np.nan_to_num(every)).max(axis=0)
    every = centred * np.divide(people.std(axis=0), spread, out=np.zeros_like(spread), where=varied)
    return every[: len(judged)], every[len(judged) :]


def _intervals(values: np.ndarray, bounds: np.ndarray, paired: bool) -> np.ndarray:
    """(2, columns), 95 % intervals of means; that of equal values without bounds is the value itself."""
    ends = np.array(mean_intervals(values, bounds, paired=paired))
    if len(values) > 1:
        ends = np.where(np.isnan(ends) & np.isinf(bounds), values[0], ends)
    return ends
