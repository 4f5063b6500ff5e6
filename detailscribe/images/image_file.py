"""Image files: PNG or JPEG with their origin in the metadata, the name that a row gives them, and their digest."""

import hashlib
import json
import re
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import KEY_LENGTH, assumed_sha256
from detailscribe.files.packed import read_bytes

FORMAT_SUFFIXES = {"jpeg": ".jpg", "png": ".png"}
IMAGE_DESCRIPTION = 0x010E  # EXIF tag
# Every image of a study, relative to results/. No other path of a row is opened, moved or shown.
IMAGE_FILE = re.compile(
    r"(?P<scenario>[a-z][a-z0-9_]{0,99})/images/(?P<image_set>[a-z][a-z0-9_-]{0,99})/(?P<shard>[0-9]{3}-of-[0-9]{3})/"
    rf"(?P<id>[a-z0-9][a-z0-9-]{{0,99}})-(?P<key>[0-9a-f]{{{KEY_LENGTH}}})\.(jpg|png)"
)
ORIGIN_KEY = re.compile(rb'"key": "([0-9a-f]{64})"')
ORIGIN_BYTES = 4096  # of a file, in which its key stands


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


def names_own_image(row: dict, scenario: str = "", image_set: str = "", shard: str = "") -> bool:
    """Whether the file of a manifest or ledger row is the one that its id and key name, in the layout of a study.

    Args:
        row: With `file`, `id` and `key`.
        scenario: Where the file must be; empty for anywhere.
        image_set: As `scenario`.
        shard: As `scenario`.
    """
    match = IMAGE_FILE.fullmatch(row["file"]) if isinstance(row.get("file"), str) else None
    if match is None:
        return False
    named = match["scenario"], match["image_set"], match["shard"], match["id"], match["key"]
    wanted = scenario, image_set, shard, row.get("id"), str(row.get("key"))[:KEY_LENGTH]
    return all(one in ("", other) for one, other in zip(wanted, named, strict=True))


def image_problem(results: Path, row: dict) -> str:
    """What is wrong with the image of a row of status ok; empty for an image with the recorded digest and key.

    A row that names another's image, or a file outside the layout, is refused before the file is opened.
    """
    if not names_own_image(row):
        return f"is not the image of {row.get('id')}, whose row names it"
    path = results / row["file"]
    try:
        data = read_bytes(path)
    except (FileNotFoundError, IsADirectoryError):
        return "" if assumed_sha256(path) == row["sha256"] else "is missing"
    if hashlib.sha256(data).hexdigest() != row["sha256"]:
        return "was changed since it was made"
    # Images of other programs, and of earlier versions, hold no key.
    key = ORIGIN_KEY.search(data, 0, ORIGIN_BYTES)
    return "" if key is None or key[1].decode() == row["key"] else f"holds another image than that of {row['id']}"


def is_intact(results: Path, row: dict) -> bool:
    """Whether the image of a row exists, is the row's own and has the recorded digest."""
    return not image_problem(results, row)
