"""Outcome of a job in one line: rows that a model was asked for, or images, that are not usable; their reasons."""

from collections import Counter
from collections.abc import Iterable
from pathlib import Path

from detailscribe.files.rows import read_rows
from detailscribe.study.stages import NOTHING_TO_CORRECT

ROWS, REJECTED = ".jsonl", ".rejected.tsv"
REASON_LENGTH = 160  # characters of the most frequent reason
MOST_PLACES = 3  # files that a line names
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
    often = f"most often, {count} times" if count > 1 else "one of them"
    return f"{first}; the reasons are in {' and '.join(places)} ({often}: {_short(reason)})"


def images_line(outputs: Iterable[Path]) -> str:
    """Which image sets of a job's outputs lack images that it was to draw, or scores; empty if none does.

    Args:
        outputs: Manifests `.../{image set}/{shard}.jsonl`, or scores `.../{metric}/{shard}.jsonl`.
    """
    parts, places, first = [], [], ""
    for path in (path for path in outputs if path.suffix == ROWS):
        rows = [row for row in read_rows(path) if row.get("status") != "skipped"]
        unusable = [row for row in rows if row.get("status") in UNUSABLE]
        if unusable:
            counts = Counter(row["status"] for row in unusable)
            words = ", ".join(f"{counts[each]} of {len(rows)} {each}" for each in UNUSABLE if counts[each])
            parts.append(f"{path.parent.name}: {words}")
            places.append(str(path))
            first = first or unusable[0]["reason"]
    if not parts:
        return ""
    where = " and ".join(places[:MOST_PLACES]) + (" and others" if len(places) > MOST_PLACES else "")
    return f"{'; '.join(parts)}; the reasons are in {where} (the first: {_short(first)})"


def _short(reason: str) -> str:
    return reason if len(reason) <= REASON_LENGTH else reason[:REASON_LENGTH] + " ..."
