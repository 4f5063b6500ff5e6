"""Prediction-powered inference (PPI++): a mean from few human ratings and a judge's scores of many prompts.

People rated n prompts, drawn at random; the judge scored these and N others. The estimate corrects the mean of the
ratings by how far the judge's scores of the rated prompts are from those of the others:

    estimate = mean of (rating - weight * (score - mean score of the other prompts)) over the rated prompts

It is unbiased for any weight and any judge, good or bad, as the correction is 0 on average. A weight of 0 is people
alone. With the PPI++ weight the interval is the shortest. Here, the weight of a rated prompt is computed without that
prompt, so that it is independent of its rating and score, and shrunk to 0 the less the ratings say about it. Scores are
first put on the scale of the ratings (their standard deviation), so a weight lies in [0, 1] whatever the judge's scale.

A prompt without a score tells nothing of the judge: among the others it is left out, among the rated ones its
correction is 0. Whether a prompt has a score may depend on its images, but not on whether it is rated.

The rated and the other prompts are two independent samples. Each has its empirical likelihood interval (`intervals`),
the first of the terms above, the second of the weighted scores. Their sum's arms are the roots of the summed squares
of the two arms. If the result is not shorter than the interval of people alone, or the estimate lies off the scale (as
where the few low ratings are all among the rated prompts), the result is people alone. That the shorter of two
intervals still covers is known by measurement (benchmarks/planted_assisted.py), not by proof.

Sources: Angelopoulos, Duchi and Zrnic 2023, PPI++, arXiv 2311.01453 (estimate and weight: sections 2 and 6);
Angelopoulos et al. 2023, Prediction-powered inference, arXiv 2301.09633; Zou and Donner 2008, Statistics in Medicine
27, 1693-1702 (arms of a sum).
Differs: PPI++ takes one weight from all prompts, and the normal distribution. With 25 to 50 rated prompts both make
intervals too narrow; for many prompts the results are the same.
"""

from typing import NamedTuple

import numpy as np

from detailscribe.tables.intervals import mean_intervals

FEWEST = 8  # rated prompts with a score; with fewer, a weight is chance
FEW_OTHERS = "fewer than two prompts without a rating"
FEW_OTHERS_SCORED = f"{FEW_OTHERS} have a score"
TOO_FEW = f"fewer than {FEWEST} rated prompts"
TOO_FEW_SCORED = f"{TOO_FEW} have a score"
NOT_SHORTER = "the judge does not shorten the interval"
OFF_SCALE = "the judge would move the mean off the scale"


class AssistedMean(NamedTuple):
    """A mean by people alone and with the help of a judge, each with its 95 % interval.

    Attributes:
        people, people_low95, people_high95: Ratings alone.
        assisted, assisted_low95, assisted_high95: With the judge; equal to people alone where `weight` is 0.
        weight: Of the judge's scores on the scale of the ratings, mean over the rated prompts with a score, in [0, 1].
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
    why = _why_alone(judged, others)
    if (why != "").all():
        return [
            AssistedMean._make([*each, *each, 0.0, 1.0, float(prompts), reason])
            for each, reason in zip(alone.T.tolist(), why.tolist(), strict=True)
        ]
    judged, others = _on_scale_of(people, judged, others)
    scored = ~np.isnan(judged)
    weights = np.where(scored, cross_fitted_weights(people, judged, others), 0.0)
    weight, centre = _mean(weights, scored), _mean(others, ~np.isnan(others))
    terms = people - weights * (np.where(scored, judged, centre) - centre)
    every = np.concatenate([judged, others])
    every = np.where(np.isnan(every), centre, every)
    first = _intervals(terms, ends - weight * (np.array([every.max(axis=0), every.min(axis=0)]) - centre), paired)
    share = weight * scored.mean(axis=0)  # with which `centre` counts in the estimate
    second = _intervals(share * (others - centre), np.array([[-np.inf], [np.inf]]) * np.ones(columns), False)
    estimate = terms.mean(axis=0)
    assisted_low = np.maximum(estimate - np.hypot(estimate - first[0], np.minimum(second[0], 0)), ends[0])
    assisted_high = np.minimum(estimate + np.hypot(first[1] - estimate, np.maximum(second[1], 0)), ends[1])
    inside = (estimate >= ends[0]) & (estimate <= ends[1])
    helps = (why == "") & inside & (assisted_high - assisted_low < high - low)
    ratio = np.divide(assisted_high - assisted_low, high - low, out=np.ones(columns), where=helps)
    assisted = np.where(helps, [estimate, assisted_low, assisted_high], alone)
    numbers = np.array([*alone, *assisted, np.where(helps, weight, 0.0), ratio, prompts / ratio**2])
    why_alone = np.where(helps, "", np.where(why != "", why, np.where(inside, NOT_SHORTER, OFF_SCALE)))
    return [AssistedMean._make([*each, why]) for each, why in zip(numbers.T.tolist(), why_alone.tolist(), strict=True)]


def weighted_mean(people: np.ndarray, judged: np.ndarray, others: np.ndarray, weight: float) -> float:
    """The PPI++ estimate with a weight from elsewhere; arguments as in `assisted_mean`, without NaN."""
    return float((people - weight * (judged - others.mean())).mean())


def cross_fitted_weights(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(rated prompts,): for each the PPI++ weight without it, shrunk by how well it is known, in [0, 1].

    The factor is 1 - 1 / t², at least 0, with t the slope of ratings on scores in units of its standard error: 0 for a
    slope within its error, about 1 for a judge that is clearly good.

    Args:
        people, judged, others: As in `assisted_mean`. Prompts without a score do not count; their own weight has no
            meaning.
    """
    weights, scores, ratings, products = _without_each(people, judged, others)
    explained = np.divide(products**2, scores, out=np.zeros_like(scores), where=scores > 0)
    unexplained = np.maximum(ratings - explained, 0) / np.maximum((~np.isnan(judged)).sum(axis=0) - 3, 1)
    known = 1 - np.divide(unexplained, explained, out=np.ones_like(scores), where=explained > 0)
    return np.clip(weights, 0, 1) * np.maximum(known, 0)


def tuned_weights(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(rated prompts,): for each the PPI++ weight of the data without it, at least 0.

    Formula: cov(rating, score) / ((1 + n / N) * var(score)), the variance over all prompts. Source: arXiv 2311.01453,
    section 6.

    Args:
        people, judged, others: As in `cross_fitted_weights`.
    """
    return np.maximum(_without_each(people, judged, others)[0], 0)


def _why_alone(judged: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(columns,), why too few prompts have what a weight needs; empty if they have it."""
    too_few = (~np.isnan(judged)).sum(axis=0) < FEWEST
    few_others = (~np.isnan(others)).sum(axis=0) < 2
    reasons = [
        TOO_FEW if len(judged) < FEWEST else TOO_FEW_SCORED,
        FEW_OTHERS if len(others) < 2 else FEW_OTHERS_SCORED,
    ]
    return np.select([too_few, few_others], reasons, "")


def _without_each(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, ...]:
    """Weight, and sums of squares of scores, of ratings and of their products, without each rated prompt.

    Over the prompts with a score; where these are too few (`_why_alone`), the numbers have no meaning.
    """
    scored, scored_others = ~np.isnan(judged), ~np.isnan(others)
    count, other = (np.maximum(each.sum(axis=0), 2) for each in (scored, scored_others))
    total = count + other
    rating, score = (np.where(scored, each - _mean(each, scored), 0.0) for each in (people, judged))
    factor = count / (count - 1)
    scores, ratings, products = (
        (one * two).sum(axis=0) - factor * one * two for one, two in ((score, score), (rating, rating), (rating, score))
    )
    known = np.concatenate([scored, scored_others])
    every = np.where(known, np.concatenate([judged, others]), 0.0)
    mean = _mean(every, known)
    square = (judged - mean) ** 2
    variance = (np.where(known, (every - mean) ** 2, 0.0).sum(axis=0) - total / (total - 1) * square) / (total - 2)
    scores, ratings, variance = (
        np.where(each > 1e-12 * scale, each, 0.0)  # up to rounding
        for each, scale in (
            (scores, np.where(scored, judged**2, 0.0).sum(axis=0)),
            (ratings, np.where(scored, people**2, 0.0).sum(axis=0)),
            (variance, (every**2).sum(axis=0) / total),
        )
    )
    covariance = products / (count - 1)
    needed = (1 + (count - 1) / other) * variance
    return np.divide(covariance, needed, out=np.zeros_like(needed), where=needed > 0), scores, ratings, products


def _on_scale_of(people: np.ndarray, judged: np.ndarray, others: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The judge's scores around their mean, with the ratings' standard deviation; NaN for a missing one."""
    every = np.concatenate([judged, others])
    known = ~np.isnan(every)
    centred = every - _mean(every, known)
    spread = np.sqrt(_mean(centred**2, known))
    varied = spread > 1e-12 * np.abs(np.nan_to_num(every)).max(axis=0)
    every = centred * np.divide(people.std(axis=0), spread, out=np.zeros_like(spread), where=varied)
    return every[: len(judged)], every[len(judged) :]


def _mean(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """(columns,), means of the known values; 0 where none is."""
    return np.where(known, values, 0.0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)


def _intervals(values: np.ndarray, bounds: np.ndarray, paired: bool) -> np.ndarray:
    """(2, columns), 95 % intervals of means; that of equal values without bounds is the value itself."""
    ends = np.array(mean_intervals(values, bounds, paired=paired))
    if len(values) > 1:
        known = values[(~np.isnan(values)).argmax(axis=0), np.arange(values.shape[1])]
        ends = np.where(np.isnan(ends) & np.isinf(bounds), known, ends)
    return ends
