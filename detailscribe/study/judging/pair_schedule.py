"""Schedule of pairs: which methods a judge compares, and which two of them for a prompt.

The pairs of a prompt depend on its id and on the judge's entry alone: other prompts, their order and the number of
shards change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator, Mapping, Sequence
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from detailscribe.errors import InputError, known_names
from detailscribe.study.judging.judges import PAIRS, PROMPT, names_of
from detailscribe.study.methods import EQUAL_COMPUTE, GPU_SECONDS, PAPER_ROWS, Method

if TYPE_CHECKING:
    from detailscribe.study.study import Study

BASELINE, BALANCED, ALL = "baseline", "balanced", "all"  # values of `schedule`


def compared_methods(study: Study, judge: str) -> list[Method]:
    """The methods that a judge of pairs compares, in the order of its list or of the paper's main table.

    Without a list the baseline is one of them.
    """
    rows = {method.name: method for method in study.methods()}
    baseline = study.config["statistics"]["baseline"]
    usual = [name for name in dict.fromkeys([*PAPER_ROWS, baseline]) if name in rows]
    return [rows[name] for name in study.judging[judge].entry.get("methods") or usual]


def candidates_of_pairs(study: Study, judge: str) -> dict[str, list[str]]:
    """Image sets that the image of each compared method comes from; of a selection of the graph, its own rows."""
    selections = study.graph.selections
    methods = compared_methods(study, judge)
    return {each.name: [each.name] if each.name in selections else list(each.candidates) for each in methods}


def selector_of_pairs(study: Study, judge: str) -> str:
    """The metric that selects among the images of a method with several; empty if no compared method has several."""
    several = any(len(names) > 1 for names in candidates_of_pairs(study, judge).values())
    return study.judging[judge].entry.get("by", study.config["seed_selector"]) if several else ""


def images_of_pairs(study: Study, judge: str) -> list[str]:
    """Image sets and selections whose images a judge of pairs may see."""
    return list(dict.fromkeys(name for names in candidates_of_pairs(study, judge).values() for name in names))


def schedule_of(study: Study, judge: str) -> dict:
    """What decides the pairs of a prompt besides its id: `kind`, and `baseline` or `per_prompt` where it counts.

    A balanced schedule without `per_prompt` takes as few pairs as connect all methods: one less than there are.
    """
    entry, count = study.judging[judge].entry, len(compared_methods(study, judge))
    kind = entry.get("schedule", BASELINE)
    if kind == BASELINE:
        return {"kind": kind, "baseline": study.config["statistics"]["baseline"]}
    return {"kind": kind, "per_prompt": entry.get("per_prompt", count - 1)} if kind == BALANCED else {"kind": kind}


def scheduled_pairs(id: str, methods: Sequence[str], schedule: Mapping) -> list[tuple[str, str]]:
    """The pairs of a prompt: method, and the one that it is compared with, earlier in the list or the baseline.

    baseline   every method with the baseline, and with its neighbour in the list
    balanced   `per_prompt` of all pairs. The methods are put in an order drawn by the digest of id and name, and the
               pairs are taken along paths that visit every method once and have no pair in common. So each pair is
               equally likely for a prompt: over n prompts it occurs n * per_prompt / pairs times, give or take the
               root of n * share * (1 - share). With all methods but one per prompt, or more, every single prompt
               connects all methods, and the numbers of pairs of any two methods in it differ by three at most
    all        every pair

    Args:
        id: Of the prompt.
        methods: Names, in the order of the list.
        schedule: Of `schedule_of`.

    Source: the paths are Walecki's decomposition of the complete graph (Alspach 2008, The wonderful Walecki
    construction, Bulletin of the ICA 52, 7-20).
    """
    place = {name: index for index, name in enumerate(methods)}
    if schedule["kind"] == BASELINE:
        baseline = schedule["baseline"]
        pairs = [(name, baseline) for name in methods if name != baseline]
        near = [(later, earlier) for earlier, later in pairwise(methods)]
        return pairs + [pair for pair in near if baseline not in pair]
    if schedule["kind"] == ALL:
        return [(later, earlier) for earlier, later in combinations(methods, 2)]
    drawn = sorted(methods, key=lambda name: hashlib.sha256(f"{id}\0{name}".encode()).digest())
    walks = [(drawn[one], drawn[other]) for one, other in _walks(len(drawn))][: schedule["per_prompt"]]
    return [(one, other) if place[one] > place[other] else (other, one) for one, other in walks]


def check_pairs(study: Study) -> None:
    """Check the judges of pairs of a study whose methods are valid.

    Raises:
        InputError: a method or metric that does not exist, or a schedule that cannot be made; with key and remedy.
    """
    rows = [method.name for method in study.methods()]
    baseline = study.config["statistics"]["baseline"]
    for name in names_of(study.judging, PAIRS):
        place, entry = f"judges: {name}", study.judging[name].entry
        _known(f"{place}: methods", entry.get("methods", []), rows, "the methods")
        choosing = [*study.config["metrics"], *(f"judge-{each}" for each in study.judges_asked(PROMPT))]
        _known(f"{place}: by", [entry["by"]] if "by" in entry else [], choosing, "metrics and judges (judge-NAME)")
        compared = [method.name for method in compared_methods(study, name)]
        if len(compared) < 2 and not entry.get("demo"):
            raise InputError(f"{place}: methods: {', '.join(compared)}: one method makes no pair; name another")
        if EQUAL_COMPUTE in compared and study.budget["equal_compute"] == GPU_SECONDS:
            raise InputError(
                f"{place}: methods: the seeds of {EQUAL_COMPUTE!r} are known only in the tables with `budget: "
                f"equal_compute: {GPU_SECONDS}`; leave it out, or count them by steps"
            )
        if len(compared) < 2:
            continue
        kind, most = entry.get("schedule", BASELINE), len(compared) * (len(compared) - 1) // 2
        if kind == BASELINE and baseline not in compared:
            raise InputError(
                f"{place}: methods: schedule {BASELINE} compares with `statistics: baseline: {baseline}`, which is not "
                f"among them; add it, or set schedule to {BALANCED} or {ALL}"
            )
        if "per_prompt" in entry and kind != BALANCED:
            raise InputError(
                f"{place}: per_prompt: only schedule {BALANCED} reads it, and this one is {kind}; remove it"
            )
        if kind == BALANCED and entry.get("per_prompt", 1) > most:
            raise InputError(
                f"{place}: per_prompt: {len(compared)} methods make {most} pairs, not {entry['per_prompt']}"
            )


def _known(place: str, values: Collection[str], known: Sequence[str], where: str) -> None:
    for value in values:
        if value not in known:
            raise InputError(f"{place}: {value!r} is not one of {where}: {known_names(value, known)}")


def _walks(count: int) -> Iterator[tuple[int, int]]:
    """Every pair of `count` places once, along paths (closed ones for an odd count) through all places."""
    around = count - count % 2
    for start in range(around // 2):
        zigzag = [(start + (step + 1) // 2 * (1 if step % 2 else -1)) % around for step in range(around)]
        yield from pairwise([count - 1, *zigzag, count - 1] if count % 2 else zigzag)
