"""What the study asks of language models: decompositions, critiques and rewritten prompts, one row a prompt.

A role is a dict: `endpoint`, `model`, `template` (`system`, `user`), `options`, `reply` (brackets or whole), and
`refresh` where the config has it asked anew. Every row has all its keys, null where there is nothing; its `exchange`
is the digest of the recorded exchange.
"""

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import jinja2

from detailscribe.errors import InputError
from detailscribe.llm.request import Reply, Request
from detailscribe.methods import reply_parsing

DECLINED_LENGTH = 120  # characters of a refusal quoted in a reason
_ENVIRONMENT = jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)
_compiled = lru_cache(maxsize=64)(_ENVIRONMENT.from_string)


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
        return read_reply(reply, reply_parsing.last_brackets, "<...>")
    return read_reply(
        reply, lambda text: None if reply_parsing.looks_refused(text) else reply_parsing.whole(text), "text"
    )


def read_reply(reply: Reply, parse: Callable[[str], object], wanted: str) -> tuple[str, str, object]:
    """Status, reason and parsed value of a reply; the value is None unless the status is ok."""
    if reply.status != "ok":
        return reply.status, reply.reason, None
    value = parse(reply.text)
    if value is not None:
        return "ok", "", value
    if reply_parsing.looks_refused(reply.text):
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
