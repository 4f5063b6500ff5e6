"""Image reader: any file that a person, a server or an archive brings, as the pixels that are shown and scored.

Read is what has one meaning only: upright by its EXIF orientation, on white where it is transparent, 16 bits scaled to
8, the first frame of an animation. `notes` say so. Everything else is one error with the file's name.
"""

import io
from pathlib import Path
from typing import NamedTuple

from PIL import Image, ImageOps

from detailscribe.files.packed import read_bytes, size_of

MAX_BYTES = 256 * 1024**2
MAX_PIXELS = 178_956_970  # where Pillow, too, speaks of a decompression bomb; 540 MB as RGB
# By content, whatever the suffix says; no format that starts another program (EPS) or reads other files.
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF", "AVIF", "JPEG2000", "PPM")
ORIENTATION = 0x0112  # EXIF tag
UPRIGHT = "turned upright by its EXIF orientation"
ON_WHITE = "transparent parts shown on white"
SCALED = "16 bits scaled to 8"
FIRST_FRAME = "first of several frames or pages"
UNIFORM = "every pixel is the same, as where a safety checker withholds an image"


class UnreadableImage(ValueError):
    """A file that is not read as an image; the message names the file and the reason."""


class RefusedImage(Exception):
    """An image that stands for a refusal; the message says why."""


class Reading(NamedTuple):
    """An image in RGB, 8 bits, fully decoded, and what was done to it (UPRIGHT, ON_WHITE, SCALED, FIRST_FRAME)."""

    image: Image.Image
    notes: tuple[str, ...]


def read_image(path: Path, draft_px: int = 0) -> Reading:
    """Read an image file completely.

    Args:
        path: The file, loose or packed.
        draft_px: If given, a JPEG may be decoded at a smaller scale, of at least this many pixels per side.

    Raises:
        UnreadableImage: it is empty, too large, broken, or no image of FORMATS.
    """
    try:
        size = size_of(path)
        if not size:
            raise ValueError("the file is empty")
        if size > MAX_BYTES:
            raise ValueError(f"{size / 1e6:.0f} MB, an image has at most {MAX_BYTES / 1e6:.0f}")
        with Image.open(io.BytesIO(read_bytes(path)), formats=FORMATS) as image:
            if image.width * image.height > MAX_PIXELS:
                raise ValueError(f"{image.width} x {image.height} pixels, at most {MAX_PIXELS:,} are read")
            if draft_px:
                image.draft("RGB", (draft_px, draft_px))
            image.load()
            return _reading(image)
    except Exception as error:  # noqa: BLE001 - decoders of foreign bytes raise whatever they meet
        reason = "no image of a known format" if isinstance(error, Image.UnidentifiedImageError) else error
        raise UnreadableImage(f"{path} is not a readable image ({type(error).__name__}: {reason})") from None


def to_rgb(image: Image.Image) -> Image.Image:
    """The image in RGB, 8 bits: on white where it is transparent, 16-bit grey scaled.

    Raises:
        ValueError: pixels are floating-point numbers, whose range is not known.
    """
    return _to_rgb(image)[0]


def is_uniform(image: Image.Image) -> bool:
    """Whether all pixels of an RGB image are equal."""
    return all(low == high for low, high in image.getextrema())  # type: ignore[misc]


def is_black(image: Image.Image) -> bool:
    """Whether all pixels of an image are black, which is what diffusers' safety checkers return."""
    return image.getbbox() is None


def _reading(image: Image.Image) -> Reading:
    # A JPEG with a preview (MPO) has two frames and is no animation.
    notes = [FIRST_FRAME] if getattr(image, "is_animated", False) and image.format != "MPO" else []
    if image.getexif().get(ORIENTATION, 1) in range(2, 9):
        image = ImageOps.exif_transpose(image)
        notes.append(UPRIGHT)
    rgb, more = _to_rgb(image)
    return Reading(rgb, (*notes, *more))


def _to_rgb(image: Image.Image) -> tuple[Image.Image, list[str]]:
    notes: list[str] = []
    if image.mode == "F":
        raise ValueError("its pixels are floating-point numbers")
    if image.mode.startswith("I"):  # convert("RGB") would make every grey above 255 white
        image, was_wide = _eight_bits(image)
        notes += [SCALED] * was_wide
    if image.has_transparency_data:
        layers = image.convert("RGBA")
        if layers.getchannel("A").getextrema() != (255, 255):
            paper = Image.new("RGBA", image.size, "white")
            paper.alpha_composite(layers)
            profile = {key: value for key, value in image.info.items() if key == "icc_profile"}
            image = paper.convert("RGB")
            image.info.update(profile)
            notes.append(ON_WHITE)
    return (image if image.mode == "RGB" else image.convert("RGB")), notes


def _eight_bits(image: Image.Image) -> tuple[Image.Image, bool]:
    """16-bit or 32-bit grey as 8-bit grey, and whether it was scaled; a value that means transparent becomes alpha."""
    import numpy as np

    values = np.asarray(image)
    is_wide = image.mode != "I" or bool(values.max(initial=0) > 255)
    grey = (values // 257 if is_wide else values).clip(0, 255).astype(np.uint8)
    clear = image.info.get("transparency")
    if isinstance(clear, int):
        return Image.fromarray(np.stack([grey, np.where(values == clear, 0, 255).astype(np.uint8)], -1), "LA"), is_wide
    return Image.fromarray(grey), is_wide
