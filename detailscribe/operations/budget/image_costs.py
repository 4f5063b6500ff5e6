"""Costs of the images of one image set, by prompt: denoising steps are counted, GPU seconds are measured.

The seconds of an image are those that its job measured (`images/seconds.py`). An image that was the first work of its
job, which compiles and warms up, counts as the mean of the set's others, and so does one that was drawn before seconds
were measured. Where no image of a set was measured, its seconds are unknown, never zero.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from detailscribe.engines.acceleration.first_steps import refinement_steps
from detailscribe.images.seconds import seconds_of
from detailscribe.study.refinements import PROMPT_SWITCH, Needs
from detailscribe.study.study import Study


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


def set_parameters(study: Study) -> dict[str, dict]:
    """What the images of each set cost, as far as the configuration decides it.

    Returns:
        By image set: `origin` (here, endpoint, elsewhere) and `steps` of an image, null for unknown. Sets of a prompt
        switch share steps: they have `switch`, its name, `k` and `reuses_steps` (of the initial image) instead.
    """
    full, sets, initial = study.config["generation"]["steps"], {}, study.originals()[0]
    for name in study.image_sets():
        refinement = study.graph.refinement_of(name)
        external = study.config["external"].get(name, {})
        if refinement and refinement.refiner == PROMPT_SWITCH:
            reuses = bool(study.first_step_ks()) and refinement.of == initial
            shared = {"switch": refinement.name, "k": refinement.image_sets[name]["k"], "reuses_steps": reuses}
            sets[name] = {"origin": "here", **shared}
        elif refinement:
            steps = study.graph.steps(Needs(refined={refinement.name: [name]}), full)
            sets[name] = {"origin": "here", "steps": steps}
        elif external and "image_model" not in external:
            hosted = "endpoint" in external
            sets[name] = {"origin": "endpoint" if hosted else "elsewhere", "steps": 0 if hosted else None}
        else:
            sets[name] = {"origin": "here", "steps": full}
    return sets


def image_costs(folder: Path, image_set: str, origin: str, rows: Mapping[str, dict]) -> dict[str, ImageCost]:
    """Costs of the images of a set that are there, by id.

    Args:
        folder: The scenario's folder of results.
        image_set: Name of the set.
        origin: Of `set_parameters`.
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


def steps_of(sets: Mapping[str, dict], made: list[str], full: int) -> int | None:
    """Denoising steps of the images of one prompt, steps that they share counted once; None for unknown.

    Args:
        sets: Of `set_parameters`.
        made: Image sets whose images were made for this prompt.
        full: Steps of a full run.
    """
    count = 0
    switches: dict[tuple[str, int | None], list[int]] = {}
    for name in made:
        values = sets[name]
        if "switch" in values:
            first = 0 if values["reuses_steps"] else None
            switches.setdefault((values["switch"], first), []).append(values["k"])
        elif values["steps"] is None:
            return None
        else:
            count += values["steps"]
    return count + sum(refinement_steps(ks, full, first) for (_, first), ks in switches.items())
