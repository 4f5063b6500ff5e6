"""The undisturbed study of a fault campaign, copies of it to disturb, and the comparison of results."""

import random
import re
import shutil
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from detailscribe.files.ledger import Ledger
from detailscribe.images.image_file import is_intact
from tests.workflow.small_study import PROMPTS, Study

TABLES = ["tables/main.csv", "small/tables/main.csv", "small/dictionary.jsonl", "small/dropped.tsv"]
TIMEOUT_S = 300  # of a run
# What Python's logging prints where Snakemake's own log file cannot be written.
LOGGING_ERROR = re.compile(r"^--- Logging error ---$.*?^Arguments: .*?$", re.M | re.S)


class Skipped(Exception):
    """The machine does not allow this fault."""


class Campaign:
    """The undisturbed study, and folders in which copies of it are disturbed."""

    def __init__(self, folder: Path, seed: int):
        self.folder, self.random = folder, random.Random(seed)
        self.reference = Study(folder / "reference", real=True)
        self.reference.folder.mkdir()
        self.reference.prompts(PROMPTS)
        self.reference.snakemake()
        self.expected = ends(self.reference)

    def finished(self, name: str) -> Study:
        """A copy of the finished study, with its mtimes."""
        shutil.copytree(self.reference.folder, self.folder / name, symlinks=True, dirs_exist_ok=True)
        return Study(self.folder / name, real=True)

    def fresh(self, name: str, built: bool = True) -> Study:
        """An unstarted study, with or without the miniature built."""
        study = Study(self.folder / name, real=True)
        study.folder.mkdir(exist_ok=True)
        study.prompts(PROMPTS)
        if built:
            study.take_miniature(self.reference)
        return study

    def check(self, study: Study, kept: dict[Path, int] | None = None) -> None:
        """Run to the end and compare; `kept` are files that were finished, with their mtimes."""
        study.snakemake()
        same(ends(study), self.expected)
        redone = [path.name for path, written in (kept or {}).items() if path.stat().st_mtime_ns != written]
        assert not redone, f"finished before, and made again: {redone[0]}"


def ends(study: Study) -> dict[str, bytes]:
    """Results of a study: tables and images by name."""
    return tables(study) | study.images()


def tables(study: Study) -> dict[str, bytes]:
    """Tables, dictionary and dropped rows by name."""
    return {name: (study.results / name).read_bytes() for name in TABLES}


def same(found: dict[str, bytes], expected: dict[str, bytes]) -> None:
    """Compare the results of two studies byte by byte."""
    differ = sorted(name for name in expected.keys() | found.keys() if found.get(name) != expected.get(name))
    assert not differ, f"{len(differ)} files differ from an undisturbed run's, {differ[0]} for one"


def stops(study: Study, *phrases: str, **changes) -> str:
    """Run, and expect a failure whose message has one of these phrases."""
    output = LOGGING_ERROR.sub("", study.snakemake(expect=1, **changes))
    assert "Traceback" not in output, output[-3000:]
    found = [line.strip() for line in output.splitlines() if any(phrase in line for phrase in phrases)]
    assert found, f"no message with {phrases}: {output[-3000:]}"
    return found[-1]


def finished_work(study: Study) -> dict[Path, int]:
    """Images and exchanges that are complete on disk, with their mtimes."""
    kept = list((study.folder / "resources" / "exchanges").glob("*/*.json"))
    for ledger in study.results.glob("small/ledgers/images/*/*.jsonl"):
        kept += [study.results / row["file"] for row in Ledger(ledger).rows() if is_intact(study.results, row)]
    return {path: path.stat().st_mtime_ns for path in kept}
