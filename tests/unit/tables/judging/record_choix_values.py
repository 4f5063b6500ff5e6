"""Recorder of the reference values of Bradley-Terry strengths: `choix_values.json`, by the library choix.

    python -m venv /tmp/choix && /tmp/choix/bin/pip install choix==0.4.1
    /tmp/choix/bin/python tests/unit/tables/judging/record_choix_values.py

It records comparisons without ties, (winner, loser) by the place of the methods, and the library's maximum likelihood
estimates. The library is not a dependency of the project; where it is installed, the test asks it directly as well.
"""

import json
from pathlib import Path

import numpy as np

FILE = Path(__file__).with_name("choix_values.json")
CASES = {  # strengths, comparisons
    "two": ([0.0, 0.7], 40),
    "four": ([0.0, 0.3, -0.5, 1.2], 300),
    "six, one far ahead": ([0.0, 0.1, 0.2, -0.2, 0.4, 2.5], 500),
    "nine": (list(np.linspace(-1, 1, 9)), 2000),
}


def comparisons(strengths: list[float], count: int, seed: int) -> list[tuple[int, int]]:
    """Winner and loser of random comparisons."""
    generator = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        one, other = (int(each) for each in generator.choice(len(strengths), 2, replace=False))
        wins = generator.random() < 1 / (1 + np.exp(strengths[other] - strengths[one]))
        found.append((one, other) if wins else (other, one))
    return found


def estimates(methods: int, data: list[tuple[int, int]]) -> list[float]:
    """Strengths by choix, against the first method."""
    import choix

    found = choix.ilsr_pairwise(methods, data, alpha=0.0, max_iter=10_000, tol=1e-13)
    return [float(each - found[0]) for each in found]


if __name__ == "__main__":
    recorded = {}
    for seed, (name, (strengths, count)) in enumerate(CASES.items()):
        data = comparisons(strengths, count, seed)
        recorded[name] = {"methods": len(strengths), "data": data, "strengths": estimates(len(strengths), data)}
    FILE.write_text(json.dumps(recorded) + "\n", encoding="utf-8")
