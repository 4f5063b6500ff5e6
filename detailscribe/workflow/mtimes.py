"""Modification times of the files that Snakemake compares: clocks that were set back, copies that lost the times."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

from detailscribe.files.packed import ARCHIVE

MARK = ".times"  # file of results/ whose mtime is MARK_NS, unless the folder was copied without mtimes
MARK_NS = 10**18  # a whole even second, which every file system can store
COPIED = (
    "results/ was copied without its modification times, so that jobs are planned whose work is done. Copy it with "
    "`cp -a` or `rsync -a`, or run them: they find their images, scores and answers, and make none again."
)


def copied_without_times(results: Path, settle: bool) -> bool:
    """Whether the results folder was copied since its last run by a tool that gives each file the time of the copy.

    Args:
        results: The folder.
        settle: Whether to answer only once.
    """
    mark = results / MARK
    copied = mark.is_file() and mark.stat().st_mtime_ns != MARK_NS
    if not mark.is_file() or (copied and settle):
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.touch()
        os.utime(mark, ns=(MARK_NS, MARK_NS))
    return copied


def clamp_future_mtimes(results: Path, resources: Path = Path("resources")) -> None:
    """Shift future mtimes of the files that Snakemake compares back by a common offset.

    Otherwise, after the clock is set back, a changed parameter file would look older than outputs built from the old
    value, and Snakemake would consider them up to date.
    """
    times = {path: path.stat() for path in _compared(results, resources)}
    ahead = max((stat.st_mtime_ns for stat in times.values()), default=0) - time.time_ns()
    if ahead > 0:
        for path, stat in times.items():
            os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns - ahead))


def _compared(results: Path, resources: Path) -> Iterator[Path]:
    """Files and folders whose mtimes decide what runs. Single images, thousands per folder, are not among them."""
    for place, folders, files in os.walk(results):
        folder, depth = Path(place), len(Path(place).relative_to(results).parts)
        if depth == 3 and folder.parts[-2] == "images":
            yield from (folder / name for name in folders)
            yield from (archive for name in folders if (archive := folder / name / ARCHIVE).is_file())
            folders.clear()
        if depth == 0:
            folders[:] = [name for name in folders if not name.startswith(".") and name != "changed"]
        if depth == 1:
            folders[:] = [name for name in folders if name not in ("ledgers", "changed")]
        yield from (folder / name for name in files if not name.startswith("."))
    yield from results.glob("*/ledgers/seconds/*/*.jsonl")  # no other ledger is an input
    for place in ("miniature/digests.json", "interacting/*", "written/*"):
        yield from resources.glob(place)
