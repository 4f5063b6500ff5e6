"""Outcome of a job that asked a model, in one line: rows asked, ok, failed, refused, unparsed; where reasons stand."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from detailscribe.files.rows import read_rows
from detailscribe.study.stages import NOTHING_TO_CORRECT

ROWS, REJECTED = ".jsonl", ".rejected.tsv"
REASON_LENGTH = 160  # characters of the most frequent reason
UNUSABLE = ("failed", "refused", "unparsed")


def outcome_line(outputs: Iterable[Path]) -> str:
    """What became of the rows in a job's outputs; empty if each that a model was asked for is ok.

    Args:
        outputs: Files of rows; in a list of rejected topics each line is a row without an answer.
    """
    statuses, reasons, places = Counter[str](), Counter[str](), list[str]()
    for path in outputs:
        unusable = []
        if path.name.endswith(REJECTED):
            lines = path.read_text(encoding="utf-8").splitlines()[1:]
            unusable = [line.rpartition("\t")[2] for line in lines]
            statuses["rejected"] += len(unusable)
        elif path.suffix == ROWS:
            rows = read_rows(path)
            statuses.update(row.get("status", "ok") for row in rows)
            unusable = [row["reason"] for row in rows if row.get("status") in UNUSABLE]
        reasons.update(unusable)
        places += [str(path)] if unusable else []
    statuses["ok"] += statuses.pop(NOTHING_TO_CORRECT, 0)
    asked = sum(count for status, count in statuses.items() if status != "skipped")
    if asked == statuses["ok"]:
        return ""
    counts = ", ".join(f"{statuses[each]} {each}" for each in ("ok", *UNUSABLE, "rejected") if statuses[each])
    first = f"{asked} rows asked: {counts}" if statuses["ok"] else f"not one of {asked} rows asked is usable: {counts}"
    reason, count = reasons.most_common(1)[0]
    shown = reason if len(reason) <= REASON_LENGTH else reason[:REASON_LENGTH] + " ..."
    often = f" (most often, {count} times: {shown})" if count > 1 else f" (one of them: {shown})"
    return f"{first}; the reasons are in {' and '.join(places)}{often}"
