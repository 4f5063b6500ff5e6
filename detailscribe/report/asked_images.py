"""Answers of judges of parts and of remarks as the page of a prompt shows them: what is missing before and after."""

from __future__ import annotations

from dataclasses import dataclass

from detailscribe.scores.judges.audit import BEFORE
from detailscribe.tables.judging.parts_table import HALF

YES, NO, UNREAD = "yes", "no", "unread"


@dataclass(frozen=True)
class Cell:
    """An answer.

    Attributes:
        kind: yes (good), no (bad), or unread.
        text: What the table shows.
        title: Its value, for hovering.
        changed: Whether it differs from the image before.
    """

    kind: str
    text: str
    title: str
    changed: bool = False


def parts_of_prompt(
    scores: dict[str, dict[tuple[str, str], dict]], id: str, initial: str, refined: list[str]
) -> dict[str, dict]:
    """By judge of parts: `image_sets`, the initial one first, and `rows` of text, kind and a cell per image set.

    Args:
        scores: Score rows by metric, by (id, image set).
        id: Of the prompt.
        initial: The image set before.
        refined: Image sets after it.
    """
    found = {}
    for judge, rows in scores.items():
        by_set = {name: rows.get((id, name), {}).get("parts") or [] for name in [initial, *refined]}
        named = {(part["kind"], part["text"]): None for parts in by_set.values() for part in parts}
        values = {name: {(each["kind"], each["text"]): each for each in parts} for name, parts in by_set.items()}
        table = [
            {
                "text": text,
                "kind": kind,
                "cells": {
                    name: _part_cell(of_set.get((kind, text)), values[initial].get((kind, text)))
                    for name, of_set in values.items()
                },
            }
            for kind, text in named
        ]
        if table:
            found[judge] = {"image_sets": list(by_set), "rows": table}
    return found


def remarks_of_critique(audits: dict[str, list[dict]], id: str, critic: str) -> dict[str, dict]:
    """By judge of remarks: `image_sets`, the one before first, and `rows` of number, remark and a cell per image set.

    Args:
        audits: Rows of `audit_critiques` by judge.
        id: Of the prompt.
        critic: Name.
    """
    found = {}
    for judge, rows in audits.items():
        own = [row for row in rows if (row["id"], row["critic"]) == (id, critic) and row["number"]]
        before = {row["number"]: row["value"] for row in own if row["when"] == BEFORE}
        table: dict[int, dict] = {}
        for row in own:
            of_remark = table.setdefault(row["number"], {"number": row["number"], "remark": row["remark"], "cells": {}})
            of_remark["cells"][row["image_set"]] = _remark_cell(row, before.get(row["number"]))
        if table:
            sets = dict.fromkeys(row["image_set"] for row in own)
            found[judge] = {"image_sets": list(sets), "rows": list(table.values())}
    return found


def _part_cell(part: dict | None, before: dict | None) -> Cell:
    if part is None or part["value"] is None:
        return Cell(UNREAD, "?", part["status"] if part else "not asked")
    is_shown = part["value"] > HALF
    changed = bool(before and before["value"] is not None and (before["value"] > HALF) != is_shown)
    word = "shown" if is_shown else "missing"
    return Cell(YES if is_shown else NO, word, f"{part['value']:.3f}", changed)


def _remark_cell(row: dict, before: float | None) -> Cell:
    value = row["value"]
    if value is None or (before is None and row["when"] != BEFORE):
        return Cell(UNREAD, "?", row["reason"] or row["status"])
    is_there, was_there = value > HALF, before is not None and before > HALF
    if row["when"] == BEFORE:
        return Cell(YES if is_there else NO, "true" if is_there else "not true", f"{value:.3f}")
    word = ("still there" if is_there else "fixed") if was_there else ("newly harmed" if is_there else "absent")
    return Cell(NO if is_there else YES, word, f"{value:.3f}", is_there != was_there)
