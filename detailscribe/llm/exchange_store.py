"""Exchange store: the request/response cache, one readable JSON file per exchange.

A file is named after the digest of what determines the answer. Endpoint, role and template values are not part of it,
so a store archived on one machine replays on another. `check` is the digest of all other bytes of the file. `tries` are
the unusable answers that were paid for before this one, if any: usage and cost of each. Exchanges of earlier versions
have no `check`; `verify` remembers their digests from its first run on.
"""

import contextlib
import hashlib
import json
import re
from datetime import UTC, datetime
from pathlib import Path
from types import NoneType
from typing import Any

from detailscribe.files.atomic import atomic_write, write_text
from detailscribe.files.digests import digest as digest_of
from detailscribe.files.digests import file_sha256
from detailscribe.files.json_reader import load_json
from detailscribe.files.packed import files_in, is_there, packed_names, read_bytes, sha256_of
from detailscribe.files.packing import take_out
from detailscribe.llm.prices import cost_usd, prices_of
from detailscribe.llm.request import IMAGE_SIGNATURES, Answer, Reply, Request, image_format
from detailscribe.llm.response_body import body_file, read_body, write_body

ANSWERED = ("ok", "refused")  # a failure is kept only for replay; live mode asks again
DIGEST, DIGEST_START = re.compile(r"[0-9a-f]{64}"), re.compile(r"[0-9a-f]{2}")
CHECK = "check"
CHECK_LINE = re.compile(rb'(\n  "check": )"[0-9a-f]*"')
SHOWN = 80  # characters of a wrong value in a message
REPLACED = "replaced"  # folder of a store: exchanges whose requests were made again on the user's wish
# What a reader of an exchange relies on; `body` and `prices` have readers of their own.
EXCHANGE_TEXTS, REPLY_TEXTS = ("served_model", "date"), ("status", "reason", "text")
MOST = 10**9  # tokens or dollars of a call; more is no number of either


def exchange_path(store: Path, digest: str) -> Path:
    """File of the exchange with a digest.

    Raises:
        ValueError: not a digest, so that no row can name a file outside the store.
    """
    if not (isinstance(digest, str) and DIGEST.fullmatch(digest)):
        raise ValueError(f"{str(digest)[:SHOWN]!r} is not the digest of an exchange")
    return store.joinpath(digest[:2], f"{digest}.json")


def load_exchange(path: Path) -> dict:
    """Read one exchange file and check it.

    Raises:
        ValueError: the file is incomplete, or its content does not match its name or its own digest; the message names
            the file.
    """
    try:
        data = read_bytes(path)
        exchange: Any = load_json(data, allow_nonfinite=True)
        digest, reply, body = digest_of(exchange["request"]), exchange["reply"], exchange.get("body")
        complete = (
            {str} == {type(reply[key]) for key in REPLY_TEXTS} | {type(exchange[key]) for key in EXCHANGE_TEXTS}
            and isinstance(exchange["request"]["model"], str)
            and isinstance(reply["image"], str | None)
            and isinstance(body, dict | None)
            and isinstance(exchange.get("batch", False), bool)
        )
        counted = _is_counted(exchange, CHECK in exchange) and all(
            "cost_usd" in each and _is_counted(each, CHECK in exchange) for each in exchange.get("tries", [])
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path} is not a complete exchange ({type(error).__name__}: {error})") from None
    if not complete or reply["status"] not in (*ANSWERED, "failed"):
        raise ValueError(f"{path} holds no answer (status {str(reply['status'])[:SHOWN]!r})")
    if not counted:
        raise ValueError(f"{path} holds tokens or a cost that no call has")
    if digest != path.stem or path.parent.name != digest[:2]:
        raise ValueError(f"{path} holds the exchange {digest}: it was edited or renamed")
    if CHECK in exchange and exchange[CHECK] != _digest_without_check(data):
        raise ValueError(f"{path} was edited: its answer does not match its digest")
    if image := reply["image"]:
        if image not in {f"{digest}.{suffix}" for suffix in IMAGE_SIGNATURES}:
            raise ValueError(f"{path} names {image[:SHOWN]!r}, which is not an image of this exchange")
        if not (is_there(path.parent / image) and sha256_of(path.parent / image) == reply["image_sha256"]):
            raise ValueError(f"{path} names the image {image}, which is missing or changed")
    body_file(path, body)
    return exchange


def recorded_reply(store: Path, digest: str) -> Reply | None:
    """The recorded reply to a request; None if there is none.

    Raises:
        ValueError: the file is damaged (`load_exchange`).
    """
    path = exchange_path(store, digest)
    try:
        return _reply(path, load_exchange(path))
    except FileNotFoundError:
        return None


def record_answer(store: Path, request: Request, answer: Answer, prices: dict) -> Reply:
    """Record an answer and return it. An answer that another process recorded first wins, unless it is a failure.

    What a failure cost that is replaced stays in the exchange, among its `tries`.

    Args:
        prices: The endpoint, for its prices (`prices_of`); without prices or usage the cost is null.
    """
    path = exchange_path(store, request.digest)
    paid = prices_of(prices, request.model)
    tries = [{"usage": usage, "cost_usd": cost_usd(usage, paid)} for usage in answer.tries]
    try:
        if is_there(path):
            first = load_exchange(path)
            if first["reply"]["status"] in ANSWERED:
                return _reply(path, first)
            tries = [*first.get("tries", []), {key: first.get(key) for key in ("usage", "cost_usd")}, *tries]
    except ValueError:
        pass  # damaged: replace it
    tries = [*_replaced_tries(store, request.digest), *tries]
    image = None
    if answer.image is not None:
        image = path.with_suffix(f".{image_format(answer.image)}")
        with atomic_write(image) as temporary:
            temporary.write_bytes(answer.image)
    exchange: dict[str, Any] = {
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
        "cost_usd": cost_usd(answer.usage, paid) if answer.billed else None,
    }
    tries = [each for each in tries if _is_counted(each, checked=True)]  # not what earlier versions let pass
    if tries := [each for each in tries if each["usage"] is not None or each["cost_usd"] is not None]:
        exchange["tries"] = tries
    if answer.body is not None:
        exchange["body"] = write_body(path, answer.body)
    write_text(path, exchange_text(exchange))
    return _reply(path, load_exchange(path))


def replace_exchange(store: Path, digest: str) -> Path | None:
    """Move the files of an exchange to `replaced/{digest}-{n}/`, so that its request is made again. Nothing is deleted.

    Returns:
        The folder; None if there is no such exchange.
    """
    path = exchange_path(store, digest)
    if not is_there(path):
        return None
    number = 1
    while (folder := store / REPLACED / f"{digest}-{number}").exists():
        number += 1
    folder.mkdir(parents=True)
    for name in [name for name in packed_names(path.parent) if name.startswith(f"{digest}.")]:
        take_out(path.parent / name)
    # The exchange first: what it names without it is nothing, the other way round it would be damaged.
    for file in [path, *sorted(set(path.parent.glob(f"{digest}.*")) - {path})]:
        file.rename(folder / file.name)
    return folder


def recorded_body(store: Path, digest: str) -> object:
    """The server's whole response to a request, secrets removed; None if it was not recorded.

    Raises:
        ValueError: the exchange is damaged (`load_exchange`).
        FileNotFoundError: there is no such exchange.
    """
    path = exchange_path(store, digest)
    return read_body(path, load_exchange(path).get("body"))


def exchange_files(store: Path) -> list[Path]:
    """Exchange files of a store, loose or packed, sorted; without temporary files of a write or of a killed process."""
    folders = sorted(folder for folder in store.glob("*") if folder.is_dir())
    return [path for folder in folders for path in files_in(folder) if path.suffix == ".json"]


def damaged_exchanges(store: Path) -> list[tuple[Path, str]]:
    """Damaged exchange files of a store, each with its problem, sorted by path."""
    problems = []
    for path in exchange_files(store):
        try:
            load_exchange(path)
        except ValueError as error:
            problems.append((path, str(error)))
    return problems


def exchange_text(exchange: dict) -> str:
    """The content of an exchange's file, with its `check`."""
    text = json.dumps(exchange | {CHECK: ""}, indent=2, sort_keys=True, ensure_ascii=False) + "\n"
    check = hashlib.sha256(text.encode()).hexdigest()
    return text.replace(f'\n  "{CHECK}": ""', f'\n  "{CHECK}": "{check}"', 1)  # texts inside hold no line break


def _is_counted(call: dict, checked: bool) -> bool:
    """Whether a call's tokens are whole numbers and its cost a number, both of 0 to MOST, or unknown.

    Exchanges without a `check` are of versions that recorded whatever number a server sent, negative ones too.
    """
    usage, cost = call["usage"], call.get("cost_usd")
    least, kinds = (0, (int,)) if checked else (-MOST, (int, float, NoneType))
    return (
        (cost is None or (type(cost) in (int, float) and least <= cost < MOST))
        and isinstance(usage, dict | None)
        and all(type(count) in kinds and (count is None or least <= count < MOST) for count in (usage or {}).values())
    )


def _digest_without_check(data: bytes) -> str:
    """SHA-256 of an exchange's file with an empty `check`."""
    return hashlib.sha256(CHECK_LINE.sub(rb'\1""', data, count=1)).hexdigest()


def _replaced_tries(store: Path, digest: str) -> list[dict]:
    """What exchanges cost that `replace_exchange` moved aside: usage and cost of each."""
    tries: list[dict] = []
    number = 1
    while (path := store / REPLACED / f"{digest}-{number}" / f"{digest}.json").is_file():
        with contextlib.suppress(OSError, ValueError, KeyError, TypeError, AttributeError):
            exchange: Any = load_json(path.read_bytes(), allow_nonfinite=True)
            tries += [{"usage": exchange["usage"], "cost_usd": exchange["cost_usd"]}]
        number += 1
    return tries


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
