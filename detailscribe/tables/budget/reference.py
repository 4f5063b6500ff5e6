"""Best of N as the reference of costs: what the study's own seeds reach at the steps or seconds of a method.

N runs over the first seeds in the order of the config, and `seed_selector` selects, as in the rows sd, multi_seed and
equal_compute_seeds. Between two N the score is linear in the cost, as if one of the two were chosen at random.
Within TOLERANCE below one seed and beyond the last, these stand in; farther out there is no reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detailscribe.tables.selection import select_scores

if TYPE_CHECKING:
    from detailscribe.tables.score_table import ScoreTable

TOLERANCE = 0.02  # of a cost: seconds of scoring are more or fewer with another selector
SAME = 1e-6  # costs within this share are equal: tables have six decimals


@dataclass(frozen=True)
class Reference:
    """The best of 1, 2, ... of the seeds.

    Attributes:
        image_sets: Of the seeds, in their order.
        selector: Metric that selects.
        costs: By kind (steps, seconds), (N,); NaN for unknown.
    """

    image_sets: list[str]
    selector: str
    costs: dict[str, np.ndarray]

    def has(self, candidates: list[str], selection: str) -> bool:
        """Whether a method that selects so among these image sets is the best of some N."""
        same = candidates == self.image_sets[: len(candidates)]
        return same and selection == (f"by:{self.selector}" if len(candidates) > 1 else "single")

    def scores(self, scores: ScoreTable, metric: str) -> np.ndarray:
        """(prompts, N), scores under a metric of the image that is selected among the first N; NaN for no score."""
        columns = []
        for count in range(1, len(self.image_sets) + 1):
            names = self.image_sets[:count]
            arrays = {each: scores.array(each, names) for each in (metric, self.selector)}
            selection = f"by:{self.selector}" if count > 1 else "single"
            columns.append(select_scores(arrays[metric], selection, names, arrays))
        return np.array(columns).T

    def weights(self, kind: str, cost: float) -> tuple[np.ndarray | None, str]:
        """How much each N counts in the reference at a cost, (N,), or None; and why none, or how far off the cost is.

        Args:
            kind: steps or seconds.
            cost: Of a method, per prompt; NaN for unknown.
        """
        costs = np.maximum.accumulate(self.costs[kind])
        if np.isnan(cost) or np.isnan(costs).any():
            return None, f"{kind} not known"
        few, many = f"fewer {kind} than one seed", f"more {kind} than all {len(costs)} seeds"
        if cost < costs[0] * (1 - TOLERANCE):
            return None, few
        if cost > costs[-1] * (1 + TOLERANCE):
            return None, many
        note = ""
        if cost < costs[0] * (1 - SAME):
            note = f"{1 - cost / costs[0]:.1%} {few}, and compared with it".replace("%", " %")
        if cost > costs[-1] * (1 + SAME):
            note = f"{cost / costs[-1] - 1:.1%} {many}, and compared with these".replace("%", " %")
        position = float(np.interp(cost, costs, np.arange(len(costs))))
        nearest = round(position)
        if abs(costs[nearest] - cost) <= SAME * cost:
            position = float(nearest)
        weights = np.zeros(len(costs))
        low = int(position)
        weights[low] = 1 - (position - low)
        if position > low:
            weights[low + 1] = position - low
        return weights, note
