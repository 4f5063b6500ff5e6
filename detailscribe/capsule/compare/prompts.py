"""Prompts of two sides: added, removed, edited, and scenarios that only one of them has."""

from __future__ import annotations

import difflib
from collections.abc import Iterator
from functools import partial

from detailscribe.capsule.compare.differences import ABSENT, INPUTS, Difference, Part, of_both
from detailscribe.capsule.compare.paired_rows import PairedRows, differing, paired_rows
from detailscribe.capsule.compare.sides import Side

ALIKE = 0.6  # ratio of equal letters from which a prompt of the same topic counts as edited
MOST_PAIRS = 100  # new prompts among which an edited one is looked for by its words alone


def compare_prompts(a: Side, b: Side) -> Part:
    """Prompts by id. An edited prompt has another id: it is found by topic and wording."""
    part = Part(INPUTS)
    for scenario in sorted({*a.scenarios, *b.scenarios}):
        file = f"results/{scenario}/prompts.jsonl"
        if file in a and file in b:
            rows = paired_rows(a, b, [file], [file], ("id",))
            found = list(_of_scenario(scenario, rows))
            part.add(found, len(rows.a) + sum(each.a == ABSENT for each in found))
        else:
            count = len((a if file in a else b).rows(file))
            texts = (f"{count} prompts", ABSENT) if file in a else (ABSENT, f"{count} prompts")
            part.add([Difference(INPUTS, scenario, "the whole scenario", *texts, changed=count)], count, count)
    return part


def _of_scenario(scenario: str, rows: PairedRows) -> Iterator[Difference]:
    added = {id: row for (id,), row in rows.b.items() if (id,) not in rows.a}
    for (id,), row in rows.a.items():
        if (id,) in rows.b:
            other = rows.b[id,]
            if columns := differing(row, other):
                texts = of_both(partial(_columns, columns), row, other)
                yield _difference(scenario, id, *texts, "the same prompt with other columns")
        elif (now := _edited(row, added)) is not None:
            yield _difference(scenario, id, _text(row), _text(added.pop(now)), f"edited, now {now}")
        else:
            yield _difference(scenario, id, _text(row), ABSENT, "only in A")
    for id, row in added.items():
        yield _difference(scenario, id, ABSENT, _text(row), "only in B")


def common_ids(a: Side, b: Side, scenario: str) -> set[str]:
    """Ids of the prompts that both sides have in a scenario."""
    file = f"results/{scenario}/prompts.jsonl"
    return {str(row.get("id")) for row in a.rows(file)} & {str(row.get("id")) for row in b.rows(file)}


def _edited(row: dict, added: dict[str, dict]) -> str | None:
    """Id of the new prompt that a prompt became: the nearest of the same topic, or one of nearly the same words."""
    same = {id: other for id, other in added.items() if other.get("topic") == row.get("topic")}
    if not same and len(added) > MOST_PAIRS:
        return None
    ratios = {
        id: difflib.SequenceMatcher(None, _text(row), _text(other)).ratio() for id, other in (same or added).items()
    }
    best = max(ratios, key=lambda id: ratios[id], default=None)
    return best if best is not None and (same or ratios[best] >= ALIKE) else None


def _columns(names: list[str], row: dict) -> str:
    return ", ".join(f"{name} {row.get(name, ABSENT)}" for name in names)


def _text(row: dict) -> str:
    return str(row.get("prompt", ""))


def _difference(scenario: str, id: str, a: str, b: str, note: str) -> Difference:
    return Difference(INPUTS, scenario, id, a, b, note, places=(f"results/{scenario}/prompts.jsonl",))
