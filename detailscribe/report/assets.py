"""Images of a report site: thumbnails made once, and hard links to full images, so that the folder is complete."""

import contextlib
import os
import shutil
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import KEY_LENGTH
from detailscribe.files.packed import files_in, read_bytes
from detailscribe.images.image_reader import UnreadableImage, read_image
from detailscribe.report.packed_site import forget_packed, is_packing, left_out_images

SIDE_PX = 256
QUALITY = 80  # of JPEG


def thumbnail_path(row: dict) -> str:
    """Path of a manifest row's thumbnail in a site.

    It is named by the digest of the image's bytes, so that equal images share a thumbnail and a changed one gets a new
    one.
    """
    return f"thumbnails/{row['sha256'][:KEY_LENGTH]}.jpg"


def image_path(row: dict) -> str:
    """Path of a manifest row's full image in a site: `images/{image_set}/{file name}`.

    That is its path in the results without the scenario and the shard, which changes with the number of shards.
    """
    _, folder, image_set, _, name = Path(row["file"]).parts
    return f"{folder}/{image_set}/{name}"


def add_images(rows: Iterable[dict], results: Path, site: Path, threads: int) -> None:
    """Add the thumbnails and full images of manifest rows to a site; existing ones are kept.

    A file that cannot be read gets no thumbnail; the page then shows the alternative text.
    """
    for folder in ("thumbnails", "images"):
        (site / folder).mkdir(parents=True, exist_ok=True)
    rows = [row for row in rows if row["file"]]
    existing = {f"thumbnails/{path.name}" for path in files_in(site / "thumbnails")}
    new = {path: row["file"] for row in rows if (path := thumbnail_path(row)) not in existing}
    with ThreadPoolExecutor(threads) as pool:
        list(pool.map(lambda item: _write_thumbnail(results / item[1], site / item[0]), new.items()))
    left_out = left_out_images(site)
    for row in rows:
        if image_path(row) not in left_out or (results / row["file"]).is_file():
            link_or_copy(results / row["file"], site / image_path(row))


def link_or_copy(source: Path, target: Path) -> None:
    """Make `target` a hard link to `source`, or a copy of a packed file, and where there are no hard links."""
    if not source.is_file():
        if not (target.is_file() and target.read_bytes() == read_bytes(source)):
            with atomic_write(target) as temporary:
                temporary.write_bytes(read_bytes(source))
        return
    if target.exists() and (target.samefile(source) or _same_size_and_mtime(source, target)):
        return
    with atomic_write(target) as temporary:
        temporary.unlink()
        try:
            os.link(source, temporary)
        except OSError:
            shutil.copy2(source, temporary)


def remove_other_files(folder: Path, keep: set[str]) -> None:
    """Remove the files of a site, loose or packed, except those in `keep`, which are relative to it."""
    for path in folder.rglob("*"):
        if path.is_file() and not is_packing(path) and str(path.relative_to(folder)) not in keep:
            path.unlink()
    forget_packed(folder, keep)


def _same_size_and_mtime(source: Path, target: Path) -> bool:
    one, other = source.stat(), target.stat()
    return (one.st_size, one.st_mtime_ns) == (other.st_size, other.st_mtime_ns)


def _write_thumbnail(source: Path, target: Path) -> None:
    with contextlib.suppress(OSError, UnreadableImage):
        small = read_image(source, draft_px=2 * SIDE_PX).image
        small.thumbnail((SIDE_PX, SIDE_PX))
        with atomic_write(target) as temporary:
            small.save(temporary, format="JPEG", quality=QUALITY)
