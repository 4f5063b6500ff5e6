"""GPU time of a plan: seconds of denoising steps, texts, scores and loads, by recorded speeds or by assumptions.

Nothing is asked of the machine that plans, which may be a login node without a GPU: the seconds are those of the jobs
that ran so far, wherever they ran, and `sentences` says where. Those of several processors are pooled.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detailscribe.engines.machine.speeds import LOAD, SCORE, STEP, TEXT, WARMS_UP, RecordedSpeeds, Speed
from detailscribe.files.digests import canonical_json

ASSUMED = {STEP: "step_s", SCORE: "score_s", LOAD: "load_s"}  # keys of the config's `plan`
BASES = {
    "other work": ", of other work of this model",
    "older record": ", from an older record, which names neither processor nor compilation, batch and offload",
    "first work": ", of first images alone, compilation and warm-up included",
    "assumed": ", assumed",
}
WARM_UP_S = 0.1  # shorter ones are not worth a word
UNITS = {STEP: "per denoising step", TEXT: "per text", SCORE: "per score", LOAD: "per load"}


@dataclass(frozen=True)
class Seconds:
    """Seconds of some work by the mean speed, and by those of the fastest and the slowest job."""

    mean: float = 0.0
    fastest: float = 0.0
    slowest: float = 0.0

    @classmethod
    def exactly(cls, seconds: float) -> "Seconds":
        """Seconds of which one figure is known."""
        return cls(seconds, seconds, seconds)

    def __add__(self, other: "Seconds") -> "Seconds":
        return Seconds(self.mean + other.mean, self.fastest + other.fastest, self.slowest + other.slowest)


class GpuTime:
    """Seconds of work, and the speeds that they come from.

    Args:
        results: Results folder with the recorded speeds.
        assumed: The config's `plan`: seconds per step, score and load where none were measured.
    """

    def __init__(self, results: Path, assumed: dict):
        self._recorded, self._assumed = RecordedSpeeds(results), assumed
        self._used: dict[str, tuple[str, dict, Speed]] = {}
        self._warm_ups: dict[str, Speed] = {}

    def of(self, unit: str, key: dict, count: int, assume: bool = True) -> Seconds | None:
        """Seconds of some work, without what its first piece takes; None if nobody knows.

        A measurement of the same work counts first, then the assumption, then a measurement of similar work.

        Args:
            unit: Of `engines.machine.speeds`.
            key: What the speed depends on.
            count: Units of work.
            assume: Whether the config's assumption counts.
        """
        speed = self._recorded.measured(unit, key)
        assumed = self._assumed.get(ASSUMED.get(unit, "")) if assume else None
        if assumed is not None and (speed is None or speed.basis):
            speed = Speed(assumed, assumed, assumed, {}, "assumed")
        speed = speed or self._recorded.similar(unit, key)
        if speed is None:
            return None
        self._used[canonical_json({"unit": unit, **key})] = (unit, key, speed)
        return _times(speed, count)

    def of_load(self, key: dict, first_work: Iterable[tuple[str, dict]], assume: bool = True) -> Seconds | None:
        """Seconds of one load of a model, and of what the first work after it takes beyond the steady speed.

        Args:
            key: Of the model.
            first_work: (unit, key) of each kind of work that the job does.
            assume: Whether the config's `load_s` counts, which is of the image model and includes its first image.
        """
        load = self.of(LOAD, key, 1, assume)
        if load is None or self._used[canonical_json({"unit": LOAD, **key})][2].basis == "assumed":
            return load
        for unit, work in first_work:
            if unit in WARMS_UP and (speed := self._recorded.warm_up(unit, work)):
                self._warm_ups[canonical_json({"unit": unit, **work})] = speed
                load += _times(speed, 1)
        return load

    def sentences(self) -> list[str]:
        """The speeds in use: of what, how much they differ between jobs, and where they were measured."""
        lines = []
        for name, (unit, key, speed) in self._used.items():
            warm_up = self._warm_ups.get(name)
            first = ""
            if warm_up and warm_up.mean_s >= WARM_UP_S:
                first = f"; the first of a job {warm_up.mean_s:.3g} s more{_range(warm_up)}"
            lines.append(
                f"{_label(key)}: {speed.mean_s:.3g} s {UNITS[unit]}{_range(speed)}{BASES.get(speed.basis, '')}"
                f"{_places(speed)}{first}."
            )
        return ["Speeds:", *lines] if lines else []


def _times(speed: Speed, count: int) -> Seconds:
    return Seconds(speed.mean_s * count, speed.fastest_s * count, speed.slowest_s * count)


def _label(key: dict) -> str:
    if "module" in key:
        return " ".join(filter(None, (key["module"], key.get("model"))))
    named = (f"{key['size_px']} px", f"compile {key['compile']}", f"offload {key['offload']}", key.get("work", ""))
    return ", ".join(filter(None, (key["model"], key["precision"], *named)))


def _range(speed: Speed) -> str:
    jobs = sum(jobs for _, jobs in speed.by_processor.values())
    return f" ({speed.fastest_s:.3g} to {speed.slowest_s:.3g})" if jobs > 1 else ""


def _places(speed: Speed) -> str:
    several = len(speed.by_processor) > 1
    places = [
        f"{jobs} job{'s' * (jobs > 1)} on {name}{f' ({mean:.3g} s)' if several else ''}"
        for name, (mean, jobs) in speed.by_processor.items()
    ]
    return f", in {' and '.join(places)}" if places else ""
