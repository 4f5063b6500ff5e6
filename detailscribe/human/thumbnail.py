"""Images of the rating sheets as JPEG without metadata: whole images for pages, smaller ones for workbooks."""

import io
from pathlib import Path

from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.images.image_reader import UnreadableImage, read_image

THUMBNAIL_PX = 512  # sharp when a spreadsheet program enlarges it; nine of 50 prompts are about 40 MB
QUALITY = 90


def blind_thumbnail(path: Path) -> bytes:
    """A JPEG of at most THUMBNAIL_PX per side, without the metadata that says how the image was made.

    Raises:
        SetupError: the file is no image that is read.
    """
    image = _readable(path)
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    return _bare_jpeg(image)


def blind_jpeg(path: Path) -> bytes:
    """A JPEG of the image's own size, without its metadata; of images with the same pixels the same bytes.

    Raises:
        SetupError: the file is no image that is read.
    """
    return _bare_jpeg(_readable(path))


def _readable(path: Path) -> Image.Image:
    try:
        return read_image(path).image
    except UnreadableImage as error:
        raise SetupError(f"{error}; delete it and run again: it is made again") from None


def _bare_jpeg(image: Image.Image) -> bytes:
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    buffer = io.BytesIO()
    bare.save(buffer, format="JPEG", quality=QUALITY)
    return buffer.getvalue()
