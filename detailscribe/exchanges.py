"""Exchanges: every request to a model with its answer, kept as one readable file each.

A file is named after the digest of what changes the answer, so a store packed on one machine replays on another:
neither the endpoint's name and address nor the role nor the template's values are part of it.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path

from detailscribe import records

KINDS = {"png": b"\x89PNG\r\n\x1a\n", "jpeg": b"\xff\xd8\xff", "gif": b"GIF8", "webp": b"RIFF"}
PRICES = ("input_usd_per_million", "output_usd_per_million", "image_usd")
BATCH_PRICE = 0.5  # of the price of the same call made at once
ANSWERED = ("ok", "refused")  # a failure is kept for replay only; live asks again


@dataclass(frozen=True)
class Request:
    """One question to a model.

    Attributes:
        role: What it is for: decompose, critique, refine, rewrite, judge, write_prompts, image.
        endpoint: Name of the endpoint in the config.
        model: The model's name as the endpoint knows it.
        messages: `{"role", "content"}` with text content only.
        images: Image files, attached to the last user message.
        options: Body parameters sent as they are, such as `temperature`.
        draw: 0, 1, ...: the same question asked again for another sample.
        refresh: How often the config has had this role asked anew; 0 is the first time and leaves the digest alone.
        fields: The template's values, kept for readers and for the offline stand-in; no part of the digest.
        kind: `chat`, or `image` for a request that is answered by an image.
    """

    role: str
    endpoint: str
    model: str
    messages: Sequence[dict]
    images: Sequence[Path] = ()
    options: dict = field(default_factory=dict)
    draw: int = 0
    fields: dict = field(default_factory=dict)
    kind: str = "chat"
    refresh: int = 0

    @cached_property
    def identity(self) -> dict:
        """Exactly what changes the answer; image files by their SHA-256."""
        identity = {
            "kind": self.kind,
            "model": self.model,
            "messages": list(self.messages),
            "images": [records.file_sha256(Path(path)) for path in self.images],
            "options": self.options,
            "draw": self.draw,
        }
        return identity | {"refresh": self.refresh} if self.refresh else identity

    @cached_property
    def digest(self) -> str:
        """SHA-256 of `identity`, 64 hex characters."""
        return records.digest(self.identity)


@dataclass(frozen=True)
class Answer:
    """What a provider brings back, before it is recorded.

    Attributes:
        status: ok, refused or failed.
        usage: `{"input_tokens", "output_tokens"}`, None where the server does not say.
        image: Bytes of a PNG, JPEG, GIF or WebP file, for requests of kind `image`.
    """

    status: str
    reason: str = ""
    text: str = ""
    finish_reason: str = ""
    usage: dict | None = None
    served_model: str = ""
    image: bytes | None = None


@dataclass(frozen=True)
class Reply:
    """An answer as the rest of the package sees it; `digest` names its exchange."""

    digest: str
    status: str
    reason: str
    text: str
    usage: dict | None
    served_model: str
    date: str
    image: Path | None
    finish_reason: str = ""


def image_kind(data: bytes) -> str | None:
    """png, jpeg, gif or webp by the first bytes; None for anything else."""
    return next((kind for kind, magic in KINDS.items() if data.startswith(magic)), None)


def exchange_path(store: Path, digest: str) -> Path:
    """Where the exchange of a digest lies."""
    return store / digest[:2] / f"{digest}.json"


def load(path: Path) -> dict:
    """Read one exchange.

    Raises:
        ValueError: the file is not a whole exchange, or not the one its name says; the message names the file.
    """
    try:
        exchange = json.loads(path.read_text(encoding="utf-8"))
        digest, reply = records.digest(exchange["request"]), exchange["reply"]
        status, image, image_sha256 = reply["status"], reply["image"], reply["image_sha256"]
        whole = isinstance(reply["text"], str) and {"usage", "served_model", "date"} <= exchange.keys()
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a whole exchange ({type(error).__name__}: {error})") from None
    if not whole or status not in (*ANSWERED, "failed"):
        raise ValueError(f"{path} holds no answer (status {status!r})")
    if digest != path.stem or path.parent.name != digest[:2]:
        raise ValueError(f"{path} holds the exchange {digest}: it was edited or renamed")
    if image and not ((path.parent / image).is_file() and records.file_sha256(path.parent / image) == image_sha256):
        raise ValueError(f"{path} names the image {image}, which is missing or changed")
    return exchange


def read(store: Path, digest: str) -> Reply | None:
    """The recorded reply to a request, None where there is none.

    Raises:
        ValueError: the file is damaged (`load`).
    """
    path = exchange_path(store, digest)
    if not path.is_file():
        return None
    exchange = load(path)
    reply = exchange["reply"]
    return Reply(
        digest=digest,
        status=reply["status"],
        reason=reply["reason"],
        text=reply["text"],
        usage=exchange["usage"],
        served_model=exchange["served_model"],
        date=exchange["date"],
        image=path.parent / reply["image"] if reply["image"] else None,
        finish_reason=reply.get("finish_reason", ""),
    )


def record(store: Path, request: Request, answer: Answer, prices: dict) -> Reply:
    """Keep an answer and return it; where another process kept one first, return that one. A failure gives way.

    Args:
        prices: The endpoint, for its prices (`prices_of`); without them, or without usage, the cost is null.
    """
    try:
        first = read(store, request.digest)
        if first is not None and first.status in ANSWERED:
            return first
    except ValueError:
        pass  # damaged: the new answer takes its place
    path = exchange_path(store, request.digest)
    paid = prices_of(prices, request.model)
    image = None
    if answer.image is not None:
        image = path.with_suffix(f".{image_kind(answer.image)}")
        with records.replacing(image) as temporary:
            temporary.write_bytes(answer.image)
    exchange = {
        "digest": request.digest,
        "role": request.role,
        "endpoint": request.endpoint,
        "request": request.identity,
        "fields": request.fields,
        "reply": {
            "status": answer.status,
            "reason": answer.reason,
            "text": answer.text,
            "finish_reason": answer.finish_reason,
            "image": image and image.name,
            "image_sha256": image and records.file_sha256(image),
        },
        "usage": answer.usage,
        "served_model": answer.served_model,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "prices": paid,
        "batch": bool(prices.get("batch")),
        "cost_usd": cost_usd(answer.usage, paid),
    }
    records.write_text(path, json.dumps(exchange, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return read(store, request.digest)


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


def check(store: Path) -> list[tuple[Path, str]]:
    """Every damaged exchange of a store with what is wrong, sorted by path."""
    problems = []
    for path in sorted(store.glob("*/*.json")):
        if path.name.startswith("."):
            continue  # being written, or left by a kill
        try:
            load(path)
        except ValueError as error:
            problems.append((path, str(error)))
    return problems
