"""Images that a folder has only the digests of: their manifests say what a request to a model was made with."""

from collections.abc import Iterator
from pathlib import Path

from detailscribe.files.digests import assume_digests
from detailscribe.files.rows import read_rows
from detailscribe.images.image_file import names_own_image


def assume_recorded_images(results: Path) -> int:
    """Let the digests of manifests stand for images that are not there, in this process and its forks.

    Recorded answers are found by the digest of what was asked, of which an image's digest is a part. So they can be
    read without the image. Nothing else of an image is known: what opens one fails as for any missing file.

    Returns:
        The number of images that are not there.
    """
    absent = {
        path: row["sha256"]
        for row in _rows_with_images(results)
        if not (path := results / row["file"]).exists() and isinstance(row["sha256"], str)
    }
    assume_digests(absent)
    return len(absent)


def _rows_with_images(results: Path) -> Iterator[dict]:
    for manifest in sorted(results.glob("*/images/*/*.jsonl")):
        yield from (row for row in read_rows(manifest) if row.get("file") and names_own_image(row))
