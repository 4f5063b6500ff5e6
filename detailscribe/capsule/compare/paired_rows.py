"""Rows of both sides by what they are of, over all shards, whose number may differ."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from detailscribe.capsule.compare.differences import is_withheld
from detailscribe.capsule.compare.sides import Side

Key = tuple
# Digests and records beside what a row says; they differ where the same was asked in another way, or elsewhere.
BESIDE = frozenset({"exchange", "fingerprint", "key", "file", "software"})


@dataclass(frozen=True)
class PairedRows:
    """Rows of one folder on both sides, by key; `same` says that the files are the same bytes."""

    a: dict[Key, dict]
    b: dict[Key, dict]
    same: bool

    @property
    def common(self) -> list[Key]:
        """Keys of both, in A's order."""
        return [key for key in self.a if key in self.b]


def names_below(a: Side, b: Side, folder: str) -> list[str]:
    """Names of the folders below a folder on either side, in the order of their names."""
    start = f"{folder}/"
    found = {file.removeprefix(start).split("/")[0] for side in (a, b) for file in side.files if file.startswith(start)}
    return sorted(found)


def files_below(side: Side, folder: str) -> list[str]:
    """The JSON Lines files in a folder of a side, in the order of their names."""
    start = f"{folder}/"
    return [
        file
        for file in side.files
        if file.startswith(start) and file.endswith(".jsonl") and "/" not in file.removeprefix(start)
    ]


def paired_rows(a: Side, b: Side, files_a: Sequence[str], files_b: Sequence[str], key: Sequence[str]) -> PairedRows:
    """Rows of files on both sides by key; equal files are read once.

    Args:
        a, b: The sides.
        files_a, files_b: Their files.
        key: Columns of the key.

    Raises:
        InputError: a file cannot be read.
    """
    of_a = rows_by_key(a, files_a, key)
    if list(files_a) == list(files_b) and b.same.issuperset(files_b):
        return PairedRows(of_a, of_a, True)
    return PairedRows(of_a, rows_by_key(b, files_b, key), False)


def rows_by_key(side: Side, files: Iterable[str], key: Sequence[str]) -> dict[Key, dict]:
    """Rows of files of one side by key."""
    return {tuple(str(row.get(name)) for name in key): row for file in files for row in side.rows(file)}


def differing(one: dict, other: dict) -> list[str]:
    """Columns in which two rows say something else; not where a capsule withholds what one of them says."""
    names = [name for name in one | other if name not in BESIDE and one.get(name) != other.get(name)]
    return [name for name in names if not (is_withheld(one.get(name)) or is_withheld(other.get(name)))]
