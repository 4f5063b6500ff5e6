"""Comparison of two studies: a conclusion, what went in, what came out."""

from __future__ import annotations

from dataclasses import dataclass

from detailscribe.capsule.compare.answers import compare_answers, compare_images
from detailscribe.capsule.compare.conclusion import Conclusion, compare_conclusions
from detailscribe.capsule.compare.differences import (
    CAUSES,
    INPUTS,
    MEANS,
    PARTS,
    SCORES,
    Difference,
    Part,
)
from detailscribe.capsule.compare.prompts import common_ids, compare_prompts
from detailscribe.capsule.compare.scores import compare_scores
from detailscribe.capsule.compare.settings import compare_settings
from detailscribe.capsule.compare.sides import Side
from detailscribe.capsule.compare.tables import compare_tables
from detailscribe.capsule.compare.verdicts import Conclusions, conclusions_of
from detailscribe.errors import InputError

SMALLEST = 1e-4  # a change of a score that shows in the six decimals of a mean over up to 100 prompts


@dataclass(frozen=True)
class SideFacts:
    """What a side is, in words for its heading."""

    place: str
    kind: str
    scenarios: dict[str, int]
    code: str
    date: str


@dataclass(frozen=True)
class Comparison:
    """What two sides have in common and what not.

    Attributes:
        a, b: The sides.
        conclusion: The answer to the first question.
        parts: In the order of PARTS.
        hints: What a reader should know before believing it.
        outcome: What the tables of both sides say.
    """

    a: SideFacts
    b: SideFacts
    conclusion: Conclusion
    parts: list[Part]
    hints: list[str]
    outcome: tuple[Conclusions, Conclusions]

    @property
    def equal(self) -> bool:
        """Whether nothing that was compared differs."""
        return not any(part.differences for part in self.parts)

    @property
    def differences(self) -> list[Difference]:
        return [each for part in self.parts for each in part.differences]

    def part(self, name: str) -> Part:
        return next(part for part in self.parts if part.name == name)


def compare(a: Side, b: Side) -> Comparison:
    """Compare two sides.

    Raises:
        InputError: a side has no scenario, or a file of it cannot be read.
    """
    for side in (a, b):
        if not side.scenarios:
            raise InputError(
                f"{side.place} holds no results of a scenario; run snakemake there, or name another folder"
            )
    b.share(a)
    both = [name for name in a.scenarios if name in b.scenarios]
    ids = {scenario: common_ids(a, b, scenario) for scenario in both}
    alike = a.scenarios == b.scenarios  # otherwise means over all scenarios are of other prompts
    outcome = conclusions_of(a, alike), conclusions_of(b, alike)
    conclusion, parts = compare_conclusions(*outcome, scope_text(*outcome))
    parts += [compare_prompts(a, b), *compare_settings(a, b)]
    parts += [compare_images(a, b, ids), compare_answers(a, b, ids), compare_scores(a, b, ids)]
    parts.append(compare_tables(a, b, set(both)))
    by_name = {part.name: part for part in parts}
    ordered = [by_name[name] for name in PARTS]
    return Comparison(_facts(a), _facts(b), conclusion, ordered, _hints(by_name, both), outcome)


def scope_text(a: Conclusions, b: Conclusions) -> str:
    """Scenarios, metrics and methods of verdicts and orders that only one side has, in words."""
    alone = []
    for letter, one, other in (("A", a, b), ("B", b, a)):
        keys = [{key[:2] for key in (*each.verdicts, *each.orders)} for each in (one, other)]
        scenarios = sorted({key[0] for key in keys[0]} - {key[0] for key in keys[1]})
        metrics = sorted({key[1] for key in keys[0]} - {key[1] for key in keys[1]})
        verdicts = [key for key in one.verdicts if key not in other.verdicts and key[:2] in keys[1]]
        methods = sorted({key[2].split(" against ")[0] for key in verdicts})
        names = [*(f"scenario {name}" for name in scenarios), *(f"metric {name}" for name in metrics)]
        names += [f"method {name}" for name in methods]
        alone += [f"{', '.join(names)} (only in {letter})"] if names else []
    return "; ".join(alone)


def _hints(parts: dict[str, Part], scenarios: list[str]) -> list[str]:
    hints = []
    went_in = [name for name in CAUSES if parts[name].differences]
    came_out = [name for name in PARTS if name not in CAUSES and parts[name].differences]
    if came_out and not went_in and scenarios:
        hints.append(
            "Nothing that went in differs, but results do: a model that answers differently each time, another order "
            "of floating-point operations, or edited files. `make capsule-verify` finds edited ones."
        )
    if went_in and not came_out:
        hints.append("What went in differs, and nothing that came out does.")
    if parts[INPUTS].differences and scenarios:
        hints.append(
            "The prompts differ: images, answers and scores are compared for those that both sides have; verdicts, "
            "means and tables cover all prompts of each side."
        )
    moved = {each.scenario for each in parts[SCORES].differences if abs(each.mean or 0) > SMALLEST}
    tabulated = {each.scenario for each in parts[MEANS].differences}
    if stale := sorted(moved - tabulated):
        hints.append(
            f"Scores of {', '.join(stale)} differ, and the means do not: the tables of one side are older than its "
            "scores. Run snakemake there and compare again."
        )
    return hints


def _facts(side: Side) -> SideFacts:
    code = side.contents.get("code")
    texts = [str(code[key]) for key in ("version", "commit") if code.get(key)] if isinstance(code, dict) else []
    prompts = {name: len(side.rows(f"results/{name}/prompts.jsonl")) for name in side.scenarios}
    return SideFacts(str(side.place), side.kind, prompts, " ".join(texts), str(side.contents.get("date", "")))
