"""Modification times of the files that Snakemake compares."""

import os
import time
from collections.abc import Iterator
from pathlib import Path


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
            folders.clear()
        if depth == 1:
            folders[:] = [name for name in folders if name not in ("ledgers", "changed")]
        yield from (folder / name for name in files if not name.startswith("."))
    for place in ("miniature/digests.json", "interacting/*", "written/*"):
        yield from resources.glob(place)
