"""Files of a results folder that nothing names any more: found, and removed when somebody asks for it."""

import os
import re
from collections.abc import Iterator
from pathlib import Path

from detailscribe.files.rows import read_rows

TEMPORARY = re.compile(r"\..+\.tmp")  # the names that records.replacing gives


def unnamed(results: Path, exchanges: Path) -> list[Path]:
    """Images that no manifest, dictionary or rating workbook names, images that `verify` set aside, and temporary
    files that a kill left.

    An image set whose manifest is not there is unfinished, and its images are left alone. Links to folders are not
    followed. Nothing may work in the results folder meanwhile.

    Args:
        results: Folder of results.
        exchanges: Folder of exchanges, of which only temporary files are found.
    """
    found = {path for place in (results, exchanges) for path in _files(place) if TEMPORARY.fullmatch(path.name)}
    for scenario in _folders(results):
        named = _named(results, scenario)
        for image_set in _folders(scenario / "images"):
            for shard in _folders(image_set):
                if shard.with_suffix(".jsonl").is_file():
                    found |= {path for path in _files(shard) if path not in named}
        found |= set(_files(scenario / "changed"))
    return sorted(found)


def remove(files: list[Path]) -> None:
    """Remove files; a link goes, and what it points to stays. Folders keep their times, which Snakemake reads."""
    times = {path.parent: path.parent.stat() for path in files}
    for path in files:
        path.unlink()
    for folder, time in times.items():
        os.utime(folder, ns=(time.st_atime_ns, time.st_mtime_ns))


def _named(results: Path, scenario: Path) -> set[Path]:
    rows = [row for manifest in (scenario / "images").glob("*/*.jsonl") for row in read_rows(manifest)]
    rows += [row for key in (scenario / "human" / "sheets").glob("key.jsonl") for row in read_rows(key)]
    named = {row["file"] for row in rows if row["file"]}
    for dictionary in scenario.glob("dictionary.jsonl"):
        named |= {file for row in read_rows(dictionary) for file in row["images"].values()}
    return {results / file for file in named}


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()] if folder.is_dir() else []


def _files(folder: Path) -> Iterator[Path]:
    """Everything below a folder that is no folder, links to folders included."""
    for place, folders, files in os.walk(folder):
        yield from (
            Path(place) / name for name in [*files, *folders] if name in files or (Path(place) / name).is_symlink()
        )
