"""Exchanges: every request to a model with its answer, kept as one readable file each.

A file is named after the digest of what changes the answer, so a store packed on one machine replays on another:
neither the endpoint's name and address nor the role nor the template's values are part of it.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.files.digests import digest as digest_of
from detailscribe.files.digests import file_sha256
from detailscribe.llm.prices import cost_usd, prices_of
from detailscribe.llm.request import Answer, Reply, Request, image_kind

ANSWERED = ("ok", "refused")  # a failure is kept for replay only; live asks again


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
        digest, reply = digest_of(exchange["request"]), exchange["reply"]
        status, image, image_sha256 = reply["status"], reply["image"], reply["image_sha256"]
        whole = isinstance(reply["text"], str) and {"usage", "served_model", "date"} <= exchange.keys()
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a whole exchange ({type(error).__name__}: {error})") from None
    if not whole or status not in (*ANSWERED, "failed"):
        raise ValueError(f"{path} holds no answer (status {status!r})")
    if digest != path.stem or path.parent.name != digest[:2]:
        raise ValueError(f"{path} holds the exchange {digest}: it was edited or renamed")
    if image and not ((path.parent / image).is_file() and file_sha256(path.parent / image) == image_sha256):
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
        with atomic_write(image) as temporary:
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
            "image_sha256": image and file_sha256(image),
        },
        "usage": answer.usage,
        "served_model": answer.served_model,
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "prices": paid,
        "batch": bool(prices.get("batch")),
        "cost_usd": cost_usd(answer.usage, paid),
    }
    write_text(path, json.dumps(exchange, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return read(store, request.digest)


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
