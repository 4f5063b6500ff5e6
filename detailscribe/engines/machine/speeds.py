"""Measured speeds, `results/speeds.jsonl`: seconds per denoising step, text, score and load, for the next plan.

Each job appends one row per kind of work, with everything that decides its speed. What the first work of a kind takes
(compilation, choice of kernels, memory) is recorded apart from the steady rest. Imports no torch.
"""

import json
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from detailscribe.files.digests import canonical_json
from detailscribe.files.measurements import append_measurements, read_measurements

SPEEDS_FILE = "speeds.jsonl"  # in the results folder; append-only
STEP, TEXT, SCORE, LOAD = "step", "text", "score", "load"  # units of work
WARMS_UP = (STEP, SCORE)  # the first work of these is recorded apart
FROM_NOISE, REFINEMENT = "image", "refinement"
STEPS_DIFFER = ("guidance_interval", "block_cache")  # of a model: a step's seconds depend on how many there are
SAME_SPEED = ("format", "quality", "swap_pooled")  # settings of `generation` that change no seconds
NO_SETTINGS = ("stage", "algorithm", "metric_algorithm", "module_sha256", "libraries")  # in a metric's parameters
MOST = 1e9  # of a count, or of seconds: more is no measurement
OLD_KEYS = ("model", "precision", "size_px")  # all that rows without `unit` know of their work


def image_speed_key(parameters: dict, offload: str, recipe: dict | None = None) -> dict:
    """What the seconds of an image model depend on besides the processor.

    Args:
        parameters: Of a generate or refine stage.
        offload: Which modules leave the GPU while they are idle.
        recipe: Of an image, for its denoising steps; None for what all images share: loading, encoding texts.
    """
    model = {key: value for key, value in parameters["model"].items() if key != "path"}
    generation = {key: value for key, value in parameters["generation"].items() if key not in SAME_SPEED}
    if not any(model.get(key) for key in STEPS_DIFFER):
        generation.pop("steps", None)
    guided = {"guidance": generation.pop("guidance", 0) > 1}
    work = {} if recipe is None else {"work": work_of(recipe)}
    return {"model": parameters["model"]["path"]} | model | generation | guided | {"offload": offload} | work


def score_speed_key(settings: dict) -> dict:
    """What the seconds per score depend on besides the processor, from the parameters of a metric."""
    return {key: value for key, value in settings.items() if key not in NO_SETTINGS}


def work_of(recipe: dict) -> str:
    """How an image goes through the transformer: alone, as a refinement, in a batch of these ks, or by a refiner."""
    if "refiner" in recipe:
        return f"refiner {recipe['refiner']['name']}"
    if "refined_prompt" not in recipe:
        return FROM_NOISE
    return f"batch of k = {', '.join(map(str, recipe['batch']))}" if recipe.get("batch") else REFINEMENT


@dataclass
class JobSpeeds:
    """Seconds of a job by unit of work and key, as (count, seconds) in their order."""

    _times: dict[str, list[tuple[int, float]]] = field(default_factory=dict)

    @contextmanager
    def timed(self, unit: str, key: dict, count: int = 1) -> Iterator[None]:
        """Measure some work; nothing is kept of work that raises.

        Args:
            unit: STEP, TEXT, SCORE or LOAD.
            key: From `image_speed_key` or `score_speed_key`.
            count: Units of work.
        """
        started = time.monotonic()
        yield
        self.add(unit, key, count, time.monotonic() - started)

    def add(self, unit: str, key: dict, count: int, seconds: float) -> bool:
        """Add some work that took this long; whether it was the first of its unit and key."""
        name = canonical_json({"unit": unit, **key})
        first = name not in self._times
        if count:
            self._times.setdefault(name, []).append((count, seconds))
        return first

    def taken(self, unit: str) -> list[tuple[int, float]]:
        """Count and seconds of each piece of work of a unit, in their order."""
        return [each for key, times in self._times.items() if json.loads(key)["unit"] == unit for each in times]

    def count(self, unit: str) -> int:
        """Units of work done so far."""
        return sum(count for count, _ in self.taken(unit))

    def record(self, results: Path, processor: Callable[[], str]) -> None:
        """Append one row per unit and key; nothing if the job did no work.

        Args:
            processor: Called for the name of what did the work.
        """
        rows: list[dict] = []
        for key, times in self._times.items():
            row = json.loads(key) | {"processor": processor(), "date": datetime.now(UTC).isoformat("T", "seconds")}
            if row["unit"] in WARMS_UP:
                (count, seconds), *times = times
                row |= {"first_count": count, "first_s": round(seconds, 3)}
            row |= {"count": sum(count for count, _ in times), "seconds": round(sum(s for _, s in times), 3)}
            rows.append(row)
        append_measurements(results / SPEEDS_FILE, rows)


@dataclass(frozen=True)
class Speed:
    """Seconds per unit of work: mean over all work, and those of the fastest and the slowest job.

    `by_processor` has (mean, jobs) of each. `basis` says what the seconds are if not of the same work: "other work",
    "older record", "first work".
    """

    mean_s: float
    fastest_s: float
    slowest_s: float
    by_processor: dict[str, tuple[float, int]]
    basis: str = ""


class RecordedSpeeds:
    """The speeds that the jobs of a study have recorded. Lines that cannot be read are ignored."""

    def __init__(self, results: Path):
        self.rows = [row for row in read_measurements(results / SPEEDS_FILE) if _is_plausible(row)]

    def measured(self, unit: str, key: dict) -> Speed | None:
        """Speed of the same work; of its first pieces alone if no job went on; None if there was none."""
        rows = self._matching(unit, key)
        steady = [(row, row["count"], row["seconds"]) for row in rows if row["count"]]
        first = [(row, row["first_count"], row["first_s"]) for row in rows if row.get("first_count")]
        return _speed(steady) or _speed(first, "first work")

    def similar(self, unit: str, key: dict) -> Speed | None:
        """Speed of other work of the same model, or from rows that know only its name, precision and size."""
        rows = self._matching(unit, {name: value for name, value in key.items() if name != "work"})
        if found := _speed([(row, row["count"], row["seconds"]) for row in rows if row["count"]], "other work"):
            return found
        old = [row for row in self.rows if unit == STEP and "unit" not in row and _has(row, key, OLD_KEYS)]
        return _speed([(row, row["steps"], row["seconds"]) for row in old if row["steps"]], "older record")

    def warm_up(self, unit: str, key: dict) -> Speed | None:
        """Seconds that the first work of a job takes beyond the same work later; None if no job went on."""
        steady = self.measured(unit, key)
        if steady is None or steady.basis:
            return None
        beyond = [
            (row, 1, max(0.0, row["first_s"] - row["first_count"] * _steady_of(row, steady)))
            for row in self._matching(unit, key)
            if row.get("first_count")
        ]
        return _speed(beyond)

    def _matching(self, unit: str, key: dict) -> list[dict]:
        return [row for row in self.rows if row.get("unit") == unit and _has(row, key, key)]


def _steady_of(row: dict, steady: Speed) -> float:
    return row["seconds"] / row["count"] if row["count"] else steady.mean_s


def _has(row: dict, key: dict, names: Iterable[str]) -> bool:
    return all(name in row and row[name] == key.get(name) for name in names)


def _speed(work: list[tuple[dict, int, float]], basis: str = "") -> Speed | None:
    """The speed of some work, given as (row, count, seconds) of each job."""
    if not work:
        return None
    by_processor: dict[str, list[tuple[int, float]]] = {}
    for row, count, seconds in work:
        by_processor.setdefault(row.get("processor", "a machine not recorded"), []).append((count, seconds))
    rates = [seconds / count for _, count, seconds in work]
    means = {name: (_mean(times), len(times)) for name, times in by_processor.items()}
    return Speed(_mean([(count, seconds) for _, count, seconds in work]), min(rates), max(rates), means, basis)


def _mean(times: list[tuple[int, float]]) -> float:
    return sum(seconds for _, seconds in times) / sum(count for count, _ in times)


def _is_plausible(row: dict) -> bool:
    """Whether a row of the file has counts and seconds as jobs write them."""
    counts, times = ["count", "first_count"], ["seconds", "first_s"]
    if "unit" not in row:
        counts, times = ["steps"], ["seconds"]
    if not {counts[0], times[0]} <= row.keys() or not isinstance(row.get("processor", ""), str):
        return False
    numbers = [row[name] for name in (*counts, *times) if name in row]
    return (
        len({"first_count", "first_s"} & row.keys()) != 1
        and all(type(row[name]) is int for name in counts if name in row)
        and all(type(number) in (int, float) and 0 <= number < MOST for number in numbers)
    )
