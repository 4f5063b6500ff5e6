"""Thumbnails of the rating sheets, without metadata."""

import io
from pathlib import Path

from PIL import Image, ImageOps

THUMBNAIL_PX = 256


def blind_thumbnail(path: Path) -> bytes:
    """A JPEG of at most 256 x 256 pixels, without the metadata that says how the image was made."""
    with Image.open(path) as image:
        small = ImageOps.contain(image.convert("RGB"), (THUMBNAIL_PX, THUMBNAIL_PX))
    bare = Image.new("RGB", small.size)
    bare.paste(small)
    buffer = io.BytesIO()
    bare.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()
