"""Bradley-Terry strengths of methods from choices between two of them, with a term for the position of an image.

The first image shown wins with probability 1 / (1 + exp(-(strength of its method - strength of the other + position))).
A tie counts as half a win for both, so that the fitted probability is the expected share of a comparison. The position
term is the judge's preference for what it sees first: it cancels also where not both orders of a pair were answered.

Estimates are penalised by Jeffreys' prior, which removes most of the bias of few comparisons and gives a finite value
to a method that always wins. An interval reaches from the estimate as far as Student's quantile times the jackknife's
standard error, with one prompt left out at a time: all answers about a prompt count together, however they depend on
each other. Where no prompt speaks for a method against the reference, or none against it, that error says nothing of
one that would; the interval then reaches as far as a share of such prompts could that is not too unlikely to be missed.
What hangs on one prompt has no interval; every other method keeps its own.

Sources: Bradley and Terry 1952, Rank analysis of incomplete block designs, Biometrika 39, 324-345; position: Davidson
and Beaver 1977, On extending the Bradley-Terry model to incorporate within-pair order effects, Biometrics 33, 693-702;
ties as halves, a quasi-likelihood: Papke and Wooldridge 1996, Econometric methods for fractional response variables,
Journal of Applied Econometrics 11, 619-632; penalty: Firth 1993, Bias reduction of maximum likelihood estimates,
Biometrika 80, 27-38; jackknife: Tukey 1958, Bias and confidence in not quite large samples, Annals of Mathematical
Statistics 29, 614.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
from scipy import stats

from detailscribe.tables.intervals import LEVEL, jackknife_interval

STEPS = 200  # of Newton's method, at most; a dozen are usual
LONGEST_STEP = 2.0  # log odds
PRECISION = 1e-12  # log odds
SINGULAR = 1e-9  # smallest eigenvalue of a design that decides every parameter, relative to its largest
FREE = 1e-6  # of a parameter in a direction that the comparisons do not decide; below it, the parameter is decided
SEEN = 0.25  # of the effect of a prompt that a method wins: what a prompt must do to speak for the method at all
CHUNK = 2048  # fits held in memory at once
ONE_LINK = "a single prompt links it: no interval"
ONE_POSITION = "a single prompt tells it from the position of its images: no interval"


@dataclass(frozen=True)
class Comparisons:
    """Choices between methods, gathered by prompt.

    Attributes:
        methods: Names.
        counts: (prompts, cells): answers by what was compared. The first cells are the ordered pairs of methods (as
            `permutations` gives them), the method shown first before the other; as many again hold ties of images that
            are the same, which nobody was asked about, so that they say nothing of the position.
        wins: The same shape: of these, won by the first method; a tie is half a win.
    """

    methods: tuple[str, ...]
    counts: np.ndarray
    wins: np.ndarray

    @property
    def design(self) -> np.ndarray:
        """(cells, methods + 1): 1 for the first method, -1 for the other, and 1 for the position if they were shown."""
        first, second = self.cells.T
        signs = np.eye(len(self.methods))
        shown = np.arange(len(first)) < len(first) / 2
        return np.hstack([signs[first] - signs[second], shown[:, None]])

    @property
    def cells(self) -> np.ndarray:
        """(cells, 2), the places of both methods."""
        orders = list(permutations(range(len(self.methods)), 2))
        return np.array(2 * orders, dtype=int).reshape(-1, 2)


@dataclass(frozen=True)
class Strength:
    """A method beside the reference.

    Attributes:
        note: Why a value is missing or has no limit.
        strength: Log odds to win against the reference, wherever it is shown; NaN for none.
        low, high: Ends of the 95 % interval, NaN for unbounded or none.
        probability, probability_low, probability_high: The same as probabilities, in [0, 1].
    """

    note: str = ""
    strength: float = np.nan
    low: float = np.nan
    high: float = np.nan
    probability: float = np.nan
    probability_low: float = np.nan
    probability_high: float = np.nan


def gather(methods: Sequence[str], answers: Sequence[tuple[str, str, str, float | None]]) -> Comparisons:
    """Answers as arrays.

    Args:
        methods: Names.
        answers: Prompt, method shown first, method shown second, and share of the first: 1, 0.5 or 0; None for two
            images that are the same, a tie.
    """
    prompts = {id: row for row, id in enumerate(dict.fromkeys(answer[0] for answer in answers))}
    cells = {pair: column for column, pair in enumerate(permutations(methods, 2))}
    counts, wins = np.zeros((2, len(prompts), 2 * len(cells)))
    for id, first, second, share in answers:
        cell = prompts[id], cells[first, second] + (len(cells) if share is None else 0)
        counts[cell] += 1
        wins[cell] += 0.5 if share is None else share
    return Comparisons(tuple(methods), counts, wins)


def fit(design: np.ndarray, counts: np.ndarray, wins: np.ndarray, penalised: bool = True) -> np.ndarray:
    """Parameters of logistic regressions of one design.

    Args:
        design: (cells, parameters).
        counts, wins: (fits, cells).
        penalised: By Jeffreys' prior; otherwise by maximum likelihood, which need not be finite.

    Returns:
        (fits, parameters); NaN for each parameter that the comparisons of a fit do not decide.
    """
    found = np.full((len(counts), design.shape[1]), np.nan)
    values, directions = np.linalg.eigh(np.einsum("fc,cp,cq->fpq", counts, design, design))
    decided = values > SINGULAR * np.maximum(values[:, -1:], SINGULAR)
    for each in np.flatnonzero(decided.any(axis=1) & ~decided.all(axis=1)):
        basis, free = directions[each][:, decided[each]], directions[each][:, ~decided[each]]
        known = np.abs(free).max(axis=1) < FREE
        if known.any():
            inside = fit(design @ basis, counts[[each]], wins[[each]], penalised)[0]
            found[each, known] = (basis @ inside)[known]
    active = np.flatnonzero(decided.all(axis=1))
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
    between them did, has no upper limit; one that never won has no lower one. One that a single prompt links has no
    interval.

    Args:
        comparisons: Of one judge.
        reference: One of the methods.
    """
    methods, design, cells = comparisons.methods, comparisons.design, comparisons.cells
    counts, wins = comparisons.counts, comparisons.wins
    total, won, start = counts.sum(axis=0), wins.sum(axis=0), methods.index(reference)
    reached = _reachable(_compared(len(methods), cells, total), start)
    others = [index for index in np.flatnonzero(reached) if index != start]
    found = dict.fromkeys(methods, Strength(f"no comparison leads to {reference}"))
    found[reference] = Strength("reference", strength=0.0, probability=0.5)
    if not others:
        return found
    used = reached[cells].all(axis=1)
    asked = used & (design[:, -1] > 0)
    if total[asked].any() and won[asked].sum() in (0, total[asked].sum()):
        same = Strength("every answer prefers the same place")
        return found | {methods[index]: same for index in np.flatnonzero(reached)}
    # Without an answer about two images that were shown there is no position to estimate.
    columns = design[used][:, [*others, *([len(methods)] if total[asked].any() else [])]]
    estimates = fit(columns, total[None, used], won[None, used])[0]
    left_out = _left_out(columns, counts[:, used], wins[:, used])
    scored = np.zeros((len(methods), len(methods)), dtype=bool)
    for (first, second), number, share in zip(cells, total, won, strict=True):
        scored[[first, second], [second, first]] |= share > 0, share < number
    above, below = _reachable(scored, start), _reachable(scored.T, start)
    for place, index in enumerate(others):
        first, second = (asked[used] & (cells[used] == order).all(axis=1) for order in ((index, start), (start, index)))
        more = total[used] + first + second
        unseen = fit(columns, np.stack([more, more]), np.stack([won[used] + first, won[used] + second]))[:, place]
        limits = bool(above[index]), bool(below[index])
        alone = np.flatnonzero(np.isnan(left_out[:, place]))
        linked = (_reachable(_compared(len(methods), cells, total - counts[id]), start)[index] for id in alone)
        note = ONE_POSITION if all(linked) else ONE_LINK
        found[methods[index]] = _strength(estimates[place], left_out[:, place], unseen, *limits, note)
    return found


def _compared(size: int, cells: np.ndarray, total: np.ndarray) -> np.ndarray:
    """(methods, methods), whether any answer compares the two."""
    edges = np.zeros((size, size), dtype=bool)
    first, second = cells[total > 0].T
    edges[first, second] = edges[second, first] = True
    return edges


def _left_out(design: np.ndarray, counts: np.ndarray, wins: np.ndarray) -> np.ndarray:
    """(prompts, parameters): the estimates without each prompt."""
    total, won = counts.sum(axis=0), wins.sum(axis=0)
    parts = range(0, len(counts), CHUNK)
    return np.concatenate([fit(design, total - counts[at : at + CHUNK], won - wins[at : at + CHUNK]) for at in parts])


def _strength(
    estimate: float, left_out: np.ndarray, unseen: np.ndarray, has_upper: bool, has_lower: bool, alone: str
) -> Strength:
    """A strength with its interval.

    Args:
        left_out: (prompts,), the estimate without each prompt.
        unseen: The estimate with another prompt in which the method wins, and with one in which it loses.
        has_upper, has_lower: Whether the comparisons limit it from above and below.
        alone: What to say of an estimate that is undefined without some prompt.
    """
    if np.isnan(estimate):
        return Strength("the answers do not tell the methods from the position of their images")
    probability, prompts = float(_chance(estimate)), len(left_out)
    notes = [] if has_upper else ["never beaten: no upper limit"]
    notes += [] if has_lower else ["never better: no lower limit"]
    if np.isnan(left_out).any():
        return Strength("; ".join([*notes, alone]), float(estimate), probability=probability)
    if notes:
        # Without a limit the standard error says nothing. The interval of the win probability, which is bounded, does.
        low, high = jackknife_interval(probability, _chance(left_out), (0, 1))
        low, high = (low if has_lower else 0.0), (high if has_upper else 1.0)
        ends = [float(np.log(end / (1 - end))) if 0 < end < 1 else np.nan for end in (low, high)]
        return Strength("; ".join(notes), float(estimate), ends[0], ends[1], probability, low, high)
    error = np.sqrt((prompts - 1) / prompts * ((left_out - left_out.mean()) ** 2).sum())
    reach = stats.t.ppf((1 + LEVEL) / 2, prompts - 1) * error
    missed = (1 - ((1 - LEVEL) / 2) ** (1 / prompts)) * (
        prompts + 1
    )  # such prompts in as many that may have been missed
    ends = []
    for sign, another in ((-1, unseen[1]), (1, unseen[0])):
        shift = abs(another - estimate)
        is_seen = (sign * (estimate - left_out)).max() >= SEEN * shift
        ends.append(float(estimate + sign * (reach if is_seen else max(reach, missed * shift))))
    return Strength(
        "", float(estimate), ends[0], ends[1], probability, float(_chance(ends[0])), float(_chance(ends[1]))
    )


def _chance(log_odds):
    return 1 / (1 + np.exp(-log_odds))


def _reachable(edges: np.ndarray, start: int) -> np.ndarray:
    """(nodes,), whether a path of edges leads there from a node."""
    reached = np.zeros(len(edges), dtype=bool)
    reached[start] = True
    while (more := reached | edges[reached].any(axis=0)).sum() > reached.sum():
        reached = more
    return reached
