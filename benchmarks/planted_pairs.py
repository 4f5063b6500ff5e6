"""Validation of the tables of pairs on planted judges: position bias, coverage of strengths, error rates of tests.

Five methods, two of them equal. A prompt suits each method more or less, so all answers about it are correlated. A
judge compares what two images deserve, with an error of its own for each order, and marks the difference from 1 to 5. A
biased judge lets what is shown first deserve more: of two equal images it prefers the first 10 points more often than
the second. A sparse study has an answer about the best method in a fifth of the prompts alone, lacks a tenth of the
other answers, and shows the baseline's own image for another method in every fifth prompt. The answers go through the
code of the tables; the truth comes from a population of prompts and another formula. The last line is JSON.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import json
import time
from multiprocessing import Pool
from multiprocessing.pool import Pool as PoolType

import numpy as np
import pandas as pd
from scipy import optimize, stats

from detailscribe.study.judging.pair_schedule import scheduled_pairs
from detailscribe.tables.judging.pair_tables import pairs_table
from detailscribe.tables.judging.strength_tables import strengths_table
from detailscribe.tables.significance import sign_flip_p

STUDIES = 500
PROMPTS = (8, 25, 50, 200)
POPULATION = 2_000_000
METHODS = {"sd": 0.0, "equal": 0.0, "better": 0.4, "good": 0.8, "best": 1.6}  # what their images deserve, on average
SUITS = 0.8  # standard deviation of what a prompt adds for each method
SCHEDULES = {"baseline": {"kind": "baseline", "baseline": "sd"}, "balanced": {"kind": "balanced", "per_prompt": 4}}
# What the judge adds for the image shown first, and the differences from which on it prefers one slightly and clearly.
JUDGES = {"fair": (0.0, 0.3, 1.5), "biased": (None, 0.3, 1.5), "many ties": (0.0, 2.0, 3.0)}
PLANTED = (
    *(("fair", "baseline", False), ("biased", "baseline", False), ("biased", "balanced", False)),
    *(("many ties", "baseline", False), ("biased", "baseline", True)),  # judge, schedule, whether it is sparse
)
RARE, ANSWERED, UNANSWERED = "best", 0.2, 0.1  # in a sparse study: a method, its share of prompts, orders that lack
UNCHANGED, SAME = "better", 0.2  # in a sparse study: a method, and the share of prompts where its image is sd's
POINTS = 0.1  # how much more often the biased judge prefers the first of two equal images
SETTINGS = {"baseline": "sd", "permutations": 2000, "seed": 0}
NULL_SAMPLES = 4000


def shift_of(judge: str) -> float:
    """What a judge adds for the image shown first; for the biased one, what makes POINTS."""
    added, slightly, _ = JUDGES[judge]
    if added is not None:
        return added
    chance = stats.logistic.cdf
    return optimize.brentq(lambda x: chance(x - slightly) - chance(-x - slightly) - POINTS, 0, 5)


def values_of(generator: np.random.Generator, differences: np.ndarray, judge: str) -> np.ndarray:
    """Values in [-1, 1] for the image shown first, from how much more it deserves."""
    _, slightly, clearly = JUDGES[judge]
    seen = differences + shift_of(judge) + generator.logistic(size=differences.shape)
    marks = (np.abs(seen) > slightly).astype(float) + (np.abs(seen) > clearly)
    return np.sign(seen) * marks / 2


def deserved(generator: np.random.Generator, prompts: int, sparse: bool) -> tuple[np.ndarray, np.ndarray]:
    """(prompts, methods), and whether the image of UNCHANGED is that of sd, (prompts,)."""
    images = np.array(list(METHODS.values())) + generator.normal(0, SUITS, (prompts, len(METHODS)))
    same = generator.random(prompts) < SAME if sparse else np.zeros(prompts, dtype=bool)
    names = list(METHODS)
    images[same, names.index(UNCHANGED)] = images[same, names.index("sd")]
    return images, same


def simulate(generator: np.random.Generator, prompts: int, judge: str, schedule: dict, sparse: bool) -> list[dict]:
    """The rows of one study."""
    names = list(METHODS)
    images, same = deserved(generator, prompts, sparse)
    orders = [
        (prompt, *order)
        for prompt in range(prompts)
        for one, other in scheduled_pairs(f"{generator.integers(2**60)}", names, schedule)
        for order in ((one, other), (other, one))
    ]
    places = [(prompt, names.index(first), names.index(second)) for prompt, first, second in orders]
    prompt, first, second = np.array(places).T
    values = values_of(generator, images[prompt, first] - images[prompt, second], judge)
    rows = []
    refused = generator.random(prompts) >= ANSWERED if sparse else np.zeros(prompts, dtype=bool)
    lacking = generator.random(len(orders)) < UNANSWERED if sparse else np.zeros(len(orders), dtype=bool)
    for (prompt, first, second), value, lacks in zip(orders, values, lacking, strict=True):
        identical = bool(same[prompt]) and {first, second} == {UNCHANGED, "sd"}
        given = None if refused[prompt] and RARE in (first, second) else None if lacks else float(value)
        value = 0.0 if identical else given
        rows.append({"id": f"p{prompt}", "first": first, "second": second, "value": value, "identical": identical})
    return rows


def truth(judge: str, schedule: str, sparse: bool) -> dict[str, float]:
    """Strengths that the fit would find with every prompt of the population, by another formula than the tables'.

    The shares of wins are averaged over the population and both orders; then the likelihood of a model without a term
    for the position is maximised. For a judge with a bias, the answers are those of the fair one: it is to be
    cancelled.
    """
    generator, names = np.random.default_rng(1), list(METHODS)
    images, same = deserved(generator, POPULATION, sparse)
    planned = scheduled_pairs("any", names, SCHEDULES[schedule] if schedule == "baseline" else {"kind": "all"})
    pairs = [(names.index(one), names.index(other)) for one, other in planned]
    wins, weights = [], []
    for one, other in pairs:
        values = values_of(generator, images[:, one] - images[:, other], "fair" if judge == "biased" else judge)
        unasked = same & ({names[one], names[other]} == {UNCHANGED, "sd"})
        shares = np.where(unasked, 0.5, (1 + np.sign(values)) / 2)
        given = np.where(unasked, 1.0, 1 - UNANSWERED if sparse else 1.0)
        given *= ANSWERED if sparse and RARE in (names[one], names[other]) else 1.0
        wins.append((shares * given).sum() / given.sum())
        weights.append(given.mean())
    one, other = np.array(pairs).T

    def loss(free: np.ndarray) -> float:
        strengths = np.concatenate([[0.0], free])
        gaps = strengths[one] - strengths[other]
        return float(-(np.array(weights) * (np.array(wins) * gaps - np.logaddexp(0, gaps))).sum())

    found = optimize.minimize(loss, np.zeros(len(names) - 1), tol=1e-12).x
    return dict(zip(names, [0.0, *map(float, found)], strict=True))


def study(task: tuple[int, int, str, str, bool, dict[str, float]]) -> dict:
    """Coverage, bias and errors of one study; NaN for what has no interval."""
    seed, prompts, judge, schedule, sparse, true = task
    generator = np.random.default_rng([4, prompts, seed])
    rows = simulate(generator, prompts, judge, SCHEDULES[schedule], sparse)
    strengths = strengths_table("planted", rows, list(METHODS), "sd").set_index("method").drop("sd")
    table = pairs_table("planted", rows, list(METHODS), SETTINGS)
    pairs, together = table.iloc[:-1].set_index("method"), table.iloc[-1]
    null = pairs.loc[(pairs.index == "equal") & (pairs["other"] == "sd"), "p"]  # none where no prompt compares the two
    known = pd.Series(true).drop("sd")
    low, high = strengths["low95"].fillna(-np.inf), strengths["high95"].fillna(np.inf)
    has = strengths["win_probability_low95"].notna()
    covered = ((low <= known) & (known <= high)).astype(float).where(has)
    return {
        "covered": covered.mean(),
        "covered, rare": covered[RARE] if sparse else np.nan,
        "has interval, rare": float(has[RARE]),
        "has interval, others": has.drop(RARE).mean(),
        "width": np.median(high - low),
        "bias": (strengths["strength"] - known).mean(),
        "bias_of_equal": strengths.loc["equal", "strength"] - known["equal"],
        "order": list(strengths["strength"].rank()) == [1, 2, 3, 4],
        "pair_false": (null < 0.05).mean(),
        "bias_found": together["position_bias_p"] < 0.05,
        "bias_value": together["position_bias"],
        "bias_covers_0": together["position_bias_low95"] <= 0 <= together["position_bias_high95"],
    }


def null_table() -> dict:
    """Rejections at 5 % of the test of two equal methods, by judge and number of prompts."""
    found: dict = {}
    for judge in JUDGES:
        for prompts in PROMPTS:
            generator = np.random.default_rng([5, prompts])
            gaps = generator.normal(0, SUITS * np.sqrt(2), (prompts, NULL_SAMPLES))
            both = values_of(generator, gaps, judge) - values_of(generator, -gaps, judge)
            p = sign_flip_p(both / 2, SETTINGS["permutations"], 0)
            found.setdefault(judge, {})[prompts] = round(float((p < 0.05).mean()), 4)
    return found


def run(pool: PoolType) -> dict:
    """All studies, printed as tables; returns the figures."""
    start, figures = time.monotonic(), {}
    print(f"pairs: {STUDIES} studies of {PROMPTS} prompts; the biased judge adds {shift_of('biased'):.3f}")
    for judge, schedule, sparse in PLANTED:
        planted = truth(judge, schedule, sparse)
        columns = {}
        for prompts in PROMPTS:
            tasks = [(seed, prompts, judge, schedule, sparse, planted) for seed in range(STUDIES)]
            outcomes = pd.DataFrame(pool.map(study, tasks, chunksize=5)).astype(float)
            columns[prompts] = outcomes.mean()
            columns[f"se {prompts}"] = outcomes.sem()
        table = pd.DataFrame(columns).dropna(how="all")
        name = f"{judge}, {schedule}{', sparse' if sparse else ''}"
        title = f"{name} ({time.monotonic() - start:.0f} s); planted"
        print(f"\n{title} { {k: round(v, 3) for k, v in planted.items()} }\n{table.round(4).to_string()}", flush=True)
        figures[name] = {
            row: {prompts: round(float(value), 4) for prompts, value in table.loc[row, [*PROMPTS]].dropna().items()}
            for row in table.index
        }
    figures["false positives of the pair test"] = rates = null_table()
    print("\nfalse positives of the pair test", *(f"{judge:10} {each}" for judge, each in rates.items()), sep="\n")
    return figures


if __name__ == "__main__":
    with Pool() as workers:
        print(json.dumps(run(workers)))
