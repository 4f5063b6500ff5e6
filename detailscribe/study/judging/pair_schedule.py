"""Schedule of pairs: which methods a judge compares, or people do, and which two of them for a prompt.

The pairs of a prompt depend on its id and on the entry alone: other prompts, their order and the number of shards
change nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import partial
from itertools import combinations, pairwise
from typing import TYPE_CHECKING

from detailscribe.errors import InputError, known_names
from detailscribe.study.judging.judges import PAIRS, PROMPT, names_of
from detailscribe.study.methods import EQUAL_COMPUTE, GPU_SECONDS, PAPER_ROWS, Method

if TYPE_CHECKING:
    from detailscribe.study.study import Study

BASELINE, BALANCED, ALL = "baseline", "balanced", "all"  # values of `schedule`


def methods_of_pairs(study: Study, entry: Mapping, usual: Sequence[str]) -> list[Method]:
    """The methods that an entry compares: those of its list, or the usual ones, as far as their images are known.

    Args:
        entry: Of a judge of pairs, or of people.
        usual: Names; those of no method are left out.
    """
    rows = {method.name: method for method in study.methods()}
    known = [name for name in dict.fromkeys(usual) if name in rows and not _is_undecided(study, name)]
    return [rows[name] for name in entry.get("methods") or known]


def candidates_of(study: Study, methods: Sequence[Method]) -> dict[str, list[str]]:
    """Image sets that the image of each compared method comes from; of a selection of the graph, its own rows."""
    selections = study.graph.selections
    return {each.name: [each.name] if each.name in selections else list(each.candidates) for each in methods}


def selector_of(study: Study, entry: Mapping, methods: Sequence[Method]) -> str:
    """The metric that selects among the images of a method with several; empty if no compared method has several."""
    several = any(len(names) > 1 for names in candidates_of(study, methods).values())
    return entry.get("by", study.config["seed_selector"]) if several else ""


def schedule_of_entry(study: Study, entry: Mapping, methods: Sequence[Method]) -> dict:
    """What decides the pairs of a prompt besides its id: `kind`, and `baseline` or `per_prompt` where it counts.

    A balanced schedule without `per_prompt` takes as few pairs as connect all methods: one less than there are.
    """
    kind = _kind(study, entry, [method.name for method in methods])
    if kind == BASELINE:
        return {"kind": kind, "baseline": study.config["statistics"]["baseline"]}
    return (
        {"kind": kind, "per_prompt": entry.get("per_prompt", len(methods) - 1)} if kind == BALANCED else {"kind": kind}
    )


def check_entry(study: Study, place: str, entry: Mapping, methods: Callable[[], list[Method]]) -> None:
    """Check an entry of a study whose methods are valid.

    Args:
        place: The entry's place in the configuration.
        entry: Of a judge of pairs, or of people.
        methods: Of `methods_of_pairs`, once the names are known to be right.

    Raises:
        InputError: a method or metric that does not exist, or a schedule that cannot be made; with key and remedy.
    """
    baseline = study.config["statistics"]["baseline"]
    _known(f"{place}: methods", entry.get("methods", []), [method.name for method in study.methods()], "the methods")
    choosing = [*study.config["metrics"], *(f"judge-{each}" for each in study.judges_asked(PROMPT))]
    _known(f"{place}: by", [entry["by"]] if "by" in entry else [], choosing, "metrics and judges (judge-NAME)")
    names = [method.name for method in methods()]
    if len(names) < 2:
        if entry.get("demo"):
            return
        raise InputError(f"{place}: methods: {', '.join(names) or 'none'}: a pair needs two methods; name another")
    if undecided := [name for name in names if _is_undecided(study, name)]:
        raise InputError(
            f"{place}: methods: the seeds of {undecided[0]!r} are known only in the tables with `budget: "
            f"equal_compute: {GPU_SECONDS}`; leave it out, or count them by steps"
        )
    kind, most = _kind(study, entry, names), len(names) * (len(names) - 1) // 2
    if kind == BASELINE and baseline not in names:
        is_undecided = _is_undecided(study, baseline)
        why = "whose images the tables alone know;" if is_undecided else "which is not among them; add it, or"
        raise InputError(
            f"{place}: methods: schedule {BASELINE} compares with `statistics: baseline: {baseline}`, {why} set "
            f"schedule to {BALANCED} or {ALL}"
        )
    if "per_prompt" in entry and kind != BALANCED:
        raise InputError(f"{place}: per_prompt: only schedule {BALANCED} reads it, and this one is {kind}; remove it")
    if kind == BALANCED and entry.get("per_prompt", 1) > most:
        raise InputError(f"{place}: per_prompt: {len(names)} methods make {most} pairs, not {entry['per_prompt']}")


def compared_methods(study: Study, judge: str) -> list[Method]:
    """The methods that a judge of pairs compares, in the order of its list or of the paper's main table.

    Without a list the baseline is one of them, unless the tables alone know its images.
    """
    return methods_of_pairs(study, study.judging[judge].entry, [*PAPER_ROWS, study.config["statistics"]["baseline"]])


def candidates_of_pairs(study: Study, judge: str) -> dict[str, list[str]]:
    """`candidates_of` a judge of pairs."""
    return candidates_of(study, compared_methods(study, judge))


def selector_of_pairs(study: Study, judge: str) -> str:
    """`selector_of` a judge of pairs."""
    return selector_of(study, study.judging[judge].entry, compared_methods(study, judge))


def images_of_pairs(study: Study, judge: str) -> list[str]:
    """Image sets and selections whose images a judge of pairs may see."""
    return list(dict.fromkeys(name for names in candidates_of_pairs(study, judge).values() for name in names))


def schedule_of(study: Study, judge: str) -> dict:
    """`schedule_of_entry` of a judge of pairs."""
    return schedule_of_entry(study, study.judging[judge].entry, compared_methods(study, judge))


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
        schedule: Of `schedule_of_entry`.

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
        InputError: as `check_entry`.
    """
    for name in names_of(study.judging, PAIRS):
        check_entry(study, f"judges: {name}", study.judging[name].entry, partial(compared_methods, study, name))


def _kind(study: Study, entry: Mapping, names: Sequence[str]) -> str:
    """The schedule of an entry; balanced where nobody asked for a baseline whose images the tables alone know."""
    kind, baseline = entry.get("schedule", BASELINE), study.config["statistics"]["baseline"]
    is_chosen = bool(entry.get("methods")) or ("schedule" in entry and not entry.get("demo"))
    is_missing = baseline not in names and _is_undecided(study, baseline)
    return BALANCED if kind == BASELINE and is_missing and not is_chosen else kind


def _is_undecided(study: Study, method: str) -> bool:
    """Whether the tables alone know which images a method has."""
    return method == EQUAL_COMPUTE and study.budget["equal_compute"] == GPU_SECONDS


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
