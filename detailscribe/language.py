"""What the study asks of language models: decompositions, critiques and rewritten prompts, one row a prompt.

A role is a dict: `endpoint`, `model`, `template` (`system`, `user`), `options`, `reply` (brackets or whole), and
`refresh` where the config has it asked anew. Every row has all its keys, null where there is nothing; its `exchange`
is the digest of the recorded exchange.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import jinja2

from detailscribe import replies
from detailscribe.chat import Chat, Reply, Request
from detailscribe.errors import InputError

DECLINED_LENGTH = 120  # characters of a refusal quoted in a reason
_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_compiled = lru_cache(maxsize=64)(_ENVIRONMENT.from_string)


def decompose(records: list[dict], role: dict, chat: Chat, on_done: Callable[[], None] | None = None) -> list[dict]:
    """Split each prompt into the contacts that make its interaction.

    Returns:
        Rows `id, status, reason, concept, components, exchange`.

    Source: DetailScribe, first step of the method.
    """
    requests = [request_for("decompose", role, record, with_topic(record)) for record in records]
    rows = []
    for record, reply in zip(records, chat.ask(requests, on_done), strict=True):
        status, reason, found = read_reply(reply, replies.components, "<(concept: x) = (a) + (b)>")
        concept, parts = found or (None, None)
        rows.append(row(record, status, reason, concept=concept, components=parts, exchange=reply.digest))
    return rows


def critique(
    records: list[dict],
    images: dict[str, dict],
    decompositions: dict[str, dict] | None,
    role: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
) -> list[dict]:
    """Ask what is wrong with each image, and for a prompt that mends it.

    Args:
        images: By id: `status`, `reason`, `path`.
        decompositions: Rows of `decompose` by id; None for a role that works without them (the ablation, GPT Refine).

    Returns:
        Rows `id, status, reason, critique, refined_prompt, exchange`; `critique` is the whole reply.

    Source: DetailScribe, second step of the method; baselines GPT Refine and "abl".
    """
    name = "refine" if role["reply"] == "whole" else "critique"
    rows, requests = {}, {}
    for record in records:
        values, parts = with_topic(record), (decompositions or {}).get(record["id"])
        problems = [image_problem(images.get(record["id"]))]
        if decompositions is not None and (parts is None or parts["status"] != "ok"):
            problems.append(input_problem("decomposition", parts))
        if reason := "; ".join(filter(None, problems)):
            rows[record["id"]] = row(record, "skipped", reason, critique=None, refined_prompt=None, exchange=None)
            if on_done:
                on_done()
            continue
        if parts:
            values |= {"concept": parts["concept"], "components": parts["components"]}
        path = Path(images[record["id"]]["path"])
        requests[record["id"]] = request_for(name, role, record, values, [path])
    answered = dict(zip(requests, chat.ask(list(requests.values()), on_done), strict=True))
    for record in records:
        if reply := answered.get(record["id"]):
            status, reason, prompt = read_prompt(reply, role)
            text = reply.text or None
            found = {"critique": text, "refined_prompt": prompt, "exchange": reply.digest}
            rows[record["id"]] = row(record, status, reason, **found)
    return [rows[record["id"]] for record in records]


def rewrite(records: list[dict], role: dict, chat: Chat, on_done: Callable[[], None] | None = None) -> list[dict]:
    """Ask for a more detailed prompt from the text alone.

    Returns:
        Rows `id, status, reason, refined_prompt, exchange`.

    Source: DetailScribe, baseline GPT Rewrite.
    """
    requests = [request_for("rewrite", role, record, with_topic(record)) for record in records]
    rows = []
    for record, reply in zip(records, chat.ask(requests, on_done), strict=True):
        status, reason, prompt = read_prompt(reply, role)
        rows.append(row(record, status, reason, refined_prompt=prompt, exchange=reply.digest))
    return rows


def render(template: dict, **values) -> list[dict]:
    """A role's messages from its template.

    Args:
        template: `system` (may be empty) and `user`, Jinja2 texts.

    Raises:
        InputError: a text uses a variable that this role does not have, or is not a template.
    """
    messages = []
    for role in ("system", "user"):
        try:
            text = _compiled(template[role] or "").render(**values).strip()
        except jinja2.UndefinedError as error:
            known = ", ".join(sorted(values))
            raise InputError(f"template, {role}: {error}; its variables are {known}") from None
        except jinja2.TemplateSyntaxError as error:
            raise InputError(f"template, {role}, line {error.lineno}: {error}") from None
        if text:
            messages.append({"role": role, "content": text})
    return messages


def request_for(name: str, role: dict, record: dict, values: dict, images: list[Path] = (), draw: int = 0) -> Request:
    """A role's question about one record."""
    return Request(
        role=name,
        endpoint=role["endpoint"],
        model=role["model"],
        messages=render(role["template"], **values),
        images=tuple(images),
        options=role["options"],
        draw=draw,
        fields={"id": record.get("id"), **values},
        refresh=role.get("refresh", 0),
    )


def read_prompt(reply: Reply, role: dict) -> tuple[str, str, str | None]:
    """Status, reason and prompt of a reply, by what the role says its reply is.

    Raises:
        InputError: `reply` is neither brackets nor whole.
    """
    if role["reply"] not in ("brackets", "whole"):
        raise InputError(f"reply must be brackets or whole, got {role['reply']!r}")
    if role["reply"] == "brackets":
        return read_reply(reply, replies.last_brackets, "<...>")
    return read_reply(reply, lambda text: None if replies.looks_refused(text) else replies.whole(text), "text")


def read_reply(reply: Reply, parse: Callable[[str], object], wanted: str) -> tuple[str, str, object]:
    """Status, reason and parsed value of a reply; the value is None unless the status is ok."""
    if reply.status != "ok":
        return reply.status, reply.reason, None
    value = parse(reply.text)
    if value is not None:
        return "ok", "", value
    if replies.looks_refused(reply.text):
        said = " ".join(reply.text.split())[:DECLINED_LENGTH]
        return "refused", f"the model declined: {said}", None
    cut = ", which was cut at its token limit" if reply.finish_reason == "length" else ""
    return "unparsed", f"no {wanted} in the reply{cut}", None


def with_topic(record: dict) -> dict:
    """The template's values that every role has."""
    return {"prompt": record["prompt"], "topic": record["topic"]}


def row(record: dict, status: str, reason: str, **found) -> dict:
    """A result row of a record."""
    return {"id": record["id"], "status": status, "reason": reason, **found}


def image_problem(image: dict | None) -> str:
    """Why an image cannot be shown to a model, empty if it can."""
    if image is None or image["status"] != "ok":
        return input_problem("image", image)
    return "" if Path(image["path"]).is_file() else f"the image file is missing ({Path(image['path']).name})"


def input_problem(what: str, given: dict | None) -> str:
    """Reason for a row that was skipped because an input of it is not ok."""
    if given is None:
        return f"there is no {what}"
    return f"the {what} is {given['status']}: {given['reason']}".rstrip(": ")
