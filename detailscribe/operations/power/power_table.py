"""Table of planned comparisons: power now, smallest difference, prompts, repeats, people, dollars and hours needed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from detailscribe.operations.power.comparisons import ASSISTED, HUMAN, MARKS_WIDTH, MEANS, PAIRS, PILOT, Comparison
from detailscribe.operations.power.paired_power import (
    detectable,
    family_level,
    permutation_level,
    power_at,
    prompts_needed,
    smallest_count,
)

COLUMNS = [
    *("scenario", "design", "metric", "judge", "method", "selection", "baseline", "source"),
    *("difference", "observed", "sd", "draws", "raters", "n", "power_now", "detectable_now"),
    *("scenario_prompts", "power_scenario", "prompts", "prompts_low95", "prompts_high95", "human_prompts"),
    *("family", "level", "usd", "hours", "note"),
]
OWN = "own"  # whether a row has the repeats of the data; in no file
FEW = 20  # prompts of a pilot, below which its spread is only a rough one
DEFAULTS = {
    **{"difference": 0.2, "power": 0.8, "family": 0, "others": "none", "source": "auto"},
    **{"prompts": [25, 50, 100, 200, 600, 1000], "draws": [1, 3], "raters": [1, 2, 4], "correlation": 0.5},
    **{"rating_s": 20, "rater_usd_per_hour": 0},
}
UsdOf = Callable[[Comparison, float], float | None]  # dollars per prompt, by comparison and repeats
HoursOf = Callable[[Comparison, float], float]  # hours of people per rated prompt


@dataclass(frozen=True)
class Goal:
    """What is to be found, and how.

    Attributes:
        settings: The config's `power`, complete.
        statistics: The config's: `test` and `permutations`.
        prompts_of: Prompts of each scenario, as far as known.
        published: Published differences by metric, used where the settings name none.
    """

    settings: Mapping
    statistics: Mapping
    prompts_of: Mapping[str, int]
    published: Mapping[str, float]

    def is_tested(self, comparison: Comparison, test: str) -> bool:
        """Whether the tables use a test, permutation or wilcoxon: pairs by the first; people's marks by none."""
        if comparison.design == PAIRS:
            return test == "permutation"
        return comparison.metric != HUMAN and self.statistics["test"] == test

    def level(self, comparison: Comparison) -> tuple[int, float]:
        """Number of comparisons, and the level of the single test under Holm's correction for them.

        It is that of random sign patterns. Up to `significance.EXACT_UP_TO` prompts, where all patterns are tried, the
        test has the whole level, and the plan is on the safe side.
        """
        family = self.settings["family"] or max(comparison.family, 1)
        level = family_level(family, self.settings["power"], self.settings["others"])
        if self.is_tested(comparison, "permutation"):
            level = permutation_level(level, self.statistics["permutations"])
        return family, level

    def difference(self, comparison: Comparison) -> tuple[float | None, str]:
        """The difference that is to be found, and where it comes from if nobody named it; None if there is none."""
        wanted = self.settings["difference"]
        if isinstance(wanted, Mapping):
            for name in (f"{comparison.design}-{comparison.metric}", comparison.metric, comparison.design):
                if name in wanted:
                    return abs(float(wanted[name])), ""
            wanted = wanted.get("marks", DEFAULTS["difference"])
        is_mark = comparison.design != MEANS or comparison.metric == HUMAN or comparison.metric.startswith("judge-")
        if is_mark:
            return abs(float(wanted)) * (comparison.width or MARKS_WIDTH) / MARKS_WIDTH, ""
        if self.published.get(comparison.metric):
            return abs(self.published[comparison.metric]), "difference: the paper's, of DetailScribe"
        if comparison.observed:
            return abs(comparison.observed), "difference: the observed one"
        return None, f"no difference: set power: difference: {{{comparison.metric}: VALUE}}"


def power_rows(comparisons: Sequence[Comparison], goal: Goal, usd_of: UsdOf, hours_of: HoursOf) -> list[dict]:
    """Rows with COLUMNS and `detectable_{n}` for each number of `prompts`; None for what is not known.

    Args:
        comparisons: Of all designs.
        goal: What is to be found.
        usd_of: Prices of a prompt.
        hours_of: Time of people for a prompt.
    """
    rows = []
    for each in comparisons:
        for repeats in repeats_of(each, goal.settings):
            rows.append(_row(each, repeats, goal, usd_of, hours_of))
    return rows


def repeats_of(comparison: Comparison, settings: Mapping) -> list[float]:
    """Draws, orders or raters to plan for: those of the data, and the configured ones if their effect is known."""
    spread = comparison.spread
    if spread.within is None:
        return [spread.repeats]
    others = (
        settings["raters"] if comparison.metric == HUMAN else [] if comparison.design == PAIRS else settings["draws"]
    )
    known = [spread.repeats] if comparison.source == PILOT or not others else []
    return sorted({*known, *map(float, others)})


def judged_prompts(comparison: Comparison, repeats: float, goal: Goal) -> int:
    """Prompts that the judge of an assisted comparison marks; 0 for another design.

    The scenario's prompts if people need to rate at most these, otherwise the most that the settings list.
    """
    if comparison.design != ASSISTED:
        return 0
    difference, level = goal.difference(comparison)[0], goal.level(comparison)[1]
    available = goal.prompts_of.get(comparison.scenario)
    if available and difference:
        variance = partial(comparison.spread.of_mean, repeats=repeats, judged=available)
        if prompts_needed(difference, variance, level, goal.settings["power"], at_most=available):
            return available
    return max(available or 0, *goal.settings["prompts"])


def _row(comparison: Comparison, repeats: float, goal: Goal, usd_of: UsdOf, hours_of: HoursOf) -> dict:
    settings, spread = goal.settings, comparison.spread
    family, level = goal.level(comparison)
    difference, note = goal.difference(comparison)
    available = goal.prompts_of.get(comparison.scenario)
    judged = judged_prompts(comparison, repeats, goal)
    ranks = goal.is_tested(comparison, "wilcoxon")
    variance = partial(spread.of_mean, repeats=repeats, judged=judged)
    notes = [comparison.note, note]
    people = comparison.metric == HUMAN
    row: dict = dict.fromkeys(COLUMNS) | {
        "scenario": comparison.scenario,
        "design": comparison.design,
        "metric": comparison.metric,
        "judge": comparison.judge,
        "method": comparison.method,
        "selection": comparison.selection,
        "baseline": comparison.baseline,
        "source": comparison.source,
        "difference": difference,
        "observed": comparison.observed,
        "sd": spread.total(repeats) ** 0.5,
        "draws": None if people else _whole(repeats),
        "raters": _whole(repeats) if people else None,
        "n": spread.prompts or None,
        "scenario_prompts": available,
        "family": family,
        "level": level,
    }
    row |= {f"detectable_{count}": None for count in settings["prompts"]}
    row[OWN] = repeats == spread.repeats or comparison.source != PILOT
    if level <= 0:
        return row | {"note": _joined([*notes, "too few permutations for so many comparisons"])}
    if spread.total(repeats) <= 0:
        return row | {"note": _joined([*notes, "all differences are equal: no spread to plan from"])}
    wanted = settings["power"]
    smallest = partial(detectable, variance, level=level, power=wanted, ranks=ranks)
    row |= {
        f"detectable_{count}": _number(smallest(count))
        for count in settings["prompts"]
        if not judged or count <= judged
    }
    if spread.prompts:
        row["detectable_now"] = _number(smallest(spread.prompts))
    if difference:
        chance = partial(power_at, difference, variance, level=level, ranks=ranks)
        row["power_now"] = chance(spread.prompts) if spread.prompts else None
        row["power_scenario"] = chance(available) if available else None
        counts = [
            prompts_needed(difference, partial(_scaled, variance, ratio), level, wanted, ranks)
            for ratio in (1.0, *spread.ratio)
            if ratio == ratio
        ]
        needed = counts[0]
        if needed is None:
            notes.append("no number of prompts is enough")
        elif judged and needed > judged:
            notes.append(f"{judged} prompts are too few even if people rate all of them")
        total = max(judged, needed) if needed and judged else needed
        if total and available and total > available:
            notes.append(f"the scenario has {available} prompts")
        row |= {"prompts": total, "human_prompts": needed if people else None}
        if len(counts) == 3:
            row |= {"prompts_low95": counts[1], "prompts_high95": counts[2]}
        if total and needed:
            usd = usd_of(comparison, repeats)
            row["hours"] = needed * hours_of(comparison, repeats) if people else None
            pay = (row["hours"] or 0.0) * settings["rater_usd_per_hour"]
            row["usd"] = None if usd is None else total * usd + pay
            if needed == smallest_count(level):
                notes.append("with fewer, no result can pass this level")
    if 0 < spread.prompts < FEW:
        notes.append(f"from {spread.prompts} prompts only")
    return row | {"note": _joined(notes)}


def _scaled(variance: Callable[[int], float], ratio: float, prompts: int) -> float:
    return variance(prompts) * ratio**2


def _joined(notes: Sequence[str]) -> str:
    return "; ".join(filter(None, notes))


def _whole(value: float) -> float | int:
    return int(value) if value == int(value) else value


def _number(value: float) -> float | None:
    return None if value != value else value
