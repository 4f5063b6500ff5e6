"""Attacks on a budget: 1 to 8 processes, killed at random moments, a server that reports any usage."""

import contextlib
from collections.abc import Iterator
from pathlib import Path
from random import Random

from tests.budget_attack import USAGES, run_attack
from tests.fault_cases.kind import Case, Kind, require

CENT = 1e-6  # dollars; sums of the same costs in another order


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """The case."""
    yield case


def case(number: int, random: Random, own: Path) -> None:
    """Attack a budget of 5 dollars: the server never bills more than the ceiling."""
    usage, processes = random.choice(USAGES), random.choice([1, 3, 8])
    kills, limited = random.choice([0, 1, 4]), random.random() < 0.7
    store = own / "store"
    store.mkdir()
    outcome = run_attack(random.randrange(10**6), store, processes, kills, usage, limited)
    what = f"{processes} processes, {kills} kills, usage {usage}, {'' if limited else 'no '}max_tokens"
    require(outcome.billed <= outcome.ceiling + CENT, f"{what}: {outcome.billed:.2f} $ of {outcome.ceiling:.2f} billed")
    require(outcome.calls > 0, f"{what}: nothing was asked")
    if not outcome.kills and usage == "true":
        require(abs(outcome.billed - outcome.recorded) < CENT, f"{what}: billed {outcome.billed}, recorded {outcome}")
        require(outcome.answered == outcome.calls, f"{what}: {outcome.calls} calls, {outcome.answered} answers kept")


KIND = Kind("budgets", 40, 90, prepare, in_sample=False)
