"""Measured seconds of images and scores, `results/{scenario}/ledgers/seconds/`: what each took, for tables of costs.

A row has id, key, seconds, steps (both a share: images that are drawn together share them equally), images (how many
share them), processor, and first: whether it was the first work of its kind in its job, which compiles and warms up.
Loading the model and encoding texts are not in it.

The scores of a shard by a metric have one row, in `score-{metric}/`: id is the shard, key the digest of what the speed
depends on, seconds those of a score, images the scores behind it.
"""

import contextlib
import functools
import math
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from detailscribe.engines.machine.speeds import SCORE, JobSpeeds, score_speed_key
from detailscribe.files.digests import digest
from detailscribe.files.ledger import Ledger
from detailscribe.images.image_set import ImageRequest

LEDGERS = "ledgers/seconds"  # below results/{scenario}/, then {image_set}/{shard}.jsonl
MOST_S = 1e9  # more is no measurement
COLUMNS: dict[str, tuple[type, ...]] = {
    **{"id": (str,), "key": (str,), "seconds": (int, float), "steps": (int, float), "images": (int,)},
    **{"processor": (str,), "first": (bool,)},
}


class ImageSeconds:
    """Seconds of the images that a job draws of one shard.

    Losing a row stops no job: what cannot be written is unknown later.

    Args:
        folder: The scenario's folder of results.
        shard: Name of the shard.
        processor: Called for the name of what draws.
    """

    def __init__(self, folder: Path, shard: str, processor: Callable[[], str]):
        self._folder, self._shard = folder, shard
        self._processor = functools.cache(processor)
        self._ledgers: dict[str, Ledger] = {}

    def add(self, requests: list[ImageRequest], images: int, steps: int, seconds: float, first: bool) -> None:
        """Add images that were drawn together.

        Args:
            requests: What was asked for; requests with one key are one image.
            images: Different images that were drawn, also those that nobody asked for.
            steps: Denoising steps of all of them.
            seconds: Of all of them.
            first: Whether this was the first work of its kind in the job.
        """
        with contextlib.suppress(OSError, RuntimeError):  # a full disk; a lost GPU, which cannot tell its name
            for request in requests:
                row: dict = {"id": request.id, "key": request.key, "seconds": round(seconds / images, 6)}
                row |= {"steps": round(steps / images, 6), "images": images}
                row |= {"processor": self._processor(), "first": first}
                ledger = self._ledger(request.image_set)
                if not _is_known_better(ledger.get(row["id"], row["key"]), row):
                    ledger.add(row)

    def _ledger(self, image_set: str) -> Ledger:
        if image_set not in self._ledgers:
            self._ledgers[image_set] = Ledger(self._folder / LEDGERS / image_set / f"{self._shard}.jsonl")
        return self._ledgers[image_set]


def _is_known_better(known: dict | None, row: dict) -> bool:
    """Whether an image that is drawn again took its steady share of the seconds before, on the same processor."""
    if known is None or seconds_problem(known) or known["processor"] != row["processor"]:
        return False
    return known["images"] > row["images"] or (row["first"] and not known["first"])


def add_score_seconds(
    folder: Path, metric: str, shard: str, settings: dict, speeds: JobSpeeds, processor: Callable[[], str]
) -> None:
    """Record what a job's scores of one shard took; nothing if it made none, or an earlier job measured them.

    Args:
        folder: The scenario's folder of results.
        metric: Its name.
        shard: Name of the shard.
        settings: Parameters of the metric.
        speeds: Of the job.
        processor: Called for the name of what scored.
    """
    first, *steady = speeds.taken(SCORE) or [(0, 0.0)]
    times = steady or [first]
    if not (count := sum(each for each, _ in times)):
        return
    key = digest(score_speed_key(settings))
    row = {"id": shard, "key": key, "seconds": round(sum(each for _, each in times) / count, 6), "steps": 0}
    row |= {"images": count, "processor": processor(), "first": not steady}
    with contextlib.suppress(OSError):
        ledger = Ledger(folder / LEDGERS / f"score-{metric}" / f"{shard}.jsonl")
        known = ledger.get(shard, key)
        if known is None or seconds_problem(known) or (known["first"] and not row["first"]):
            ledger.add(row)


def seconds_per_score(folder: Path, metric: str, key: str) -> tuple[float, list[str]] | None:
    """Mean seconds of a score in a scenario, and the processors; None if none was measured.

    Args:
        folder: The scenario's folder of results.
        metric: Its name.
        key: Digest of what the speed depends on.
    """
    rows = [row for (_, found), row in seconds_of(folder, f"score-{metric}").items() if found == key]
    rows = [row for row in rows if not row["first"]] or rows
    if not rows:
        return None
    count = sum(row["images"] for row in rows)
    return sum(row["images"] * row["seconds"] for row in rows) / count, sorted({row["processor"] for row in rows})


def seconds_of(folder: Path, image_set: str) -> dict[tuple[str, str], dict]:
    """The rows of an image set by id and key; rows that no job wrote so are left out.

    Args:
        folder: The scenario's folder of results.
        image_set: Name of the set.
    """
    rows: Iterable[dict] = (
        row for path in sorted((folder / LEDGERS / image_set).glob("*.jsonl")) for row in Ledger(path).rows()
    )
    return {(row["id"], row["key"]): row for row in rows if not seconds_problem(row)}


def seconds_problem(row: Any) -> str:
    """What is wrong with a row; empty if nothing is."""
    if not isinstance(row, dict):
        return "a row is no JSON object"
    for name, kinds in COLUMNS.items():
        value = row.get(name)
        if type(value) not in kinds:
            return f"a row has {str(value)[:80]!r} as its {name}"
        if isinstance(value, int | float) and not (math.isfinite(value) and 0 <= value < MOST_S):
            return f"a row has {value:g} as its {name}, which is no measurement"
    return "" if row["images"] else "a row has 0 as its images"
