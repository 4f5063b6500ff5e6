"""Pairs that people compare (`human: pairs`): methods, selecting metric, schedule, prompts, raters; with defaults."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from detailscribe.study.judging.pair_schedule import (
    candidates_of,
    check_entry,
    methods_of_pairs,
    schedule_of_entry,
    selector_of,
)
from detailscribe.study.methods import PAPER_ROWS, Method

if TYPE_CHECKING:
    from detailscribe.study.study import Study

PLACE = "human: pairs"


def human_pair_parameters(study: Study) -> dict:
    """What decides the sheets of pairs of a study.

    Returns:
        `methods` (rows: name, candidates, of which `by` selects one), `by` (empty if each method has one image),
        `schedule` (as `scheduled_pairs` reads it), `prompts`, `seed` and `raters`.
    """
    human, entry, methods = study.config["human"], _entry(study), _methods(study)
    candidates = candidates_of(study, methods)
    return {
        "methods": [{"name": name, "candidates": names} for name, names in candidates.items()],
        "by": selector_of(study, entry, methods),
        "schedule": schedule_of_entry(study, entry, methods),
        "prompts": entry.get("prompts", human["prompts"]),
        "seed": human["seed"],
        "raters": pair_raters(study.config),
    }


def pair_raters(config: dict) -> list[str]:
    """Names of the raters who compare pairs: their own list, or those who rate."""
    return config["human"].get("pairs", {}).get("raters") or config["human"]["raters"]


def check_human_pairs(study: Study) -> None:
    """Check `human: pairs` of a study whose methods are valid; without this entry nothing can be wrong.

    Raises:
        InputError: as `check_entry`.
    """
    if entry := _entry(study):
        check_entry(study, PLACE, entry, partial(_methods, study))


def _entry(study: Study) -> dict:
    return study.config["human"].get("pairs", {})


def _methods(study: Study) -> list[Method]:
    """The methods of the list; without one, those that are rated, in the paper's order, and the baseline."""
    rated = {*study.config["human"]["methods"], study.config["statistics"]["baseline"]}
    rows = [method.name for method in study.methods()]
    return methods_of_pairs(study, _entry(study), [name for name in [*PAPER_ROWS, *rows] if name in rated])
