"""Validation of the statistics on simulated studies with known truth: coverage, error rates, bias, power.

The simulated scores go through the code of the tables. Prompts differ in difficulty, so all images of a prompt are
correlated; images differ in quality; a judge gives whole ratings from 1 to 5 with an error of its own, twice, so there
are many ties; some scores and some whole prompts are missing. The truth of every number comes from a population of
400,000 prompts and another formula, never from the code under test.
Coverage and error rates are shares over studies, with their standard error. Before these, `interval_coverage` compares
the intervals with the earlier method, one kind of score at a time. The last line is JSON.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import json
import os
import platform
import time
from multiprocessing import Pool

import interval_coverage
import numpy as np
import pandas as pd
import planted_assisted
import planted_pairs
import planted_power
import planted_readings
from scipy import stats

from detailscribe.tables.main_table import tabulate
from detailscribe.tables.score_table import SCORE_COLUMNS, ScoreTable
from detailscribe.tables.selection import selection_bias

STUDIES = {12: 500, 50: 1500, 200: 400}  # by prompts per study; most have as many as people rate
REPORTED = 50
POPULATION = 400_000
IMAGE_SETS = {  # planted mean quality; `rewrite` and `refine` equal `sd`
    **{"sd": 0.0, "rewrite": 0.0, "refine": 0.0, "hosted": 0.3, "seed2": 0.0},
    **{"ours-k0": 0.2, "ours-k1": 0.4, "ours-k2": 0.4, "ours-k4": 0.0},
}
METHODS = [
    *({"name": name, "candidates": [name], "headline": "single"} for name in ("sd", "rewrite", "refine", "hosted")),
    {"name": "multi_seed", "candidates": ["sd", "seed2"], "headline": "by:metric"},
    {"name": "ours", "candidates": ["ours-k0", "ours-k1", "ours-k2", "ours-k4"], "headline": "oracle"},
]
NULL = ("rewrite", "refine")
ORDER = ["rewrite", "hosted", "ours"]  # by planted mean; ours is the best of four
JUDGE_CUTS = np.array([-1.2, -0.3, 0.5, 1.3])  # between the ratings
JUDGE_ERROR = 0.6
MISSING_SCORE, MISSING_PROMPT = 0.02, 0.05
SETTINGS = {
    "bootstrap": {"resamples": 500, "seed": 0},
    "statistics": {"baseline": "sd", "test": "permutation", "permutations": 2000},
    "ranges": {"metric": None, "judge": [1, 5]},
    "best_of": [method["name"] for method in METHODS],
    "ties_win": False,
    "selector": "metric",
}


def quality(generator: np.random.Generator, prompts: int) -> np.ndarray:
    """(prompts, image sets): difficulty of the prompt, planted mean, and a skewed part per image."""
    difficulty = generator.normal(0, 0.7, (prompts, 1))
    own = 0.5 * (generator.gamma(2, 1, (prompts, len(IMAGE_SETS))) - 2)
    return difficulty + np.array(list(IMAGE_SETS.values())) + own


def ratings(generator: np.random.Generator, values: np.ndarray) -> np.ndarray:
    """One rating of the judge per image."""
    return 1.0 + (values[..., None] + generator.normal(0, JUDGE_ERROR, (*values.shape, 1)) > JUDGE_CUTS).sum(axis=-1)


def expected_rating(values: np.ndarray) -> np.ndarray:
    """Mean rating of the judge, from the normal distribution of its error."""
    return 1 + stats.norm.cdf((values[..., None] - JUDGE_CUTS) / JUDGE_ERROR).sum(axis=-1)


def simulate(generator: np.random.Generator, prompts: int) -> pd.DataFrame:
    """The score table of one study."""
    values = quality(generator, prompts)
    metric = values + generator.normal(0, 0.3, values.shape)
    repeats = np.stack([ratings(generator, values), ratings(generator, values)], axis=-1)
    lost = generator.random(prompts) < MISSING_PROMPT
    rows = []
    for prompt in range(prompts):
        for number, image_set in enumerate(IMAGE_SETS):
            common = (f"p{prompt}", "", "sd failed" if lost[prompt] else "", image_set)
            missing = generator.random(2) < MISSING_SCORE
            one, two = repeats[prompt, number]
            rows.append(
                (*common, "metric", *((np.nan, "failed", "") if missing[0] else (metric[prompt, number], "ok", "")))
            )
            judged = (np.nan, "unparsed", "") if missing[1] else ((one + two) / 2, "ok", f"{one:g} {two:g}")
            rows.append((*common, "judge", *judged))
    return pd.DataFrame(rows, columns=SCORE_COLUMNS)


def truth() -> dict:
    """Estimands of the tables, from the population."""
    generator = np.random.default_rng(1)
    values = quality(generator, POPULATION)
    names = list(IMAGE_SETS)
    metric = values + generator.normal(0, 0.3, values.shape)
    judge = (ratings(generator, values) + ratings(generator, values)) / 2
    ours = [names.index(name) for name in METHODS[-1]["candidates"]]
    seeds = [names.index("sd"), names.index("seed2")]
    selected = np.take_along_axis(judge[:, seeds], metric[:, seeds].argmax(axis=1)[:, None], axis=1)[:, 0]
    chosen = {
        (name, m): array[:, names.index(name)]
        for name in names[:4]
        for m, array in (("metric", metric), ("judge", judge))
    }
    chosen |= {("ours", "metric"): metric[:, ours].max(axis=1), ("ours", "judge"): judge[:, ours].max(axis=1)}
    chosen |= {("multi_seed", "metric"): metric[:, seeds].max(axis=1), ("multi_seed", "judge"): selected}
    single = ratings(generator, values)[:, ours]
    best = single.argmax(axis=1)[:, None]
    fresh = np.take_along_axis(expected_rating(values[:, ours]), best, axis=1)[:, 0]
    return {
        "means": {key: float(value.mean()) for key, value in chosen.items()},
        "other_draw": float((single.max(axis=1) - fresh).mean()),
        "by_judge": float(
            (
                metric[:, ours].max(axis=1)
                - metric[np.arange(POPULATION), np.array(ours)[judge[:, ours].argmax(axis=1)]]
            ).mean()
        ),
        "candidates": metric[:, ours].mean(axis=0),
        "oracle": float(metric[:, ours].max(axis=1).mean()),
    }


def fixed_choice(planted: dict, prompts: int) -> float:
    """Selection bias against the candidate with the best mean over `prompts` other prompts, from new studies."""
    generator = np.random.default_rng(2)
    ours = [list(IMAGE_SETS).index(name) for name in METHODS[-1]["candidates"]]
    selected = []
    for _ in range(4000):
        values = quality(generator, prompts)[:, ours]
        selected.append((values + generator.normal(0, 0.3, values.shape)).mean(axis=0).argmax())
    return planted["oracle"] - float(planted["candidates"][selected].mean())


def study(task: tuple[int, int, dict]) -> dict:
    """Coverage, errors and bias of one study, against the truth."""
    seed, prompts, planted = task
    scores = ScoreTable(simulate(np.random.default_rng([3, prompts, seed]), prompts), ["metric", "judge"])
    table = tabulate(scores, METHODS, SETTINGS)
    rows = table[table["headline"]].set_index(["method", "metric"])
    covered = []
    for key, row in rows.iterrows():
        covered.append(row["low95"] <= planted["means"][key] <= row["high95"])
        if key[0] != "sd":
            difference = planted["means"][key] - planted["means"]["sd", key[1]]
            covered.append(row["difference_low95"] <= difference <= row["difference_high95"])
    null = rows.loc[[(name, metric) for name in NULL for metric in scores.metrics]]
    estimates = selection_bias(scores, METHODS, SETTINGS["ranges"], SETTINGS["bootstrap"]).set_index(
        ["method", "metric", "against"]
    )
    estimated = {
        "fixed": estimates.loc[("ours", "metric", "other_prompts")],
        "by_judge": estimates.loc[("ours", "metric", "by:judge")],
        "draw": estimates.loc[("ours", "judge", "other_draw")],
    }
    true = {"fixed": planted["fixed"][prompts], "by_judge": planted["by_judge"], "draw": planted["other_draw"]}
    return {
        "coverage": np.mean(covered),
        "false_positives": (null["p"] < 0.05).mean(),
        "false_after_holm": (null["p_holm"] < 0.05).any(),
        "order": list(rows.xs("metric", level=1).loc[ORDER, "mean"].rank()) == [1, 2, 3],
        "power": rows.loc[("hosted", "metric"), "p"] < 0.05,
        **{f"bias_{name}": row["optimism"] - true[name] for name, row in estimated.items()},
        **{f"coverage_{name}": row["low95"] <= true[name] <= row["high95"] for name, row in estimated.items()},
    }


def main() -> None:
    """Run all studies and print a table, then JSON."""
    start = time.monotonic()
    with Pool() as pool:
        intervals = interval_coverage.measure(pool)
        assisted = planted_assisted.run(pool)
        readings = planted_readings.run(pool)
        power = planted_power.run(pool)
        pairs = planted_pairs.run(pool)
    planted = truth()
    planted["fixed"] = {
        prompts: fixed_choice(planted, max(1, round(0.95 * 0.98**4 * prompts) // 2)) for prompts in STUDIES
    }
    print(f"studies by number of prompts: {STUDIES}; {os.cpu_count()} CPUs, Python {platform.python_version()}")
    print(f"planted: { {'/'.join(key): round(value, 3) for key, value in planted['means'].items()} }")
    summary = {}
    with Pool() as pool:
        for prompts, studies in STUDIES.items():
            outcomes = pd.DataFrame(pool.map(study, [(seed, prompts, planted) for seed in range(studies)], chunksize=5))
            outcomes = outcomes.astype(float)
            summary[prompts] = pd.DataFrame({"mean": outcomes.mean(), "se": outcomes.sem()})
            print(
                f"\n{prompts} prompts ({time.monotonic() - start:.0f} s)\n{summary[prompts].round(4).to_string()}",
                flush=True,
            )
    main_size = summary[REPORTED]
    print(
        json.dumps(
            {
                "coverage_95": round(main_size.loc["coverage", "mean"], 4),
                "coverage_95_se": round(main_size.loc["coverage", "se"], 4),
                "coverage_95_by_n": {n: round(table.loc["coverage", "mean"], 4) for n, table in summary.items()},
                "false_positive_rate": round(main_size.loc["false_positives", "mean"], 4),
                "false_positive_rate_se": round(main_size.loc["false_positives", "se"], 4),
                "familywise_error_after_holm": round(main_size.loc["false_after_holm", "mean"], 4),
                "optimism_bias": round(main_size.loc["bias_fixed", "mean"], 4),
                "optimism_bias_se": round(main_size.loc["bias_fixed", "se"], 4),
                "optimism_bias_other_draw": round(main_size.loc["bias_draw", "mean"], 4),
                "optimism_bias_other_draw_se": round(main_size.loc["bias_draw", "se"], 4),
                "order_recovered": round(main_size.loc["order", "mean"], 4),
                "studies": STUDIES[REPORTED],
                "prompts": REPORTED,
                "intervals": intervals,
                "readings": readings,
                "assisted": assisted,
                "pairs": pairs,
                "power": power,
                "seconds": round(time.monotonic() - start),
            }
        )
    )


if __name__ == "__main__":
    main()
