"""Edited results of a finished study: `verify` names what a table depends on, and the next run makes it again."""

import contextlib
import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

from detailscribe.operations.verify import verify_study
from tests.fault_cases.finished_study import finished_study
from tests.fault_cases.kind import Case, Kind, require
from tests.workflow.small_study import Study

TABLES = ["tables/main.csv", "small/tables/main.csv", "small/dictionary.jsonl", "small/dropped.tsv"]
EDITED = [  # every file that a table is made from, and the tables
    *("results/small/decompositions/*", "results/small/critiques/*/*", "results/small/rewrites/*/*"),
    *("results/small/images/*/*.jsonl", "results/small/images/*/*/*", "results/small/scores/*/*"),
    *("results/small/ledgers/**/*.jsonl", "results/small/noun_phrases/*", "results/small/selections/*/*"),
    *("results/small/dictionary.jsonl", "results/small/tables/main.csv", "results/tables/main.csv"),
    *("resources/exchanges/*/*.json", "results/small/tables/*.csv"),
]
EDITS_PER_CASE = 4


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """A finished study, and the case on a copy of it."""
    reference = finished_study(folder / "study")
    expected = tables(reference)

    def case(number: int, random: Random, own: Path) -> None:
        shutil.copytree(reference.folder, own / "study", symlinks=True)
        study = Study(own / "study")
        edited = [edit(study.folder, random) for _ in range(EDITS_PER_CASE)]
        before = Path.cwd()
        os.chdir(study.folder)
        try:
            messages = verify_study(Path("results"), Path("resources"), ["small"])
        finally:
            os.chdir(before)
        # The images of a changed manifest are not looked at: the next run compares them with the ledger.
        unseen = False
        for path in {path for path in edited if path}:
            manifest = f"{Path(path).parent}.jsonl"
            seen = any(path in message for message in messages)
            unseen = unseen or not seen
            named = seen or any(manifest in message for message in messages)
            require(named, f"{path} was edited, and verify says: {messages[-1]}")
        if number % 4 == 0 or unseen:
            study.snakemake()
            require(tables(study) == expected, f"other tables after edits of {edited}")

    yield case


def tables(study: Study) -> dict[str, bytes]:
    """Tables, dictionary and dropped rows, and every image."""
    return {name: (study.results / name).read_bytes() for name in TABLES} | study.images()


def edit(folder: Path, random: Random) -> str:
    """Change one digit of a file, times kept; returns its name, empty if the file has no digit."""
    files: list[Path] = []
    while not files:
        files = sorted(path for path in folder.glob(random.choice(EDITED)) if path.is_file())
    path = random.choice(files)
    data, stat = bytearray(path.read_bytes()), path.stat()
    digits = [match.start() for match in re.finditer(rb"[0-9]", data)]
    if not digits:
        return ""
    place = random.choice(digits)
    data[place] = ord(random.choice([digit for digit in "0123456789" if ord(digit) != data[place]]))
    path.write_bytes(data)
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    return str(path.relative_to(folder))


KIND = Kind("results", 60, 90, prepare, in_sample=False)
