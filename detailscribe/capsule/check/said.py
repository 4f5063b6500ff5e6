"""What a check of a capsule says on the terminal."""

import hashlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from detailscribe.capsule.check.rebuilt import Rebuilt
from detailscribe.capsule.check.remade import FIGURES, place_of

MOST = 20  # results that are named, each


def say(lines: Iterable[str]) -> None:
    """Print lines at once."""
    for line in lines:
        print(line, flush=True)


def own_facts(data: bytes) -> dict:
    """sha256 and bytes of a file that does not name itself."""
    return {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}


def say_rebuilt(path: Path, rebuilt: Rebuilt) -> int:
    """Say what came of making results again; returns the exit status."""
    rows, tables, figures = (_of_kind(rebuilt.same, kind) for kind in ("rows", "tables", FIGURES))
    if rows:
        say([f"{len(rows)} files of rows follow from the recorded answers and scores, byte for byte"])
    if tables:
        say([f"{len(tables)} tables follow from the rows, byte for byte"])
    if figures:
        say([f"{len(figures)} figures are the same"])
    different = list(rebuilt.different.items())
    say([f"DIFFERS: {path}: study/{name}: {where}" for name, where in different[:MOST]])
    if len(different) > MOST:
        say([f"and {len(different) - MOST} more files"])
    for reason, names in _by_reason(rebuilt.failed).items():
        more = f" and {len(names) - 1} more" if len(names) > 1 else ""
        say([f"NOT MADE: study/{names[0]}{more}: {reason}"])
    say([f"taken from the capsule: {line}" for line in rebuilt.taken])
    if rebuilt.other_settings:
        say([f"this version has other parameters than the capsule's for: {', '.join(rebuilt.other_settings)}"])
    if rebuilt.is_good:
        say([f"{path}: the tables follow from what it holds"])
    return 0 if rebuilt.is_good else 1


def _of_kind(names: Iterable[str], kind: str) -> list[str]:
    return [name for name in names if _kind(name) == kind]


def _kind(name: str) -> str:
    folder = place_of(name).get("folder", "")
    if folder in ("tables", FIGURES):
        return folder
    return "rows" if PurePosixPath(name).suffix == ".jsonl" else "tables"


def _by_reason(failed: dict[str, str]) -> dict[str, list[str]]:
    by_reason: dict[str, list[str]] = {}
    for name, reason in failed.items():
        by_reason.setdefault(reason, []).append(name)
    return by_reason
