"""Prices of an endpoint, cost of an answer, and token estimates of a request."""

from detailscribe.llm.request import Request
from detailscribe.llm.served.kinds import SERVED_KINDS

PRICES = ("input_usd_per_million", "output_usd_per_million", "image_usd")
BATCH_PRICE = 0.5  # of the price of a direct call
BYTES_PER_TOKEN = 4  # of English text
IMAGE_TOKENS = 800  # of an input image of 1024 x 1024 pixels
OUTPUT_LIMITS = ("max_completion_tokens", "max_tokens")


def prices_of(endpoint: dict, model: str) -> dict:
    """Prices of a model: its own under `prices`, otherwise the endpoint's; half of them in the Batch API."""
    prices = {**endpoint, **endpoint.get("prices", {}).get(model, {})}
    return {name: prices[name] * batch_factor(endpoint) for name in PRICES if prices.get(name) is not None}


def batch_factor(endpoint: dict) -> float:
    """Price of an endpoint's calls relative to direct ones; the batches of a model that the job serves are as dear."""
    return BATCH_PRICE if endpoint.get("batch") and endpoint.get("kind") not in SERVED_KINDS else 1


def cost_usd(usage: dict | None, prices: dict) -> float | None:
    """Dollars per answer; None if tokens or prices are unknown. `image_usd` is the whole price of an image."""
    if "image_usd" in prices:
        return prices["image_usd"]
    cost = 0.0
    for side in ("input", "output"):
        tokens, price = (usage or {}).get(f"{side}_tokens"), prices.get(f"{side}_usd_per_million")
        if tokens is None or price is None:
            return None
        cost += tokens * price
    return cost / 1e6


def estimate_input_tokens(request: Request) -> int:
    """Approximate input tokens of a request."""
    text = sum(len(message["content"].encode()) for message in request.messages)
    return text // BYTES_PER_TOKEN + IMAGE_TOKENS * len(request.images)


def output_limit(request: Request) -> int:
    """Output tokens that the request's options allow; 0 if they set no limit."""
    return next((request.options[name] for name in OUTPUT_LIMITS if name in request.options), 0)
