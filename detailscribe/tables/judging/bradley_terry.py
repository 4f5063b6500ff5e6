"""Bradley-Terry strengths of methods from choices between two of them, with a term for the position of an image.

The first image shown wins with probability 1 / (1 + exp(-(strength of its method - strength of the other + position))).
A tie counts as half a win for both, so that the fitted probability is the expected share of a comparison. The position
term is the judge's preference for what it sees first: it cancels also where not both orders of a pair were answered.

Estimates are penalised by Jeffreys' prior, which removes most of the bias of few comparisons and gives a finite value to
a method that always wins. Intervals come from jackknife pseudo-values of the win probability, one per prompt, so all
answers about a prompt count together, however they depend on each other.

Sources: Bradley and Terry 1952, Rank analysis of incomplete block designs, Biometrika 39, 324-345; position: Davidson and
Beaver 1977, On extending the Bradley-Terry model to incorporate within-pair order effects, Biometrics 33, 693-702; ties
as halves, a quasi-likelihood: Papke and Wooldridge 1996, Econometric methods for fractional response variables, Journal of
Applied Econometrics 11, 619-632; penalty: Firth 1993, Bias reduction of maximum likelihood estimates, Biometrika 80, 27-38.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np

from detailscribe.tables.intervals import jackknife_interval

STEPS = 200  # of Newton's method, at most; a dozen are usual
LONGEST_STEP = 2.0  # log odds
PRECISION = 1e-12  # log odds
SINGULAR = 1e-9  # smallest eigenvalue of a design that decides every parameter, relative to its largest
CHUNK = 2048  # fits held in memory at once


@dataclass(frozen=True)
class Comparisons:
    """Choices between methods, gathered by prompt.

    Attributes:
        methods: Names.
        counts: (prompts, ordered pairs of methods as `permutations`), answers with that method shown first.
        wins: The same shape: of these, won by the method shown first; a tie is half a win.
    """

    methods: tuple[str, ...]
    counts: np.ndarray
    wins: np.ndarray

    @property
    def design(self) -> np.ndarray:
        """(ordered pairs, methods + 1): 1 for the method shown first, -1 for the other, and 1 for the position."""
        count = len(self.methods)
        orders = np.array(list(permutations(range(count), 2)), dtype=int).reshape(-1, 2)
        signs = np.eye(count)
        return np.hstack([signs[orders[:, 0]] - signs[orders[:, 1]], np.ones((len(orders), 1))])


@dataclass(frozen=True)
class Strength:
    """A method beside the reference.

    Attributes:
        strength: Log odds to win against the reference, wherever it is shown; NaN for none.
        low, high: Ends of the 95 % interval, NaN for unbounded or none.
        probability, probability_low, probability_high: The same as probabilities, in [0, 1].
        note: Why a value is missing or has no limit.
    """

    strength: float
    low: float
    high: float
    probability: float
    probability_low: float
    probability_high: float
    note: str = ""


def gather(methods: Sequence[str], answers: Sequence[tuple[str, str, str, float]]) -> Comparisons:
    """Answers as arrays.

    Args:
        methods: Names.
        answers: Prompt, method shown first, method shown second, and share of the first: 1, 0.5 or 0.
    """
    prompts = {id: row for row, id in enumerate(dict.fromkeys(answer[0] for answer in answers))}
    cells = {pair: column for column, pair in enumerate(permutations(methods, 2))}
    counts, wins = np.zeros((2, len(prompts), len(cells)))
    for id, first, second, share in answers:
        counts[prompts[id], cells[first, second]] += 1
        wins[prompts[id], cells[first, second]] += share
    return Comparisons(tuple(methods), counts, wins)


def fit(design: np.ndarray, counts: np.ndarray, wins: np.ndarray, penalised: bool = True) -> np.ndarray:
    """Parameters of logistic regressions of one design.

    Args:
        design: (cells, parameters).
        counts, wins: (fits, cells).
        penalised: By Jeffreys' prior; otherwise by maximum likelihood, which need not be finite.

    Returns:
        (fits, parameters); NaN where the comparisons do not decide them.
    """
    found = np.full((len(counts), design.shape[1]), np.nan)
    information = np.einsum("fc,cp,cq->fpq", counts, design, design)
    values = np.linalg.eigvalsh(information)
    active = np.flatnonzero(values[:, 0] > SINGULAR * np.maximum(values[:, -1], SINGULAR))
    found[active] = 0
    for _ in range(STEPS):
        if not len(active):
            break
        chance = 1 / (1 + np.exp(-found[active] @ design.T))
        weights = counts[active] * chance * (1 - chance)
        information = np.einsum("fc,cp,cq->fpq", weights, design, design)
        inverse = np.linalg.pinv(information, hermitian=True)
        residuals = wins[active] - counts[active] * chance
        if penalised:
            leverage = weights * np.einsum("cp,fpq,cq->fc", design, inverse, design)
            residuals = residuals + leverage * (0.5 - chance)
        steps = np.einsum("fpq,fq->fp", inverse, residuals @ design)
        longest = np.abs(steps).max(axis=1, keepdims=True)
        found[active] += steps * np.minimum(1, LONGEST_STEP / np.maximum(longest, LONGEST_STEP))
        active = active[longest[:, 0] > PRECISION]
    return found


def strengths(comparisons: Comparisons, reference: str) -> dict[str, Strength]:
    """The strength of every method against a reference, whose own is 0.

    A method that no chain of comparisons leads to from the reference has no strength. One that never lost, or no method
    between them did, has no upper limit; one that never won has no lower one.

    Args:
        comparisons: Of one judge.
        reference: One of the methods.
    """
    methods, design = comparisons.methods, comparisons.design
    counts, wins = comparisons.counts, comparisons.wins
    total, won = counts.sum(axis=0), wins.sum(axis=0)
    size = len(methods)
    compared, scored = np.zeros((2, size, size), dtype=bool)
    for cell, (first, second) in enumerate(permutations(range(size), 2)):
        compared[first, second] |= total[cell] > 0
        compared[second, first] |= total[cell] > 0
        scored[first, second] |= won[cell] > 0
        scored[second, first] |= total[cell] > won[cell]
    if won.sum() in (0, total.sum()):
        note = "every answer prefers the same place" if total.any() else "there are no answers"
        return dict.fromkeys(methods, Strength(*[np.nan] * 6, note=note))
    start = methods.index(reference)
    reached = _reachable(compared, start)
    others = [index for index in np.flatnonzero(reached) if index != start]
    found = {reference: Strength(0.0, np.nan, np.nan, 0.5, np.nan, np.nan, "reference")}
    if others:
        cells = np.isin(np.arange(len(design)), _cells_of(methods, reached))
        columns = design[cells][:, [*others, size]]
        estimates = fit(columns, total[None, cells], won[None, cells])[0]
        left_out = _left_out(columns, total[cells], won[cells], counts[:, cells], wins[:, cells])
        above, below = _reachable(scored, start), _reachable(scored.T, start)
        for place, index in enumerate(others):
            limits = bool(above[index]), bool(below[index])
            found[methods[index]] = _strength(estimates[place], left_out[:, place], *limits)
    missing = Strength(*[np.nan] * 6, note=f"no comparison leads to {reference}")
    return {name: found.get(name, missing) for name in methods}


def _left_out(
    design: np.ndarray, total: np.ndarray, won: np.ndarray, counts: np.ndarray, wins: np.ndarray
) -> np.ndarray:
    """(prompts, parameters): the estimates without each prompt."""
    parts = range(0, len(counts), CHUNK)
    fits = [fit(design, total - counts[at : at + CHUNK], won - wins[at : at + CHUNK]) for at in parts]
    return np.concatenate(fits) if fits else np.empty((0, design.shape[1]))


def _strength(estimate: float, left_out: np.ndarray, has_upper: bool, has_lower: bool) -> Strength:
    """A strength with its interval.

    Args:
        left_out: (prompts,), the estimate without each prompt.
        has_upper, has_lower: Whether the comparisons limit it from above and below.
    """
    if np.isnan(estimate):
        note = "the answers do not tell the methods from the position of their images"
        return Strength(*[np.nan] * 6, note=note)
    probability = float(_chance(estimate))
    low, high = jackknife_interval(probability, _chance(left_out), (0, 1))
    notes = [] if has_upper else ["never beaten: no upper limit"]
    notes += [] if has_lower else ["never better: no lower limit"]
    low, high = (low if has_lower else 0.0), (high if has_upper else 1.0)
    with np.errstate(divide="ignore"):
        ends = np.log(low / (1 - low)) if low < 1 else np.inf, np.log(high / (1 - high)) if high < 1 else np.inf
    finite = [float(end) if np.isfinite(end) else np.nan for end in ends]
    return Strength(float(estimate), *finite, probability, low, high, "; ".join(notes))


def _chance(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def _reachable(edges: np.ndarray, start: int) -> np.ndarray:
    """(nodes,), whether a path of edges leads there from a node."""
    reached = np.zeros(len(edges), dtype=bool)
    reached[start] = True
    while (more := reached | edges[reached].any(axis=0)).sum() > reached.sum():
        reached = more
    return reached


def _cells_of(methods: Sequence[str], chosen: np.ndarray) -> list[int]:
    """Ordered pairs of chosen methods alone."""
    pairs = enumerate(permutations(range(len(methods)), 2))
    return [cell for cell, (first, second) in pairs if chosen[first] and chosen[second]]
