"""Validation of prediction-powered means on planted people and judges: coverage, width, and false positives.

People rate images from 1 to 5, two raters each; a judge grades the same images with an error of its own, and prefers
one of two methods for no reason. Prompts differ in difficulty. The truth comes from a population of a million prompts.
Every kind of judge helps with the mean of a method and with the difference of two, for few rated prompts of many. Some
judges lack scores: of unrated prompts by chance, or of all prompts, mostly of those with poor images.

    python benchmarks/planted_assisted.py        alone; the last line is JSON
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import json
import time
from multiprocessing import Pool as make_pool
from multiprocessing.pool import Pool
from typing import NamedTuple

import numpy as np
import pandas as pd

from detailscribe.tables.judging.prediction_powered import assisted_means

STUDIES = 2000
NULL_STUDIES, NULL_PROMPTS = 4000, 400
POPULATION = 1_000_000
CUTS = np.array([-1.2, -0.3, 0.5, 1.3])  # between the grades
BETTER = 0.4  # planted quality of the second method above the first
BIAS = 0.5  # by which the judge prefers the images of the second method, without a reason
SHORTER = 0.7  # of the width of people alone: what a good judge must reach
RATED = (25, 50, 100)
SIZES = (200, 1000)  # prompts of the scenario


class Planted(NamedTuple):
    """A kind of people and judge.

    Attributes:
        error: Standard deviation of the judge's error; None for a judge that does not see the images.
        sees: Its share of the images' quality; below 0, it is wrong.
        graded: Whether it gives whole grades instead of their mean under its probabilities.
        ease: Added to the quality of all images: high for ratings near 5.
        unscored_others: Share of the unrated prompts that it has not scored, by chance.
        unscored_poor: Whether it lacks the scores of about half of all prompts, the more likely the worse their images.
    """

    error: float | None
    sees: float = 1.0
    graded: bool = True
    ease: float = 0.0
    unscored_others: float = 0.0
    unscored_poor: bool = False


JUDGES = {
    "good": Planted(0.15, graded=False),
    "good, whole grades": Planted(0.15),
    "fair": Planted(0.8),
    "useless": Planted(None),
    "wrong": Planted(0.5, sees=-1.0),
    "good, ratings near 5": Planted(0.15, graded=False, ease=1.6),
    "good, 80 % of the others unscored": Planted(0.15, graded=False, unscored_others=0.8),
    "good, half unscored, mostly poor images": Planted(0.15, graded=False, unscored_poor=True),
}
ERRORS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0)  # of judges by whose correlation the widths are reported


def grades(quality: np.ndarray) -> np.ndarray:
    """Whole grades from 1 to 5."""
    return 1.0 + (quality[..., None] > CUTS).sum(axis=-1)


def planted(
    generator: np.random.Generator, prompts: int, kind: Planted, better: float
) -> tuple[np.ndarray, np.ndarray]:
    """Mean ratings of people and scores of the judge, (prompts, 2 methods); NaN for no score."""
    difficulty = generator.normal(kind.ease, 0.8, (prompts, 1))
    quality = difficulty + np.array([0, better]) + generator.normal(0, 0.6, (prompts, 2))
    people = np.mean([grades(quality + generator.normal(0, 0.4, quality.shape)) for _ in range(2)], axis=0)
    seen = generator.normal(0, 1, quality.shape) if kind.error is None else kind.sees * quality
    noise = generator.normal(0, kind.error or 0.0, quality.shape)
    judged = seen + noise + np.array([0, BIAS])
    scores = grades(judged) if kind.graded else np.clip(3 + judged / 0.9, 1, 5)
    if kind.unscored_poor:
        scores[generator.random(prompts) < 1 / (1 + np.exp(2 * (quality.mean(axis=1) - kind.ease)))] = np.nan
    return people, scores


def of_methods(people: np.ndarray, judged: np.ndarray) -> dict:
    """What is estimated: people's and the judge's values, (prompts,), with the bounds of the first."""
    both = people[:, 1], judged[:, 1], (1.0, 5.0)
    return {"mean": both, "difference": (people[:, 1] - people[:, 0], judged[:, 1] - judged[:, 0], (-4.0, 4.0))}


def truth(kind: Planted, better: float) -> dict:
    """Of the population: each estimand, and the correlation of people and judge over the prompts with a score."""
    values = of_methods(*planted(np.random.default_rng(1), POPULATION, kind, better))
    found = {}
    for name, (people, judged, _) in values.items():
        scored = ~np.isnan(judged)
        found[name] = float(people.mean()), float(np.corrcoef(people[scored], judged[scored])[0, 1])
    return found


def measured(task: tuple[Planted, float, int, int, int, dict]) -> dict:
    """Shares of studies, medians and extremes, by estimand.

    Args:
        task: Kind, planted difference, rated prompts, prompts, studies, and the truth of the estimands that are wanted.
    """
    kind, better, rated, prompts, studies, true = task
    generator = np.random.default_rng([4, rated, prompts])
    drawn = []
    for _ in range(studies):
        people, judged = planted(generator, prompts, kind, better)
        if kind.unscored_others:
            judged[rated:][generator.random(prompts - rated) < kind.unscored_others] = np.nan
        drawn.append(of_methods(people, judged))
    rows = {}
    for name, (value, correlation) in true.items():
        people, judged = (np.array([study[name][side] for study in drawn]).T for side in (0, 1))
        means = assisted_means(
            people[:rated], judged[:rated], judged[rated:], drawn[0][name][2], paired=name == "difference"
        )
        each = pd.DataFrame(means)
        rows[name] = {
            "correlation": correlation,
            "people": each["people_low95"].le(value).mul(each["people_high95"].ge(value)).mean(),
            "assisted": each["assisted_low95"].le(value).mul(each["assisted_high95"].ge(value)).mean(),
            "ratio": each["width_ratio"].median(),
            "widest": each["width_ratio"].max(),
            "weight": each["weight"].mean(),
            "bias": each["assisted"].mean() - value,
            "not_0_people": 1 - each["people_low95"].le(0).mul(each["people_high95"].ge(0)).mean(),
            "not_0_assisted": 1 - each["assisted_low95"].le(0).mul(each["assisted_high95"].ge(0)).mean(),
        }
    return rows


def run(pool: Pool) -> dict:
    """All tables, by name; each prints itself."""
    truths = {name: truth(kind, BETTER) for name, kind in JUDGES.items()}
    covers = [(name, rated, size) for name in JUDGES for size in SIZES for rated in RATED]
    by_correlation = [(error, size) for size in SIZES for error in ERRORS]
    nulls = [(name, rated) for name in ("good", "fair", "useless") for rated in (8, 12, 25, 50, 200)]
    tasks = [(JUDGES[name], BETTER, rated, size, STUDIES, truths[name]) for name, rated, size in covers]
    for error, size in by_correlation:
        kind = Planted(error, graded=False)
        tasks.append((kind, BETTER, 50, size, 500, truth(kind, BETTER)))
    for name, rated in nulls:
        of_difference = {"difference": truth(JUDGES[name], 0.0)["difference"]}
        tasks.append((JUDGES[name], 0.0, rated, NULL_PROMPTS, NULL_STUDIES, of_difference))
    results = iter(pool.map(measured, tasks, chunksize=1))
    coverage = _table(
        f"coverage of {STUDIES} studies, width of the interval / people alone (median, widest), by judge",
        [
            dict(judge=name, rated=rated, prompts=size) | row
            for name, rated, size in covers
            for row in _rows(next(results))
        ],
    )
    widths = _table(
        "width / people alone of 50 rated prompts, by correlation of people and judge",
        [dict(prompts=size) | row for _, size in by_correlation for row in _rows(next(results))],
    )
    errors = _table(
        f"two equal methods, a biased judge: share of {NULL_STUDIES} studies that find a difference",
        [dict(judge=name, rated=rated) | row for name, rated in nulls for row in _rows(next(results))],
    )
    useless, of_50 = coverage["judge"].isin(["useless", "wrong"]), coverage[coverage["rated"] == 50]
    good = of_50[of_50["judge"].eq("good") & of_50["estimand"].eq("mean")]
    reached = widths[widths["ratio"] <= SHORTER]
    return {
        "coverage_lowest": round(float(coverage["assisted"].min()), 3),
        "coverage_highest": round(float(coverage["assisted"].max()), 3),
        "shorter_by_good": {row.prompts: round(1 - row.ratio, 3) for row in good.itertuples()},
        "correlation_for_30_percent": {
            size: round(float(reached.loc[reached["prompts"] == size, "correlation"].min()), 3) for size in SIZES
        },
        "useless_widest": round(float(coverage.loc[useless, "widest"].max()), 3),
        "false_positive_rate_highest": round(float(errors["not_0_assisted"].max()), 3),
        "studies": STUDIES,
    }


def _rows(of_task: dict) -> list[dict]:
    return [{"estimand": name} | row for name, row in of_task.items()]


def _table(title: str, rows: list[dict]) -> pd.DataFrame:
    table = pd.DataFrame(rows)
    print(f"\n{title}\n{table.round(3).to_string(index=False)}", flush=True)
    return table


def main() -> None:
    """Run all and print the tables, then JSON."""
    start = time.monotonic()
    with make_pool() as pool:
        found = run(pool)
    print(json.dumps(found | {"seconds": round(time.monotonic() - start)}))


if __name__ == "__main__":
    main()
