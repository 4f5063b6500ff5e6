"""Image files: PNG or JPEG with their origin in the metadata, and the check against their recorded digest."""

import json
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import file_sha256

FORMAT_SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
IMAGE_DESCRIPTION = 0x010E  # EXIF tag


def save_image(image: Image.Image, path: Path, saving: dict, origin: dict) -> None:
    """Save an image with its origin as JSON in the metadata (EXIF ImageDescription, or PNG text).

    Non-ASCII characters are escaped, because EXIF's description and PNG's plain text do not support them.

    Args:
        saving: `format` (jpeg or png) and, for jpeg, `quality`.
    """
    text = json.dumps(origin, sort_keys=True)
    with atomic_write(path) as temporary:
        if saving["format"] == "png":
            info = PngInfo()
            info.add_text("detailscribe", text)
            image.save(temporary, format="PNG", pnginfo=info)
        else:
            exif = Image.Exif()
            exif[IMAGE_DESCRIPTION] = text
            image.convert("RGB").save(temporary, format="JPEG", quality=saving["quality"], exif=exif)


def is_intact(results: Path, row: dict) -> bool:
    """Whether the file of a manifest row exists with the recorded digest."""
    path = results / row["file"]
    return path.is_file() and file_sha256(path) == row["sha256"]
