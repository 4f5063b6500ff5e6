"""Image generations to answers: where the image stands in the response, bounded decoding, safety flags."""

import base64
import io
from collections.abc import Callable
from typing import Any

from PIL import Image

from detailscribe.llm.request import image_format

MAX_ENCODED = 96 * 2**20  # characters of an image in base64
MAX_PIXELS = 2**26
IMAGE_FIELDS = ("b64_json", "url", "image", "b64")
FORMATS = ("PNG", "JPEG", "GIF", "WEBP")
SAFETY_FLAGS = ("nsfw_content_detected", "has_nsfw_concepts", "nsfw", "flagged", "filtered")
SAFETY_REASONS = ("raiFilteredReason", "rai_filtered_reason", "block_reason", "blockReason")


def image_place(entries: list[dict]) -> int:
    """Index of the first entry that holds an image; 0 if none does."""
    return next((at for at, entry in enumerate(entries) if any(map(entry.get, IMAGE_FIELDS))), 0)


def image_bytes(first: dict, download: Callable[[str], bytes]) -> bytes:
    """The image of an entry of a response: in base64, as a data URL, or behind an address.

    Base64 is read with line breaks, without padding and in its URL-safe form.

    Args:
        first: The entry, as the server sent it.
        download: Fetches an image by its address.

    Raises:
        OSError: the download failed.
        ValueError: it holds no image; the message says why.
    """
    encoded = next((first[name] for name in IMAGE_FIELDS if first.get(name)), None)
    if not isinstance(encoded, str):
        raise ValueError("it holds neither data nor a URL")
    text = encoded.strip()
    if text[:5].lower() == "data:":
        head, _, text = text.partition(",")
        if not head.lower().endswith(";base64"):
            raise ValueError("its data URL is not in base64")
    elif text[:8].lower().startswith(("http://", "https://")):
        return download(text)
    elif "b64_json" not in first and "b64" not in first and "image" not in first:
        raise ValueError("it holds neither data nor a URL")
    if len(text) > MAX_ENCODED:
        raise ValueError(f"it is larger than {MAX_ENCODED // 2**20} MiB in base64")
    text = "".join(text.split()).replace("-", "+").replace("_", "/").rstrip("=")
    return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)


def image_problem(data: bytes) -> tuple[str, str]:
    """Status and reason of an image that cannot be used: failed if it is broken, refused if it is blank.

    Returns:
        Two empty texts for an image of at most `MAX_PIXELS` pixels that is more than one colour.
    """
    if image_format(data) is None:
        return "failed", "the reply's image is not a PNG, JPEG, GIF or WebP file"
    try:
        with Image.open(io.BytesIO(data), formats=FORMATS) as image:
            width, height = image.size
            if width * height > MAX_PIXELS:
                return "failed", f"the reply's image is broken ({width} x {height} pixels, more than {MAX_PIXELS})"
            image.load()
            ranges: Any = image.getextrema()
    except Exception as error:  # noqa: BLE001  # decoders raise what they please on bytes of others
        return "failed", f"the reply's image is broken ({type(error).__name__}: {error})"
    bands = [ranges] if isinstance(ranges[0], int | float) else ranges
    if all(low == high for low, high in bands):
        return "refused", "the image is one colour throughout, as a safety checker returns it"
    return "", ""


def safety_reason(reply: dict, first: dict) -> str:
    """Why a safety checker withheld the image; empty if none is said to have. Both without secrets."""
    for place in (first, reply):
        for name in SAFETY_REASONS:
            if isinstance(place.get(name), str) and place[name].strip():
                return f"the provider's safety checker withheld the image: {place[name]}"
        for name in SAFETY_FLAGS:
            value = place.get(name)
            if value is True or isinstance(value, list) and value[:1] == [True]:
                return f"the provider's safety checker flagged the image ({name})"
        if place.get("respect_moderation") is False:
            return "the provider's moderation withheld the image"
    return ""
