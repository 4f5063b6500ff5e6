"""Bound of a call: the most that it can cost, from the bytes of its request and the limit of its output tokens."""

import io
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detailscribe.files.digests import canonical_json
from detailscribe.files.packed import read_bytes
from detailscribe.llm.prices import cost_usd, prices_of
from detailscribe.llm.request import Request

LIMIT_OPTIONS = ("max_completion_tokens", "max_tokens")
# Where neither the options nor the endpoint limit the output: more than any present model writes in one answer or for
# one image, but no bound, since the server is not held to it.
ASSUMED_OUTPUT_TOKENS = {"chat": 131_072, "image": 16_384}
# A token of a byte-level vocabulary is at least one byte; role names, separators and a template's own system message
# come on top.
TOKENS_PER_MESSAGE, TOKENS_PER_REQUEST = 16, 256
# An input image: the tiles of Llama 3.2 (4 x 1601, whatever its size), or patches of 16 x 16 pixels with their row ends
# (Pixtral, the densest). OpenAI's tiles of 512 pixels (85 + 8 x 170) and patches of 32 (1536 x 2.46) are fewer, except
# those of gpt-4o-mini (2833 + 8 x 5667).
TOKENS_PER_IMAGE, PIXELS_PER_TOKEN = 6_500, 224
DENSE_MODEL, DENSE_TOKENS_PER_IMAGE = "4o-mini", 48_500


@dataclass(frozen=True)
class Bound:
    """The most that a call can cost.

    Attributes:
        amount_usd: Dollars; 0 for a call that costs nothing or whose price is unknown.
        certain: Whether the output tokens are limited; otherwise the amount assumes `ASSUMED_OUTPUT_TOKENS`.
    """

    amount_usd: float
    certain: bool


def call_bound(request: Request, endpoint: dict) -> Bound:
    """Bound of a call at an endpoint's prices; `image_usd` is the price of each image, whatever its tokens."""
    prices = prices_of(endpoint, request.model)
    limit = output_limit(request.options, endpoint, request.model)
    assumed = ASSUMED_OUTPUT_TOKENS.get(request.kind, ASSUMED_OUTPUT_TOKENS["chat"])
    usage = {"input_tokens": input_bound(request), "output_tokens": _samples(request.options) * (limit or assumed)}
    if "image_usd" in prices:
        return Bound(prices["image_usd"] * _samples(request.options), True)
    amount = cost_usd(usage, prices) or 0.0
    return Bound(amount, bool(limit) or not prices.get("output_usd_per_million") or not amount)


def output_limit(options: dict, endpoint: dict, model: str) -> int:
    """Most output tokens of one answer: of the options, otherwise `max_output_tokens` of the model or the endpoint.

    Returns:
        0 if nothing limits them. Of two options the larger one, since a server may know only one of them.
    """
    entry = {**endpoint, **endpoint.get("prices", {}).get(model, {})}
    limits = [_count(options.get(name)) for name in LIMIT_OPTIONS]
    return max(limits) or _count(entry.get("max_output_tokens"))


def input_bound(request: Request) -> int:
    """Most input tokens of a request."""
    size = sum(len(message["content"].encode("utf-8", "replace")) for message in request.messages)
    size += len(canonical_json(request.options).encode("utf-8", "replace"))  # a JSON schema is part of the input
    fixed = TOKENS_PER_REQUEST + TOKENS_PER_MESSAGE * len(request.messages)
    return size + fixed + sum(_image_bound(Path(path), request.model) for path in request.images)


def priced_without_limit(calls: Iterable[tuple[str, dict, dict, str]]) -> list[str]:
    """Names of the paid calls whose output tokens nothing limits, sorted.

    Args:
        calls: Name, options, endpoint and model of each.
    """
    return sorted(
        {
            name
            for name, options, endpoint, model in calls
            if not call_bound(Request(name, "", model, (), options=options), endpoint).certain
        }
    )


def _image_bound(path: Path, model: str) -> int:
    from PIL import Image  # only a budget needs the size

    try:
        with Image.open(io.BytesIO(read_bytes(path))) as image:
            pixels = image.width * image.height
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        pixels = 0  # no image: the request fails before it is sent
    densest = DENSE_TOKENS_PER_IMAGE if DENSE_MODEL in model else TOKENS_PER_IMAGE
    return max(densest, pixels // PIXELS_PER_TOKEN)


def _samples(options: dict) -> int:
    return _count(options.get("n")) or 1


def _count(value: object) -> int:
    """A positive whole number; 0 for anything else."""
    return value if isinstance(value, int) and not isinstance(value, bool) and value > 0 else 0
