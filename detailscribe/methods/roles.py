"""Roles of language models: messages from templates, requests, and result rows from replies.

A role is a dict: `endpoint`, `model`, `template` (`system`, `user`), `options`, `reply` (brackets or whole), and
`refresh` if the config re-queries it. Every result row has all its keys, null where there is no value; its `exchange`
is the digest of the recorded exchange.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from detailscribe.errors import InputError
from detailscribe.llm.request import Reply, Request
from detailscribe.methods import reply_parsing

if TYPE_CHECKING:
    import jinja2

REFUSAL_EXCERPT_LENGTH = 120  # characters of a refusal quoted in a reason
Parsed = TypeVar("Parsed")


def render_messages(template: dict, **values) -> list[dict]:
    """Messages of a role from its template.

    Args:
        template: `system` (may be empty) and `user`, Jinja2 texts.

    Raises:
        InputError: a text uses a variable that this role does not have, or is not a valid template.
    """
    import jinja2  # every start of the workflow imports this module

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


def request_for(
    name: str, role: dict, record: dict, values: dict, images: Sequence[Path] = (), draw: int = 0
) -> Request:
    """The request of a role about one record."""
    return Request(
        role=name,
        endpoint=role["endpoint"],
        model=role["model"],
        messages=render_messages(role["template"], **values),
        images=tuple(images),
        options=role["options"],
        draw=draw,
        fields={"id": record.get("id"), **values},
        refresh=role.get("refresh", 0),
    )


def template_values(record: dict) -> dict:
    """The template variables that every role has."""
    return {"prompt": record["prompt"], "topic": record["topic"]}


def prompt_in_reply(reply: Reply, role: dict) -> tuple[str, str, str | None]:
    """Status, reason and prompt of a reply, in the form that the role's `reply` names.

    Raises:
        InputError: `reply` is neither brackets nor whole.
    """
    if role["reply"] not in ("brackets", "whole"):
        raise InputError(f"reply must be brackets or whole, got {role['reply']!r}")
    if role["reply"] == "brackets":
        return read_reply(reply, reply_parsing.last_brackets, "<...>")
    return read_reply(
        reply, lambda text: None if reply_parsing.is_refusal(text) else reply_parsing.whole_text(text), "text"
    )


def read_reply(reply: Reply, parse: Callable[[str], Parsed | None], expected: str) -> tuple[str, str, Parsed | None]:
    """Status, reason and parsed value of a reply; the value is None unless the status is ok."""
    if reply.status != "ok":
        return reply.status, reply.reason, None
    value = parse(reply.text)
    if value is not None:
        return "ok", "", value
    if reply_parsing.is_refusal(reply.text):
        excerpt = " ".join(reply.text.split())[:REFUSAL_EXCERPT_LENGTH]
        return "refused", f"the model declined: {excerpt}", None
    cut = ", which was cut at its token limit" if reply.finish_reason == "length" else ""
    return "unparsed", f"no {expected} in the reply{cut}", None


def result_row(record: dict, status: str, reason: str, **values) -> dict:
    """The result row of a record."""
    return {"id": record["id"], "status": status, "reason": reason, **values}


def image_problem(image: dict | None) -> str:
    """Why an image cannot be shown to a model; empty if it can."""
    if image is None or image["status"] != "ok":
        return input_problem("image", image)
    return "" if Path(image["path"]).is_file() else f"the image file is missing ({Path(image['path']).name})"


def input_problem(name: str, row: dict | None) -> str:
    """Reason of a row that is skipped because one of its inputs is not ok."""
    if row is None:
        return f"there is no {name}"
    return f"the {name} is {row['status']}: {row['reason']}".rstrip(": ")


@cache
def _environment() -> jinja2.Environment:
    import jinja2

    return jinja2.Environment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@lru_cache(maxsize=64)
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)
