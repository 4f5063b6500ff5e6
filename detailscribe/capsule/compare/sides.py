"""A side of a comparison: a capsule's zip, an unpacked capsule or a study's folder, as files by their study paths.

Only files that a capsule may hold are read (`layout.MEMBERS`), so that a folder and its capsule have the same ones.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import Any

from detailscribe.capsule.check.described import contents_problems, read_contents
from detailscribe.capsule.layout import CONTENTS, MAX_BYTES, NAMED_FOLDERS, PLAIN_FOLDERS, STUDY, kind_of
from detailscribe.capsule.reader import CapsuleReader
from detailscribe.errors import InputError
from detailscribe.files.digests import file_sha256
from detailscribe.files.json_reader import load_json
from detailscribe.files.rows import decode_line

GIVEN = ("prompts.jsonl", "shards")  # files of a scenario that are no results
CAPSULE, FOLDER = "capsule", "folder"
COMPARED = (  # what is read of a folder; figures, pages, ledgers and images follow from it
    "results/*/prompts.jsonl",
    "results/*/dropped.tsv",
    *(f"results/*/{folder}/*.jsonl" for folder in PLAIN_FOLDERS),
    *(f"results/*/{folder}/*/*.jsonl" for folder in NAMED_FOLDERS),
    *("results/tables/*.csv", "results/*/tables/*.csv", "results/*/human/*.csv"),
    *("results/parameters/*.json", "results/fingerprints/*.json"),
    *("results/weights/*.json", "resources/weights/*.json", "resources/miniature/digests.json"),
)


class Side:
    """The files of one side.

    Attributes:
        place: Path as the user gave it.
        kind: CAPSULE or FOLDER.
        files: Paths below the study's folder, sorted.
        contents: `capsule.json`; empty for a study's folder.
        same: Files that are the other side's, too, byte for byte (`share`).
        own_sha256: SHA-256 of a file's bytes as this side has them.
    """

    def __init__(self, place: Path, kind: str, files: list[str], contents: dict, read: Any, sha256: Any):
        self.place, self.kind, self.files, self.contents = place, kind, sorted(files), contents
        self._own_read, self.own_sha256 = read, sha256
        self._names = set(files)
        self._twin: Side | None = None
        self.same: frozenset[str] = frozenset()

    def __contains__(self, file: str) -> bool:
        return file in self._names

    def share(self, other: Side) -> None:
        """Read the files that both sides have as the other side's.

        So a capsule that holds codes in place of names, and digests of the study's own files, equals that study.
        """
        same = frozenset(file for file in self.files if file in other and self.digest(file) == other.digest(file))
        self._twin, self.same, other.same = other, same, same

    def _read(self, file: str) -> bytes:
        return self._twin._read(file) if self._twin and file in self.same else self._own_read(file)

    @property
    def scenarios(self) -> list[str]:
        """Scenarios with results, in the order of their names; the start of a run writes the prompts of every one."""
        found = {parts[1] for file in self.files if (parts := file.split("/"))[2:] and parts[2] not in GIVEN}
        return [name for name in sorted(found) if f"results/{name}/prompts.jsonl" in self]

    def digest(self, file: str) -> str:
        """SHA-256 of a file as the study has it, also where the capsule holds it with names replaced."""
        name = STUDY + file
        recorded = self.contents.get("cleaned", {}).get(name)
        entry = self.contents.get("files", {}).get(name)
        if isinstance(recorded, str):
            return recorded
        if self.kind == CAPSULE and isinstance(entry, dict) and isinstance(entry.get("sha256"), str):
            return entry["sha256"]
        return self.own_sha256(file)

    def where(self, file: str) -> str:
        """Where a file is, for messages."""
        return f"{self.place}: {file}"

    def rows(self, file: str) -> list[dict]:
        """Rows of a JSON Lines file.

        Raises:
            InputError: a line is not a JSON object.
        """
        rows: list[dict] = []
        for number, line in enumerate(self._read(file).split(b"\n"), 1):
            if not line.strip():
                continue
            try:
                row = decode_line(line)
                if not isinstance(row, dict):
                    raise ValueError("not a JSON object")
            except ValueError as error:
                raise self._unreadable(f"{file}, line {number}", error) from None
            rows.append(row)
        return rows

    def record(self, file: str) -> dict:
        """The object of a JSON file.

        Raises:
            InputError: it holds none.
        """
        try:
            value = load_json(self._read(file), allow_nonfinite=True)
            if not isinstance(value, dict):
                raise ValueError("not a JSON object")
        except ValueError as error:
            raise self._unreadable(file, error) from None
        return value

    def table(self, file: str) -> tuple[list[str], list[dict[str, str]]]:
        """Columns and rows of a CSV or TSV file, every cell a text; no columns for a file that is not there.

        Raises:
            InputError: it is no such table.
        """
        if file not in self:
            return [], []
        try:
            lines = io.StringIO(self._read(file).decode("utf-8-sig"), newline="")
            rows = list(csv.reader(lines, delimiter="\t" if file.endswith(".tsv") else ",", strict=True))
        except (ValueError, csv.Error) as error:
            raise self._unreadable(file, error) from None
        columns = rows[0] if rows else []
        for number, row in enumerate(rows[1:], 2):
            if len(row) != len(columns):
                raise self._unreadable(f"{file}, row {number}", ValueError(f"{len(row)} cells, {len(columns)} columns"))
        return columns, [dict(zip(columns, row, strict=True)) for row in rows[1:]]

    def _unreadable(self, place: str, error: ValueError | csv.Error) -> InputError:
        remedy = "get another copy of it" if self.kind == CAPSULE else "delete the file and run snakemake again"
        return InputError(f"{self.where(place)}: {str(error)[:200]}; {remedy}")


@contextmanager
def open_side(place: Path) -> Iterator[Side]:
    """Open a capsule, an unpacked one, or the folder of a study.

    Raises:
        InputError: it is neither; names the path.
    """
    if not place.is_dir():
        with CapsuleReader(place) as reader:
            contents = read_contents(place, reader.read(CONTENTS))
            names = {name.removeprefix(STUDY): name for name in reader.members if kind_of(name)}
            read = partial(_read_member, reader, names)
            side = Side(place, CAPSULE, list(names), contents, read, partial(_sha256_of, read))
            yield _check_sealed(side, contents_problems(contents["files"], reader))
        return
    root, contents = place, {}
    if (place / CONTENTS).is_file():
        root, contents = place / STUDY, read_contents(place, (place / CONTENTS).read_bytes())
    if not (root / "results").is_dir():
        raise InputError(f"{place} is neither a capsule nor the folder of a study, which has a folder results/")
    files = [str(path.relative_to(root)) for pattern in COMPARED for path in root.glob(pattern)]
    files = [file for file in files if kind_of(STUDY + file) and (root / file).is_file()]
    side = Side(
        place,
        CAPSULE if contents else FOLDER,
        files,
        contents,
        partial(_read_file, root),
        lambda file: file_sha256(root / file),
    )
    if contents:
        lost = (name for name in contents["files"] if not (place / name).is_file())
        _check_sealed(side, (f"{name} was removed after it was unpacked" for name in lost))
    yield side


def _check_sealed(side: Side, problems: Iterable[str]) -> Side:
    """A capsule's side, whose files are as they were sealed: a comparison trusts their digests.

    Args:
        problems: Of its members, without their digests.

    Raises:
        InputError: a file is not as it was sealed; names it.
    """
    sealed = side.contents["files"]
    changed = (
        f"{file} was changed after it was sealed"
        for file in side.files
        if sealed.get(STUDY + file, {}).get("sha256") != side.own_sha256(file)
    )
    if problem := next(chain(problems, changed), ""):
        way_out = "unpack the capsule again" if side.place.is_dir() else "get another copy of it"
        raise InputError(f"{side.place}: {problem}; {way_out}")
    return side


def _read_member(reader: CapsuleReader, names: Mapping[str, str], file: str) -> bytes:
    if reader.members[names[file]] > MAX_BYTES:
        raise InputError(f"{reader.path}: {file} is larger than {MAX_BYTES:,} bytes; get another copy of it")
    return reader.read(names[file])


def _read_file(root: Path, file: str) -> bytes:
    try:
        return (root / file).read_bytes()
    except OSError as error:
        raise InputError(f"{root / file} cannot be read ({error.strerror or error}); correct its rights") from None


def _sha256_of(read: Any, file: str) -> str:
    import hashlib

    return hashlib.sha256(read(file)).hexdigest()
