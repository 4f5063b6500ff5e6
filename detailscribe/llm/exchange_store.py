"""Exchange store: the request/response cache, one readable JSON file per exchange.

A file is named after the digest of what determines the answer. Endpoint, role and template values are not part of it,
so a store archived on one machine replays on another.
"""

import json
from datetime import UTC, datetime
from pathlib import Path

from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.files.digests import digest as digest_of
from detailscribe.files.digests import file_sha256
from detailscribe.llm.prices import cost_usd, prices_of
from detailscribe.llm.request import Answer, Reply, Request, image_format
from detailscribe.llm.response_body import body_file, read_body, write_body

ANSWERED = ("ok", "refused")  # a failure is kept only for replay; live mode asks again


def exchange_path(store: Path, digest: str) -> Path:
    """File of the exchange with a digest."""
    return store / digest[:2] / f"{digest}.json"


def load_exchange(path: Path) -> dict:
    """Read one exchange file and check it.

    Raises:
        ValueError: the file is incomplete, or its content does not match its name; the message names the file.
    """
    try:
        exchange = json.loads(path.read_text(encoding="utf-8"))
        digest, reply = digest_of(exchange["request"]), exchange["reply"]
        status, image, image_sha256 = reply["status"], reply["image"], reply["image_sha256"]
        complete = isinstance(reply["text"], str) and {"usage", "served_model", "date"} <= exchange.keys()
        body = exchange.get("body")
        complete = complete and isinstance(body, dict | None)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"{path} is not a complete exchange ({type(error).__name__}: {error})") from None
    if not complete or status not in (*ANSWERED, "failed"):
        raise ValueError(f"{path} holds no answer (status {status!r})")
    if digest != path.stem or path.parent.name != digest[:2]:
        raise ValueError(f"{path} holds the exchange {digest}: it was edited or renamed")
    if image and not ((path.parent / image).is_file() and file_sha256(path.parent / image) == image_sha256):
        raise ValueError(f"{path} names the image {image}, which is missing or changed")
    body_file(path, body)
    return exchange


def recorded_reply(store: Path, digest: str) -> Reply | None:
    """The recorded reply to a request; None if there is none.

    Raises:
        ValueError: the file is damaged (`load_exchange`).
    """
    path = exchange_path(store, digest)
    return _reply(path, load_exchange(path)) if path.is_file() else None


def record_answer(store: Path, request: Request, answer: Answer, prices: dict) -> Reply:
    """Record an answer and return it. An answer that another process recorded first wins, unless it is a failure.

    Args:
        prices: The endpoint, for its prices (`prices_of`); without prices or usage the cost is null.
    """
    try:
        first = recorded_reply(store, request.digest)
        if first is not None and first.status in ANSWERED:
            return first
    except ValueError:
        pass  # damaged: replace it
    path = exchange_path(store, request.digest)
    paid = prices_of(prices, request.model)
    image = None
    if answer.image is not None:
        image = path.with_suffix(f".{image_format(answer.image)}")
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
    if answer.body is not None:
        exchange["body"] = write_body(path, answer.body)
    write_text(path, json.dumps(exchange, indent=2, sort_keys=True, ensure_ascii=False) + "\n")
    return _reply(path, load_exchange(path))


def recorded_body(store: Path, digest: str) -> object:
    """The server's whole response to a request, secrets removed; None if it was not recorded.

    Raises:
        ValueError: the exchange is damaged (`load_exchange`).
        FileNotFoundError: there is no such exchange.
    """
    path = exchange_path(store, digest)
    return read_body(path, load_exchange(path).get("body"))


def damaged_exchanges(store: Path) -> list[tuple[Path, str]]:
    """Damaged exchange files of a store, each with its problem, sorted by path."""
    problems = []
    for path in sorted(store.glob("*/*.json")):
        if path.name.startswith("."):
            continue  # temporary file of a write in progress or of a killed process
        try:
            load_exchange(path)
        except ValueError as error:
            problems.append((path, str(error)))
    return problems


def _reply(path: Path, exchange: dict) -> Reply:
    reply = exchange["reply"]
    return Reply(
        digest=path.stem,
        status=reply["status"],
        reason=reply["reason"],
        text=reply["text"],
        usage=exchange["usage"],
        served_model=exchange["served_model"],
        date=exchange["date"],
        image=path.parent / reply["image"] if reply["image"] else None,
        finish_reason=reply.get("finish_reason", ""),
    )
