"""Garbage collection: files of a results folder that no manifest, dictionary or rating sheet references."""

import os
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from detailscribe.files.packed import ARCHIVE, files_in, packed_names, size_of
from detailscribe.files.packing import drop
from detailscribe.files.rows import read_rows

TEMPORARY = re.compile(r"\..+\.tmp")  # names that files.atomic.atomic_write gives


def unreferenced_files(results: Path, exchanges: Path) -> list[Path]:
    """Unreferenced images, latents of images that are not there, changed files that `verify` moved, temporary files.

    An image set without a manifest is unfinished, and its images are kept. Links to folders are not followed. Nothing
    else may write to the results folder meanwhile.

    Args:
        results: Results folder.
        exchanges: Folder of exchanges, of which only temporary files are returned.
    """
    files = {path for folder in (results, exchanges) for path in _files(folder) if TEMPORARY.fullmatch(path.name)}
    files |= set(_files(results / "changed"))
    for scenario in _folders(results):
        referenced = _referenced_files(results, scenario)
        for image_set in _folders(scenario / "images"):
            for shard in _folders(image_set):
                if shard.with_suffix(".jsonl").is_file():
                    files |= {path for path in _images(shard) if path not in referenced}
        shards = scenario.glob("images/*/*/")
        images = {path.stem for shard in shards for path in files_in(shard) if path not in files}
        # {id}-{key}-k{k}.safetensors belongs to the image {id}-{key}.
        files |= {path for path in _files(scenario / "latents") if path.name.rpartition("-k")[0] not in images}
        files |= set(_files(scenario / "changed"))
    return sorted(files)


def sizes_by_folder(files: list[Path]) -> list[str]:
    """Number and size of files, one line per folder and one for all."""
    sizes: dict[Path, list[int]] = defaultdict(list)
    for path in files:
        sizes[path.parent].append(path.lstat().st_size if _is_loose(path) else size_of(path))
    lines = [f"{folder}: {len(each)} files, {sum(each) / 1e6:.1f} MB" for folder, each in sizes.items()]
    return [*lines, f"{len(files)} files, {sum(map(sum, sizes.values())) / 1e6:.1f} MB"]


def remove_files(files: list[Path]) -> None:
    """Remove files, loose or packed; of symlinks the targets are kept.

    Folders keep their mtimes, which Snakemake compares.
    """
    times = {path.parent: path.parent.stat() for path in files}
    packed = {path for path in files if path.name in packed_names(path.parent)}
    for path in files:
        path.unlink(missing_ok=path in packed)
    for folder in {path.parent for path in packed}:
        drop(folder, [path.name for path in packed if path.parent == folder])
    for folder, time in times.items():
        os.utime(folder, ns=(time.st_atime_ns, time.st_mtime_ns))


def _referenced_files(results: Path, scenario: Path) -> set[Path]:
    rows = [row for manifest in (scenario / "images").glob("*/*.jsonl") for row in read_rows(manifest)]
    rows += [row for key in (scenario / "human" / "sheets").rglob("key.jsonl") for row in read_rows(key)]
    files = {row["file"] for row in rows if row["file"]}
    pairs = [row for key in (scenario / "human" / "pair_sheets").rglob("key.jsonl") for row in read_rows(key)]
    files |= {row[f"{side}_file"] for row in pairs for side in ("first", "second")}
    for dictionary in scenario.glob("dictionary.jsonl"):
        files |= {file for row in read_rows(dictionary) for file in row["images"].values()}
    return {results / file for file in files}


def _images(folder: Path) -> Iterator[Path]:
    """Files of a shard's images, loose or packed; without their archive."""
    yield from (path for path in _files(folder) if path != folder / ARCHIVE)
    yield from (folder / name for name in packed_names(folder))


def _is_loose(path: Path) -> bool:
    return path.is_symlink() or path.exists()


def _folders(folder: Path) -> list[Path]:
    return [path for path in folder.iterdir() if path.is_dir() and not path.is_symlink()] if folder.is_dir() else []


def _files(folder: Path) -> Iterator[Path]:
    """Everything below a folder except folders; links to folders are included."""
    for parent, folders, files in os.walk(folder):
        yield from (Path(parent) / name for name in files)
        yield from (Path(parent) / name for name in folders if (Path(parent) / name).is_symlink())
