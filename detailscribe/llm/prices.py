"""Prices of an endpoint and the cost of an answer."""

PRICES = ("input_usd_per_million", "output_usd_per_million", "image_usd")
BATCH_PRICE = 0.5  # of the price of the same call made at once


def prices_of(endpoint: dict, model: str) -> dict:
    """An endpoint's prices for a model: its own under `prices`, else the endpoint's; half of them in a batch."""
    every = {**endpoint, **endpoint.get("prices", {}).get(model, {})}
    factor = BATCH_PRICE if endpoint.get("batch") else 1
    return {name: every[name] * factor for name in PRICES if every.get(name) is not None}


def cost_usd(usage: dict | None, prices: dict) -> float | None:
    """Dollars for one answer; None where tokens or prices are unknown. `image_usd` is a whole image."""
    if "image_usd" in prices:
        return prices["image_usd"]
    pairs = [
        ((usage or {}).get(f"{side}_tokens"), prices.get(f"{side}_usd_per_million")) for side in ("input", "output")
    ]
    if any(tokens is None or price is None for tokens, price in pairs):
        return None
    return sum(tokens * price for tokens, price in pairs) / 1e6
