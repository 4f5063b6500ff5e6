"""Images of a site: small ones made once, full ones as hard links, so that its folder is whole and takes no room."""

import contextlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image

from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import KEY_LENGTH

SIDE_PX = 256
QUALITY = 80  # of JPEG


def thumbnail_name(row: dict) -> str:
    """Name of the small image of a manifest row: its bytes' digest, so that equal images share one and a changed one
    gets its own."""
    return f"{row['sha256'][:KEY_LENGTH]}.jpg"


def place(rows: Iterable[dict], results: Path, site: Path, threads: int) -> None:
    """Put the images of manifest rows into a site: `thumbnails/{digest}.jpg` and `images/{image_set}/{file name}`.

    What is there already is kept. A file that cannot be read gets no thumbnail; the page then shows its alt text.
    """
    for folder in ("thumbnails", "images"):
        (site / folder).mkdir(parents=True, exist_ok=True)
    rows = [row for row in rows if row["file"]]
    there = {entry.name for entry in os.scandir(site / "thumbnails")}
    new = {name: row["file"] for row in rows if (name := thumbnail_name(row)) not in there}
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda item: _shrink(results / item[1], site / "thumbnails" / item[0]), new.items()))
    for row in rows:
        link(results / row["file"], site / full_name(row))


def full_name(row: dict) -> str:
    """Where the full image of a manifest row lies in a site: `{scenario}/images/{image_set}/{shard}/{name}` without
    scenario and shard, which a change of shards would move."""
    _, folder, image_set, _, name = Path(row["file"]).parts
    return f"{folder}/{image_set}/{name}"


def link(source: Path, target: Path) -> None:
    """Make `target` the same file as `source`; a copy where the file system cannot link."""
    if target.exists() and (target.samefile(source) or _alike(source, target)):
        return
    with atomic_write(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copy2(source, temporary)


def prune(folder: Path, keep: set[str]) -> None:
    """Remove the files of a folder, given relative to it, that are not to be kept."""
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)) not in keep:
            path.unlink()


def _alike(source: Path, target: Path) -> bool:
    one, other = source.stat(), target.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _shrink(source: Path, target: Path) -> None:
    with contextlib.suppress(OSError, ValueError, Image.DecompressionBombError), Image.open(source) as image:
        image.draft("RGB", (2 * SIDE_PX, 2 * SIDE_PX))
        image = image.convert("RGB")
        image.thumbnail((SIDE_PX, SIDE_PX))
        with atomic_write(target) as temporary:
            image.save(temporary, format="JPEG", quality=QUALITY)
