"""Readings of a judge against a planted difference: prompts that sampled and expected marks need for 80 % power.

Images differ in quality as in `planted_truth`. A judge sees each with an error of its own, which no reading removes,
and has a distribution over the marks 1 to 5 (an ordered logit). Readings: one mark drawn from it (*sampled*), the most
probable mark (*greedy*, temperature 0), the mean of three drawn marks (*draws: 3*), the mean of the distribution
(*expected*). Two methods differ by a planted difference; the test is that of the tables, sign flips at 5 %. What varies
is the sharpness of the distribution: a judge that is sure of each mark loses nothing by a draw. The last line is JSON.
"""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

import json
import os
import platform
import time
from multiprocessing import Pool
from multiprocessing.pool import Pool as PoolType

import numpy as np
from scipy import stats

from detailscribe.tables.significance import ALPHA, POWER, sign_flip_p

DIFFERENCE = 0.3  # planted, in units of quality
CUTS = np.array([-1.2, -0.3, 0.5, 1.3])  # between the marks
SEEN_ERRORS = (0.3, 0.6)  # standard deviation of the judge's error about an image, the same in every reading of it
# Scale of the logistic distribution that the judge has around what it sees; 0.33 is an error of 0.6 per drawn mark, as
# `planted_truth` plants it.
SCALES = (0.02, 0.1, 0.2, 0.33, 0.5)
REPORTED = (0.3, 0.33)  # error and scale of the figures in JSON
READINGS = ("sampled", "greedy", "draws: 3", "expected")
STUDIES, PERMUTATIONS = 2000, 999
AROUND = (0.85, 1.0, 1.15)  # numbers of prompts, of the one that a normal distribution would need
POPULATION = 400_000
SMALL = 50  # prompts at which errors of the first kind are counted


def distributions(generator: np.random.Generator, shape: tuple[int, ...], seen: float, scale: float, gap: float):
    """Probabilities of the marks of two methods' images, each (*shape, 5), the second better by `gap`."""
    difficulty = generator.normal(0, 0.7, shape)
    found = []
    for shift in (0.0, gap):
        own = 0.5 * (generator.gamma(2, 1, shape) - 2) + generator.normal(0, seen, shape)
        below = stats.logistic.cdf((CUTS - (difficulty + shift + own)[..., None]) / scale)
        found.append(np.diff(below, axis=-1, prepend=0.0, append=1.0))
    return found


def read(generator: np.random.Generator, shares: np.ndarray) -> dict[str, np.ndarray]:
    """The score of each image by reading, from the probabilities of its marks, (*, 5)."""
    bounds = shares.cumsum(axis=-1)[..., :-1]
    draws = [1 + (generator.random(shares.shape[:-1])[..., None] > bounds).sum(axis=-1) for _ in range(3)]
    greedy = 1.0 + shares.argmax(axis=-1)
    return dict(zip(READINGS, (draws[0], greedy, sum(draws) / 3, shares @ np.arange(1, 6)), strict=True))


def differences(seed: list[int], shape: tuple[int, ...], seen: float, scale: float, gap: float) -> dict:
    """Paired differences of the two methods' scores by reading, and the mean entropy of the marks in bits."""
    generator = np.random.default_rng(seed)
    one, two = distributions(generator, shape, seen, scale, gap)
    scores = [read(generator, shares) for shares in (one, two)]
    entropy = float(stats.entropy(one, base=2, axis=-1).mean())
    return {name: scores[1][name] - scores[0][name] for name in READINGS} | {"entropy": entropy}


def rejected(task: tuple[float, float, int, float]) -> dict[str, float]:
    """Share of studies with so many prompts that find a difference, by reading."""
    seen, scale, prompts, gap = task
    seed = [23, round(100 * seen), round(1000 * scale), prompts, round(100 * gap)]
    found = differences(seed, (prompts, STUDIES), seen, scale, gap)
    return {name: float((sign_flip_p(found[name], PERMUTATIONS, prompts) < ALPHA).mean()) for name in READINGS}


def judge(task: tuple[float, float]) -> dict:
    """Entropy of one judge's marks, and the prompts that each reading needs for 80 % power."""
    seen, scale = task
    population = differences([24, round(100 * seen), round(1000 * scale)], (POPULATION,), seen, scale, DIFFERENCE)
    standard = {name: population[name].mean() / population[name].std() for name in READINGS}
    normal = (stats.norm.ppf(1 - ALPHA / 2) + stats.norm.ppf(POWER)) ** 2
    sizes = sorted({round(factor * normal / standard[name] ** 2) for name in READINGS for factor in AROUND})
    powers = [rejected((seen, scale, prompts, DIFFERENCE)) for prompts in sizes]
    needed = {}
    for name in READINGS:
        near = [n for n in sizes if 0.8 <= n / (normal / standard[name] ** 2) <= 1.25]
        probits = [stats.norm.ppf(powers[sizes.index(n)][name]) for n in near]
        slope, level = np.polyfit(np.sqrt(near), probits, 1)
        needed[name] = float(((stats.norm.ppf(POWER) - level) / slope) ** 2)
    false = rejected((seen, scale, SMALL, 0.0))
    return {"seen": seen, "scale": scale, "entropy": population["entropy"], "needed": needed, "false": false}


def run(pool: PoolType) -> dict:
    """Print the table of all judges; the figures of the reported one, and where the gain is below a quarter."""
    start = time.monotonic()
    judges = pool.map(judge, [(seen, scale) for seen in SEEN_ERRORS for scale in SCALES], chunksize=1)
    print("readings: prompts for 80 % power; fewer with expected marks than with sampled, greedy, three draws")
    for each in judges:
        needed = each["needed"]
        fewer = {name: 1 - needed["expected"] / needed[name] for name in READINGS[:-1]}
        print(
            f"error {each['seen']:.1f}, scale {each['scale']:.2f}, {each['entropy']:.2f} bits: "
            + ", ".join(f"{name} {n:.0f}" for name, n in needed.items())
            + "; "
            + ", ".join(f"{share:.0%}" for share in fewer.values())
            + "; false positives "
            + ", ".join(f"{share:.3f}" for share in each["false"].values()),
            flush=True,
        )
    [reported] = [each for each in judges if (each["seen"], each["scale"]) == REPORTED]
    return {
        "prompts_sampled": round(reported["needed"]["sampled"]),
        "prompts_greedy": round(reported["needed"]["greedy"]),
        "prompts_expected": round(reported["needed"]["expected"]),
        "fewer_than_sampled": round(_gain(reported), 3),
        "fewer_than_greedy": round(1 - reported["needed"]["expected"] / reported["needed"]["greedy"], 3),
        "entropy_bits": round(reported["entropy"], 2),
        "bits_with_a_quarter_fewer": round(min(each["entropy"] for each in judges if _gain(each) >= 0.25), 2),
        "false_positives": {name: round(share, 4) for name, share in reported["false"].items()},
        "seconds": round(time.monotonic() - start),
    }


def _gain(each: dict) -> float:
    """Share of the prompts that expected marks save against sampled ones."""
    return 1 - each["needed"]["expected"] / each["needed"]["sampled"]


def main() -> None:
    """Run alone."""
    print(f"{os.cpu_count()} CPUs, Python {platform.python_version()}")
    with Pool() as pool:
        print(json.dumps(run(pool)))


if __name__ == "__main__":
    main()
