"""Thumbnails of the rating sheets, without metadata."""

import io
from pathlib import Path

from PIL import Image, ImageOps

from detailscribe.errors import SetupError
from detailscribe.images.image_reader import UnreadableImage, read_image

THUMBNAIL_PX = 256


def blind_thumbnail(path: Path) -> bytes:
    """A JPEG of at most 256 x 256 pixels, without the metadata that says how the image was made.

    Raises:
        SetupError: the file is no image that is read.
    """
    try:
        image = read_image(path).image
    except UnreadableImage as error:
        raise SetupError(f"{error}; delete it and run again: it is made again") from None
    small = ImageOps.contain(image, (THUMBNAIL_PX, THUMBNAIL_PX))
    bare = Image.new("RGB", small.size)
    bare.paste(small)
    buffer = io.BytesIO()
    bare.save(buffer, format="JPEG", quality=90)
    return buffer.getvalue()
