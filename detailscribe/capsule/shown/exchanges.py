"""Recorded exchanges and response bodies as a capsule holds them: the keys that may go in, messages by known words.

The request stays word for word, since its digest is the exchange's name. One whose request holds what may not go in is
left out, with the reason.
"""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from detailscribe.capsule.layout import WITHHELD
from detailscribe.capsule.shown.private_texts import check_private
from detailscribe.capsule.shown.settings import shown_options, shown_value
from detailscribe.capsule.shown.words import Words
from detailscribe.files.packed import read_bytes
from detailscribe.llm.exchange_store import CHECK, exchange_text
from detailscribe.llm.response_body import read_body, write_body

REQUEST_KEYS = {"kind", "model", "messages", "images", "options", "draw", "refresh", "images_first", "served"}
EXCHANGE_KEYS = {
    *("digest", "role", "endpoint", "request", "fields", "reply", "usage", "served_model", "date", "prices", "batch"),
    *("cost_usd", "tries", "body", CHECK),
}
REPLY_KEYS = {"status", "reason", "text", "finish_reason", "image", "image_sha256"}
FIELDS = {  # values of a template, with what they are of
    *("id", "prompt", "topic", "kind", "part", "remark", "reading", "scale", "structured", "components", "concept"),
    *("decomposition", "critique", "refined_prompt", "image_set", "first", "second", "attempt", "taken", "text"),
}
DATE = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\+00:00|Z)")
# Keys of a body by what their text is: the model's own words, a name, or a message of the server.
MODEL_TEXTS = {
    *("content", "text", "value", "refusal", "reasoning", "reasoning_content", "thinking", "token", "revised_prompt"),
}
NAMES = {"object", "model", "role", "type", "finish_reason", "native_finish_reason", "stop_reason", "code", "status"}
MESSAGES = {"message", "reason", "blockReason", "block_reason", "detail"}
NUMBERS = {"index", "logprob", "bytes", "created", "text_offset", "token_logprobs", "thought"}
INNER = {
    *("choices", "message", "logprobs", "top_logprobs", "tokens", "usage", "data", "error", "promptFeedback"),
    *("prompt_feedback", "content", "content_filter_results", "filtered", "severity"),
}
USAGE = re.compile(r"[a-z_]{1,40}_tokens(_details)?|cost")


def request_problem(exchange: Mapping[str, Any], options: Sequence[str] = ()) -> str:
    """Why an exchange cannot be part of a capsule; empty if it can.

    Args:
        exchange: The exchange.
        options: Further names of request options that may go in.
    """
    request = exchange["request"]
    if unknown := sorted(request.keys() - REQUEST_KEYS):
        return f"its request has the key {_shown_key(unknown[0])}, which no capsule holds"
    if shown_options(request.get("options", {}), options) != request.get("options", {}):
        names = sorted(key for key in request["options"] if shown_options({key: 0}, options) == {})
        named = f" {', '.join(map(_shown_key, names))}" if names else ""
        return f"its request has the options{named}, which no capsule holds unless `capsule: options` names them"
    if shown_value(request["model"]) != request["model"] or shown_value(request.get("served", {})) != request.get(
        "served", {}
    ):
        return "its request names a model by a path of this machine"
    roles = all(isinstance(each, dict) and each.keys() <= {"role", "content"} for each in request["messages"])
    return "" if roles else "its messages have keys that no capsule holds"


def _shown_key(key: object) -> str:
    return str(key)[:40] if re.fullmatch(r"[\w.-]{1,40}", str(key)) else "with an unusual name"


def shown_exchange(exchange: dict, words: Words, keep_image: bool) -> dict:
    """An exchange by EXCHANGE_KEYS, without `body`; equal to the exchange if nothing had to go.

    Args:
        exchange: Whose request has no `request_problem`.
        words: That messages keep.
        keep_image: Whether the capsule holds the image of a reply; if not, the reply names none, and keeps its digest.
    """
    reply = {key: exchange["reply"][key] for key in REPLY_KEYS & exchange["reply"].keys()}
    reply["reason"] = words.clean(reply["reason"])
    reply["finish_reason"] = shown_value(reply.get("finish_reason", ""))
    if not keep_image:
        reply["image"] = None
    shown = {key: each for key, each in exchange.items() if key in EXCHANGE_KEYS - {"body", CHECK}}
    shown |= {"reply": reply}
    if "fields" in exchange:
        shown["fields"] = {key: each for key, each in exchange["fields"].items() if key in FIELDS}
    for key in ("role", "endpoint", "served_model", "prices", "batch", "cost_usd"):
        if key in exchange:
            shown[key] = shown_value(exchange[key])
    shown["usage"] = _counts(exchange["usage"])
    if "tries" in exchange:
        shown["tries"] = [
            {"usage": _counts(each.get("usage")), "cost_usd": shown_value(each.get("cost_usd"))}
            for each in exchange["tries"]
        ]
    shown["date"] = exchange["date"] if DATE.fullmatch(exchange["date"]) else WITHHELD
    return shown


def _counts(usage: Mapping[str, Any] | None) -> dict | None:
    if usage is None:
        return None
    return {key: each for key, each in usage.items() if USAGE.fullmatch(key) and not isinstance(each, str)}


def shown_files(path: Path, exchange: dict, words: Words, keep_image: bool, scratch: Path) -> dict[str, bytes]:
    """An exchange's file and that of its body, by name: the recorded bytes if nothing had to go.

    Args:
        path: Of the exchange.
        exchange: Its content.
        words: That messages keep.
        keep_image: As of `shown_exchange`.
        scratch: Folder for a body that is written anew.

    Raises:
        SetupError: a prompt or an answer holds something private.
    """
    shown, files = shown_exchange(exchange, words, keep_image), {}
    if exchange.get("body"):
        shown["body"], packed = _shown_body(path, exchange["body"], words, scratch)
        if packed is not None:
            files[shown["body"]["file"]] = packed
    check_private(f"the exchange {path.stem}", _own_texts(shown))
    same = shown == {key: each for key, each in exchange.items() if key != CHECK}
    return {path.name: read_bytes(path) if same else exchange_text(shown).encode(), **files}


def _own_texts(exchange: dict) -> str:
    """What is held word for word: the messages, the answer, the fields, and model texts of the body."""
    texts = [str(each.get("content")) for each in exchange["request"]["messages"]]
    body = (exchange.get("body") or {}).get("json")
    return "\n".join([*texts, exchange["reply"]["text"], str(exchange.get("fields", "")), str(body or "")])


def _shown_body(path: Path, entry: dict, words: Words, scratch: Path) -> tuple[dict, bytes | None]:
    """The entry `body` of an exchange, and the bytes of the file that it names, if it names one."""
    if "file" not in entry and "json" not in entry:
        return {"omitted": words.clean(str(entry.get("omitted", "")))}, None
    body = read_body(path, entry)
    shown = shown_body(body, words)
    if "file" in entry:
        check_private(f"the response body of {path.stem}", str(shown))
    if shown == body:
        kept = {key: entry[key] for key in ("json", "file", "sha256", "bytes") if key in entry}
        return kept, read_bytes(path.with_name(entry["file"])) if "file" in entry else None
    new = write_body(scratch / path.name, shown)
    return new, (scratch / new["file"]).read_bytes() if "file" in new else None


def shown_body(body: Any, words: Words) -> Any:
    """A server's response by the keys that decide how an answer is read; a text by known words."""
    if isinstance(body, str):
        return words.clean(body)
    if isinstance(body, list):
        return [shown_body(each, words) for each in body]
    if not isinstance(body, dict):
        return body if body is None or isinstance(body, bool | int | float) else WITHHELD
    shown: dict = {}
    for key, each in body.items():
        if isinstance(each, str):
            if key in MODEL_TEXTS:
                shown[key] = each
            elif key in NAMES:
                shown[key] = shown_value(each)
            elif key in MESSAGES:
                shown[key] = words.clean(each)
            elif key == "b64_json":
                shown[key] = each if each.startswith("[omitted: ") and len(each) < 60 else WITHHELD
        elif key == "tokens" and isinstance(each, list):
            shown[key] = [str(token) for token in each]
        elif key == "top_logprobs" and _are_tokens(each):
            shown[key] = each
        elif key in NUMBERS | NAMES | MODEL_TEXTS | INNER or USAGE.fullmatch(key):
            shown[key] = shown_body(each, words)
    return shown


def _are_tokens(value: Any) -> bool:
    """Whether a value is the form of plain completions: for each token the alternatives with their logarithms."""
    return isinstance(value, list) and all(
        each is None or (isinstance(each, dict) and all(isinstance(log, int | float) for log in each.values()))
        for each in value
    )
