"""Costs of the images of one image set, by prompt: GPU seconds are measured; steps are counted in study/methods.py.

The seconds of an image are those that its job measured (`images/seconds.py`). An image that was the first work of its
job, which compiles and warms up, counts as the mean of the set's others, and so does one that was drawn before seconds
were measured. Where no image of a set was measured, its seconds are unknown, never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detailscribe.images.seconds import seconds_of


@dataclass(frozen=True)
class ImageCost:
    """What one image cost.

    Attributes:
        key: Of the image; equal images have one key.
        made: Whether it was made for this image set. A carried one was not, and costs nothing.
        seconds: GPU seconds; None for unknown.
        processor: That they were measured on; empty if this image's were not.
        exchange: Recorded answer that it came in; empty for an image of another origin.
    """

    key: str
    made: bool
    seconds: float | None
    processor: str = ""
    exchange: str = ""


def image_costs(folder: Path, image_set: str, origin: str, rows: Mapping[str, dict]) -> dict[str, ImageCost]:
    """Costs of the images of a set that are there, by id.

    Args:
        folder: The scenario's folder of results.
        image_set: Name of the set.
        origin: Of `study.methods.steps_by_set`.
        rows: Rows of its manifest by id.
    """
    intact = {id: row for id, row in rows.items() if row["status"] == "ok"}
    if origin != "here":
        seconds = 0.0 if origin == "endpoint" else None
        return {
            id: ImageCost(row["key"] or id, True, seconds, exchange=row.get("exchange") or "")
            for id, row in intact.items()
        }
    measured = seconds_of(folder, image_set)
    known = {
        id: measured[id, row["key"]]
        for id, row in intact.items()
        if not row.get("carried") and (id, row["key"]) in measured
    }
    steady = [row["seconds"] for row in known.values() if not row["first"]]
    mean = sum(steady) / len(steady) if steady else None
    if mean is None and known:
        mean = sum(row["seconds"] for row in known.values()) / len(known)
    costs = {}
    for id, row in intact.items():
        own = known.get(id)
        seconds = own["seconds"] if own and not (own["first"] and steady) else mean
        carried = bool(row.get("carried"))
        processor = own["processor"] if own else ""
        costs[id] = ImageCost(row["key"], not carried, 0.0 if carried else seconds, processor)
    return costs
