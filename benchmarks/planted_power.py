"""Validation of `snakemake power`: planned sizes from simulated pilots, and the power that real tests then reach.

For each kind of score, pilots of PILOT prompts are drawn, the table of `snakemake power` plans a study for 80 % power,
and studies of that size go through the tests of the tables and Holm's correction. Reached is the share of studies that
find the planted difference. The other comparisons of the family are planted without a difference (`none`) or with the
same one (`same`). The last line is JSON.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from multiprocessing import Pool

import numpy as np
from planted_honest import planned_and_found
from planted_scores import CUTS, like_blip_vqa, marks, normal, skewed, yes_or_no
from scipy import stats

from detailscribe.operations.power.comparisons import ASSISTED, HUMAN, MEANS, PILOT, Comparison, compare_pairs
from detailscribe.operations.power.power_table import DEFAULTS, Goal, power_rows
from detailscribe.operations.power.spreads import Spread, explained_variance, spread_of_repeats, spread_of_selection
from detailscribe.tables.judging.prediction_powered import assisted_mean
from detailscribe.tables.significance import holm, sign_flip_p, wilcoxon_p

PILOT_PROMPTS, PILOTS, STUDIES = 200, 16, 60  # studies per pilot
WANTED, ALPHA = 0.8, 0.05
POPULATION = 200_000
PERMUTATIONS = 5000
JUDGED = 1000  # prompts that the judge of an assisted study marks


@dataclass(frozen=True)
class Case:
    """One kind of score and way to plan.

    Attributes:
        name: In the results.
        draw: Differences (prompts, family, repeats) for planted shifts.
        shift: Of the first comparison, on the scale of `draw`.
        family: Comparisons.
        others: none or same (`power: others`).
        test: permutation or wilcoxon.
        pilot_repeats, repeats: Draws of the judge in the pilot and in the planned study.
    """

    name: str
    draw: Callable
    shift: float
    family: int = 1
    others: str = "none"
    test: str = "permutation"
    pilot_repeats: int = 1
    repeats: int = 1

    def shifts(self) -> np.ndarray:
        """Planted shifts of the family."""
        return np.array([self.shift, *[self.shift if self.others == "same" else 0.0] * (self.family - 1)])


CASES = [
    Case("normal", normal, 0.2),
    Case("normal, large difference", normal, 1.0, 3),
    Case("normal", normal, 0.25, 5),
    Case("normal", normal, 0.25, 28),
    Case("normal", normal, 0.25, 5, "same"),
    Case("normal", normal, 0.25, 28, "same"),
    Case("skewed", skewed, 0.3, 5),
    Case("marks", marks, 0.3, 5),
    Case("marks, 3 draws from a pilot of 2", marks, 0.3, 5, pilot_repeats=2, repeats=3),
    Case("0/1", yes_or_no, 0.3, 5),
    Case("like BLIP-VQA", like_blip_vqa, 0.4, 5),
    Case("normal", normal, 0.25, 5, test="wilcoxon"),
    Case("marks", marks, 0.3, 5, test="wilcoxon"),
]


def planned(comparison: Comparison, difference: float, case: Case, repeats: int, prompts: int = 0) -> dict:
    """The row of `snakemake power` for a comparison of a pilot, with a number of repeats."""
    numbers = {"draws": [repeats], "raters": [repeats], "difference": {comparison.metric: difference}}
    settings = DEFAULTS | numbers | {"family": case.family, "others": case.others, "power": WANTED}
    goal = Goal(settings, {"test": case.test, "permutations": PERMUTATIONS}, {"study": prompts} if prompts else {}, {})
    rows = power_rows([comparison], goal, lambda *_: 0.0, lambda *_: 0.0)
    column = "raters" if comparison.metric == HUMAN else "draws"
    return min(rows, key=lambda row: abs(row[column] - repeats))


def of_pilot(metric: str, spread: Spread | None, design: str = MEANS, judge: str = "") -> Comparison:
    """A comparison of a pilot."""
    assert spread is not None
    return Comparison("study", design, metric, "ours", "sd", PILOT, spread, None, 1, judge)


def found_first(p: np.ndarray, means: np.ndarray) -> bool:
    """Whether the first comparison is significant after Holm's correction, in the planted direction."""
    return bool(holm(p)[0] < ALPHA and means[0] > 0)


def means_of(task: tuple[Case, int]) -> tuple[int, float]:
    """Planned prompts and reached power of one pilot of a case."""
    case, number = task
    generator = np.random.default_rng([7, number, *case.name.encode(), case.family])
    shifts = case.shifts()
    truth = case.draw(np.random.default_rng(8), shifts[:1], POPULATION, 1).mean()
    spread = spread_of_repeats(case.draw(generator, shifts, PILOT_PROMPTS, case.pilot_repeats)[:, 0])[1]
    prompts = planned(of_pilot("judge-main", spread), truth, case, case.repeats)["prompts"]
    found = 0
    for study in range(STUDIES):
        differences = case.draw(generator, shifts, prompts, case.repeats).mean(axis=2)
        is_rank = case.test == "wilcoxon"
        p = wilcoxon_p(differences) if is_rank else sign_flip_p(differences, PERMUTATIONS, study)
        found += found_first(p, differences.mean(axis=0))
    return prompts, found / STUDIES


def oracle_of(task: tuple[Case, int]) -> tuple[int, float]:
    """As `means_of`, of a method that is the best of four candidates by a judge's mean of repeats."""
    case, number = task
    generator = np.random.default_rng([9, number])

    def scores(prompts: int, repeats: int, generator: np.random.Generator) -> np.ndarray:
        """(prompts, baseline and four candidates, repeats)."""
        quality = generator.normal(0, 0.8, (prompts, 1, 1)) + generator.normal(0, 0.5, (prompts, 5, 1))
        quality = quality + np.array([0.0, *[case.shift] * 4])[:, None]
        return 1.0 + np.searchsorted(CUTS, quality + generator.normal(0, 0.6, (prompts, 5, repeats)))

    def differences(values: np.ndarray) -> np.ndarray:
        return values[:, 1:].max(axis=1) - values[:, 0]

    truth = differences(scores(POPULATION, case.repeats, np.random.default_rng(8)).mean(axis=2)).mean()
    pilot = scores(PILOT_PROMPTS, case.pilot_repeats, generator)
    spread = spread_of_selection(differences(pilot.mean(axis=2)), differences(pilot))
    prompts = planned(of_pilot("judge-main", spread), truth, case, case.repeats)["prompts"]
    found = 0
    for study in range(STUDIES):
        values = differences(scores(prompts, case.repeats, generator).mean(axis=2))[:, None]
        found += found_first(sign_flip_p(values, PERMUTATIONS, study), values.mean(axis=0))
    return prompts, found / STUDIES


def choices(generator: np.random.Generator, shifts: np.ndarray, prompts: int, bias: float) -> list[dict]:
    """Rows of a judge of pairs: forced choice with ties, in both orders, with a bias for the image shown first."""
    gain = shifts + generator.normal(0, 0.6, (prompts, len(shifts)))
    rows = []
    for sign in (1, -1):
        seen = sign * gain + bias + generator.normal(0, 0.5, gain.shape)
        values = np.where(np.abs(seen) < 0.3, 0.0, np.sign(seen))
        for (prompt, method), value in np.ndenumerate(values):
            first, second = (f"m{method}", "sd")[::sign]
            rows.append({"id": f"p{prompt}", "first": first, "second": second, "value": float(value)})
    return rows


def pairs_of(task: tuple[Case, int]) -> tuple[int, float]:
    """As `means_of`, for pairs: net preference per prompt over both orders."""
    case, number = task
    generator, shifts = np.random.default_rng([10, number, case.family]), case.shifts()

    def by_prompt(rows: list[dict]) -> np.ndarray:
        table: dict[tuple[str, str], list[float]] = {}
        for row in rows:
            sign, method = (1, row["first"]) if row["second"] == "sd" else (-1, row["second"])
            table.setdefault((row["id"], method), []).append(sign * row["value"])
        return np.array([np.mean(values) for values in table.values()]).reshape(-1, len(shifts))

    truth = by_prompt(choices(np.random.default_rng(8), shifts[:1], 40_000, 0.1)).mean()
    comparison = compare_pairs("study", choices(generator, shifts, PILOT_PROMPTS, 0.1), "sd", "judge")[0]
    prompts = planned(comparison, truth, case, 2)["prompts"]
    found = 0
    for study in range(STUDIES):
        values = by_prompt(choices(generator, shifts, prompts, 0.1))
        found += found_first(sign_flip_p(values, PERMUTATIONS, study), values.mean(axis=0))
    return prompts, found / STUDIES


def people_and_judge(
    generator: np.random.Generator, shifts: np.ndarray, prompts: int, raters: int
) -> tuple[np.ndarray, np.ndarray]:
    """Differences of people's marks (prompts, family, raters), and of a judge's (prompts, family)."""
    true = shifts + generator.normal(0, 0.9, (prompts, len(shifts)))
    people = true[..., None] + generator.normal(0, 0.9, (*true.shape, raters))
    return people, true + generator.normal(0, 0.45, true.shape)


def assisted_of(task: tuple[Case, int]) -> tuple[int, float]:
    """As `means_of`, for people assisted by a judge: prompts that people rate, among JUDGED of the judge.

    Alone, a difference is found if its 95 % interval excludes 0. In a family, p follows from the interval's arm towards
    0, as that of a normal estimate.
    """
    case, number = task
    generator, shifts = np.random.default_rng([11, number, case.family]), case.shifts()
    people, judge = people_and_judge(generator, shifts, PILOT_PROMPTS, case.pilot_repeats)
    means, spread = spread_of_repeats(people[:, 0])
    assert spread is not None
    explained = min(explained_variance(means, judge[:, 0]), spread.between)
    comparison = of_pilot(HUMAN, replace(spread, explained=explained), ASSISTED, "judge-main")
    rated = planned(comparison, case.shift, case, case.repeats, JUDGED)["human_prompts"]
    found = 0
    for _ in range(STUDIES):
        people, judge = people_and_judge(generator, shifts, JUDGED, case.repeats)
        marked = people[:rated].mean(axis=2)
        p, estimates = [], []
        for column in range(case.family):
            result = assisted_mean(marked[:, column], judge[:rated, column], judge[rated:, column], (-4.0, 4.0), True)
            end = result.assisted_low95 if result.assisted > 0 else result.assisted_high95
            error = abs(result.assisted - end) / stats.norm.isf(ALPHA / 2)
            p.append(2 * stats.norm.sf(abs(result.assisted) / error))
            estimates.append(result.assisted)
        found += found_first(np.array(p), np.array(estimates))
    return rated, found / STUDIES


def honest_of(task: tuple[Case, int]) -> tuple[int, float]:
    """As `means_of`, of the honest row below an oracle cell, through the whole main table and its families."""
    case, number = task
    settings = {"others": case.others, "power": WANTED}
    generator = np.random.default_rng([13, number])
    return planned_and_found(generator, case.shift, PILOT_PROMPTS, STUDIES, settings, PERMUTATIONS)


OTHER_CASES: list[tuple[Callable, Case]] = [
    (oracle_of, Case("marks, best of four, 4 draws from a pilot of 2", marks, -0.3, 1, pilot_repeats=2, repeats=4)),
    (honest_of, Case("marks, honest row below an oracle", marks, 0.1, 8)),
    (pairs_of, Case("pairs with ties, bias of position", marks, 0.12, 1)),
    (pairs_of, Case("pairs with ties, bias of position", marks, 0.15, 5)),
    (assisted_of, Case("assisted, 1 rater from a pilot of 2", marks, 0.3, 1, pilot_repeats=2, repeats=1)),
    (assisted_of, Case("assisted, 3 raters from a pilot of 2", marks, 0.3, 1, pilot_repeats=2, repeats=3)),
    (assisted_of, Case("assisted, 1 rater from a pilot of 2", marks, 0.3, 5, pilot_repeats=2, repeats=1)),
]


def run(pool) -> list[dict]:
    """Measure all cases, print them as a table, and return its rows.

    Args:
        pool: A multiprocessing pool.
    """
    rows = []
    print(f"{'case':52}{'test':13}{'family':>7}{'others':>8}{'prompts':>14}{'reached':>9}   +-")
    for function, case in [*((means_of, case) for case in CASES), *OTHER_CASES]:
        results = pool.map(function, [(case, number) for number in range(PILOTS)], chunksize=1)
        prompts, powers = (np.array(column) for column in zip(*results, strict=True))
        reached, error = float(powers.mean()), float(powers.std(ddof=1) / np.sqrt(PILOTS))
        span = f"{prompts.min()} - {prompts.max()}"
        print(
            f"{case.name:46}{case.test:13}{case.family:7}{case.others:>8}{span:>14}{reached:9.3f}{error:7.3f}",
            flush=True,
        )
        rows.append(
            {
                "case": case.name,
                "test": case.test,
                "family": case.family,
                "others": case.others,
                "prompts": [int(prompts.min()), int(prompts.max())],
                "reached": round(reached, 4),
                "se": round(error, 4),
            }
        )
    return rows


def main() -> None:
    """Run alone; the last line is JSON."""
    start = time.monotonic()
    with Pool(int(os.environ.get("BENCH_PROCESSES", 0)) or None) as pool:
        rows = run(pool)
    powers = [row["reached"] for row in rows]
    print(
        json.dumps(
            {
                "lowest_reached": min(powers),
                "highest_reached": max(powers),
                "wanted": WANTED,
                "studies": PILOTS * STUDIES,
                "cases": rows,
                "seconds": round(time.monotonic() - start),
            }
        )
    )


if __name__ == "__main__":
    main()
