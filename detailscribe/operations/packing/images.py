"""Packing of the images of finished shards, one archive per shard and image set (`files/packing.py`)."""

from collections.abc import Iterable
from pathlib import Path

from detailscribe.files.packed import files_in
from detailscribe.files.packing import pack, unpack
from detailscribe.files.rows import read_rows
from detailscribe.images.image_file import IMAGE_FILE, image_problem
from detailscribe.images.manifest import is_foreign


def pack_images(results: Path, scenarios: Iterable[str]) -> tuple[int, int, list[str]]:
    """Pack every image set of every shard that is finished, images of earlier settings included.

    Finished is a manifest without a failed row whose images are all there as they were made.

    Returns:
        The number of images packed, of archives written, and a message per manifest whose images stay as they are.
    """
    images, archives, messages = 0, 0, []
    for image_set in [path for name in scenarios for path in sorted((results / name / "images").glob("*/"))]:
        finished: dict[Path, list[str]] = {}
        for manifest in sorted(image_set.glob("*.jsonl")):
            folder = manifest.with_suffix("")
            if not (loose := [path.name for path in files_in(folder) if path.is_file() and _is_image(results, path)]):
                continue
            if problem := _unfinished(results, manifest):
                messages.append(f"{manifest}: {problem}; its images stay as they are")
            else:
                finished[folder] = loose
        images, archives = images + pack(finished), archives + len(finished)
    return images, archives, messages


def unpack_images(results: Path) -> int:
    """Write the packed images of all scenarios back as files; returns their number."""
    return sum(unpack(sorted(image_set.glob("*/"))) for image_set in sorted(results.glob("*/images/*/")))


def _is_image(results: Path, path: Path) -> bool:
    return IMAGE_FILE.fullmatch(path.relative_to(results).as_posix()) is not None


def _unfinished(results: Path, manifest: Path) -> str:
    """Why the images of a manifest are not packed; empty if they are."""
    try:
        rows = read_rows(manifest, ("id",))
        if failed := sum(row["status"] == "failed" for row in rows):
            return f"{failed} rows failed; `snakemake retry`, then run again"
        for row in rows:
            if row["file"] and is_foreign(manifest, row):
                return f"the row of {row['id']} names an image that is not its own; run `snakemake verify`"
            if row["status"] == "ok" and (problem := image_problem(results, row)):
                return f"the image of {row['id']} {problem}; run `snakemake verify`, then run again"
    except (ValueError, KeyError) as error:
        return f"it cannot be read ({error}); run `snakemake verify`, then run again"
    return ""
