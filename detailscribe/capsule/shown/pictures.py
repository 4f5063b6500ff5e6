"""Images of a capsule: whole ones whose metadata holds nothing but their origin, thumbnails without any metadata."""

import io
import json
import re
import struct
from collections.abc import Iterator
from pathlib import Path

from detailscribe.capsule.layout import THUMBNAIL_PX

QUALITY = 85
ORIGIN_KEYS = {"k", "key", "model", "prompt", "revision", "seed", "sha256", "source", "note", "refiner", "of", "from"}
PNG_START, JPEG_START = b"\x89PNG\r\n\x1a\n", b"\xff\xd8"
PLAIN_CHUNKS = {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"pHYs"}
ORIGIN_CHUNK = b"detailscribe\x00"  # begins the text chunk of an image that the pipeline saved
EXIF, JFIF = b"Exif\x00\x00", b"JFIF\x00"
APPLICATION, COMMENT, SCAN = range(0xE0, 0xF0), 0xFE, 0xDA
HUB_NAME = re.compile(r"[A-Za-z0-9_][\w.-]*(/[A-Za-z0-9_][\w.-]*)?|(sha256|commit|revision):[\w.-]+|resources/[\w./-]+")


def picture_problem(data: bytes) -> str:
    """Why the bytes of an image cannot be part of a capsule; empty if they can."""
    try:
        if data.startswith(PNG_START):
            return _png_problem(data)
        if data.startswith(JPEG_START):
            return _jpeg_problem(data)
    except (struct.error, IndexError, ValueError) as error:
        return f"it cannot be read as an image ({type(error).__name__})"
    return "it is neither PNG nor JPEG"


def figure_problem(data: bytes) -> str:
    """Why the PNG of a figure cannot be part of a capsule: any text in it; empty if it can."""
    if not data.startswith(PNG_START):
        return "it is no PNG"
    try:
        kinds = {kind for kind, _ in _chunks(data)}
    except (struct.error, ValueError):
        return "it cannot be read"
    return "" if kinds <= PLAIN_CHUNKS else "it holds more than its pixels"


def thumbnail(path: Path) -> bytes:
    """A JPEG of at most THUMBNAIL_PX per side, without metadata.

    Raises:
        UnreadableImage: it is no image that is read.
    """
    from PIL import Image

    from detailscribe.images.image_reader import read_image

    image = read_image(path).image.convert("RGB")
    image.thumbnail((THUMBNAIL_PX, THUMBNAIL_PX), Image.Resampling.LANCZOS)
    bare = Image.new("RGB", image.size)
    bare.paste(image)
    buffer = io.BytesIO()
    bare.save(buffer, format="JPEG", quality=QUALITY)
    return buffer.getvalue()


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    place = len(PNG_START)
    while place < len(data):
        length, kind = struct.unpack_from(">I4s", data, place)
        if place + 12 + length > len(data):
            raise ValueError("a chunk beyond the end")
        yield kind, data[place + 8 : place + 8 + length]
        place += 12 + length


def _png_problem(data: bytes) -> str:
    for kind, content in _chunks(data):
        if kind == b"tEXt" and content.startswith(ORIGIN_CHUNK):
            if problem := _origin_problem(content[len(ORIGIN_CHUNK) :]):
                return problem
        elif kind not in PLAIN_CHUNKS:
            return f"its metadata has the chunk {_printable(kind)}, which no capsule holds"
    return ""


def _jpeg_problem(data: bytes) -> str:
    place = 2
    while place < len(data):
        marker, kind = data[place], data[place + 1]
        if marker != 0xFF:
            return "it cannot be read as a JPEG"
        if kind == SCAN:  # the rest are pixels, up to the end of the image
            return "" if data.endswith(b"\xff\xd9") else "it holds something after its pixels"
        (length,) = struct.unpack_from(">H", data, place + 2)
        content = data[place + 4 : place + 2 + length]
        if kind == COMMENT or (kind in APPLICATION and not content.startswith((JFIF, EXIF, b"Adobe"))):
            return "its metadata has more than its origin, which no capsule holds"
        if content.startswith(EXIF) and kind in APPLICATION and (problem := _exif_problem(content)):
            return problem
        place += 2 + length
    return "it cannot be read as a JPEG"


def _exif_problem(content: bytes) -> str:
    from PIL import Image

    from detailscribe.images.image_file import IMAGE_DESCRIPTION

    exif = Image.Exif()
    exif.load(content)
    if set(exif) - {IMAGE_DESCRIPTION}:
        return "its metadata has more than its origin, which no capsule holds"
    text = str(exif.get(IMAGE_DESCRIPTION, "{}"))
    # One entry: header (6), byte order and place (8), count (2), entry (12), next (4), its text and the end of it.
    if len(content) > 6 + 8 + 2 + 12 + 4 + len(text) + 2:
        return "its metadata has more than its origin, which no capsule holds"
    return _origin_problem(text.encode())


def _origin_problem(text: bytes) -> str:
    """Why the origin of an image cannot be shown: other keys, or a model by a path of a machine."""
    origin = json.loads(text)
    if not isinstance(origin, dict) or not origin.keys() <= ORIGIN_KEYS:
        return "its origin has keys that no capsule holds"
    named = [origin.get(key) for key in ("model", "revision", "source") if origin.get(key)]
    if not all(isinstance(each, str) and HUB_NAME.fullmatch(each) for each in named):
        return "its origin names a path of the machine that made it"
    return ""


def _printable(kind: bytes) -> str:
    return kind.decode("ascii", "replace") if kind.isalpha() else "of an unknown kind"
