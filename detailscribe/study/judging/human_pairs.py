"""Pairs that people compare (`human: pairs`): methods, selecting metric, schedule, prompts, raters; with defaults."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.errors import InputError, known_names
from detailscribe.study.judging.judges import PROMPT
from detailscribe.study.judging.pair_schedule import ALL, BALANCED, BASELINE
from detailscribe.study.methods import EQUAL_COMPUTE, GPU_SECONDS, PAPER_ROWS, Method

if TYPE_CHECKING:
    from detailscribe.study.study import Study

PLACE = "human: pairs"


def human_pair_parameters(study: Study) -> dict:
    """What decides the sheets of pairs of a study.

    Returns:
        `methods` (rows: name, candidates, of which `by` selects one), `by` (empty if each method has one image),
        `schedule` (as `scheduled_pairs` reads it), `prompts`, `seed` and `raters`.
    """
    human = study.config["human"]
    entry = human.get("pairs", {})
    methods = [{"name": each.name, "candidates": _candidates(study, each)} for each in _methods(study)]
    several = any(len(method["candidates"]) > 1 for method in methods)
    return {
        "methods": methods,
        "by": entry.get("by", study.config["seed_selector"]) if several else "",
        "schedule": _schedule(study, len(methods)),
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
        InputError: a method or metric that does not exist, or a schedule that cannot be made; with key and remedy.
    """
    entry = study.config["human"].get("pairs", {})
    if not entry:
        return
    _known("methods", entry.get("methods", []), [method.name for method in study.methods()], "the methods")
    choosing = [*study.config["metrics"], *(f"judge-{name}" for name in study.judges_asked(PROMPT))]
    _known("by", [entry["by"]] if "by" in entry else [], choosing, "metrics and judges (judge-NAME)")
    names = [method.name for method in _methods(study)]
    if len(names) < 2:
        raise InputError(f"{PLACE}: methods: {', '.join(names) or 'none'}: a pair needs two methods; name another")
    if EQUAL_COMPUTE in names and study.budget["equal_compute"] == GPU_SECONDS:
        raise InputError(
            f"{PLACE}: methods: the seeds of {EQUAL_COMPUTE!r} are known only in the tables with `budget: "
            f"equal_compute: {GPU_SECONDS}`; leave it out, or count them by steps"
        )
    kind, baseline = entry.get("schedule", BASELINE), study.config["statistics"]["baseline"]
    if kind == BASELINE and baseline not in names:
        raise InputError(
            f"{PLACE}: methods: schedule {BASELINE} compares with `statistics: baseline: {baseline}`, which is not "
            f"among them; add it, or set schedule to {BALANCED} or {ALL}"
        )
    if "per_prompt" in entry and kind != BALANCED:
        raise InputError(f"{PLACE}: per_prompt: only schedule {BALANCED} reads it, and this one is {kind}; remove it")
    most = len(names) * (len(names) - 1) // 2
    if entry.get("per_prompt", 1) > most:
        raise InputError(f"{PLACE}: per_prompt: {len(names)} methods make {most} pairs, not {entry['per_prompt']}")


def _methods(study: Study) -> list[Method]:
    """The methods of the list; without one, those that are rated, in the paper's order, and the baseline."""
    rows = {method.name: method for method in study.methods()}
    if listed := study.config["human"].get("pairs", {}).get("methods"):
        return [rows[name] for name in listed]
    rated = set(study.config["human"]["methods"]) | {study.config["statistics"]["baseline"]}
    if study.budget["equal_compute"] == GPU_SECONDS:
        rated -= {EQUAL_COMPUTE}
    return [rows[name] for name in dict.fromkeys([*PAPER_ROWS, *rows]) if name in rows and name in rated]


def _candidates(study: Study, method: Method) -> list[str]:
    return [method.name] if method.name in study.graph.selections else list(method.candidates)


def _schedule(study: Study, count: int) -> dict:
    entry = study.config["human"].get("pairs", {})
    kind = entry.get("schedule", BASELINE)
    if kind == BASELINE:
        return {"kind": kind, "baseline": study.config["statistics"]["baseline"]}
    return {"kind": kind, "per_prompt": entry.get("per_prompt", count - 1)} if kind == BALANCED else {"kind": kind}


def _known(key: str, values: list[str], known: list[str], where: str) -> None:
    for value in values:
        if value not in known:
            raise InputError(f"{PLACE}: {key}: {value!r} is not one of {where}: {known_names(value, known)}")
