"""Roles of language models: messages from templates, requests, and result rows from replies.

A role is a dict: `endpoint`, `model`, `template` (`system`, `user`), `options`, `reply` (brackets or whole),
`refresh` if the config re-queries it, and `served` if the job serves its model. Every result row has all its keys, null
where there is no value; its `exchange` is the digest of the recorded exchange.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from detailscribe.errors import InputError
from detailscribe.files.digests import assumed_sha256
from detailscribe.files.packed import is_there
from detailscribe.llm.request import Reply, Request
from detailscribe.methods import reply_parsing
from detailscribe.methods.instruction_echo import repeats_instruction, without_label
from detailscribe.methods.reply_text import spoken_text

if TYPE_CHECKING:
    import jinja2

EXCERPT_LENGTH = 120  # characters of a reply quoted in a reason
CUT_REASONS = ("length", "max_tokens", "max_output_tokens", "model_length")  # finish reasons of a token limit
ENDS_WITH_ANSWER = re.compile(r"[>}][\s`*_.!\"')\]]{0,20}\Z")
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
        except jinja2.exceptions.SecurityError as error:
            raise InputError(f"template, {role}: {error}; a template uses its variables and runs no code") from None
        if text:
            messages.append({"role": role, "content": text})
    return messages


def request_for(
    name: str,
    role: dict,
    record: dict,
    values: dict,
    images: Sequence[Path] = (),
    draw: int = 0,
    images_first: bool = False,
) -> Request:
    """The request of a role about one record; with `images_first`, requests about the same images begin alike."""
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
        images_first=images_first,
        served=role.get("served", {}),
    )


def template_values(record: dict) -> dict:
    """The template variables that every role has."""
    return {"prompt": record["prompt"], "topic": record["topic"]}


def prompt_in_reply(reply: Reply, role: dict, request: Request) -> tuple[str, str, str | None]:
    """Status, reason and prompt of a reply, in the form that the role's `reply` names.

    Raises:
        InputError: `reply` is neither brackets nor whole.
    """
    if role["reply"] not in ("brackets", "whole"):
        raise InputError(f"reply must be brackets or whole, got {role['reply']!r}")
    is_whole = role["reply"] == "whole"
    parse = reply_parsing.whole_text if is_whole else reply_parsing.last_brackets
    expected = "text with a letter or digit" if is_whole else "<...>"
    status, reason, prompt = read_reply(reply, request, parse, expected, is_whole)
    if prompt is not None and reply_parsing.is_refusal(prompt):
        return "refused", f"the model declined: {excerpt(prompt)}", None
    return status, reason, prompt and (prompt if is_whole else without_label(request, prompt))


def read_reply(
    reply: Reply, request: Request, parse: Callable[[str], Parsed | None], expected: str, is_whole: bool = False
) -> tuple[str, str, Parsed | None]:
    """Status, reason and parsed value of a reply; the value is None unless the status is ok.

    A reply that was cut at its token limit has a value only if that ends it: what was cut off may be a correction, or
    the answer after thoughts that the model's chat template opened.

    Args:
        request: What was asked; a reply that repeats its instruction or example holds no answer.
        parse: Reads the value from the whole text; None if there is none.
        expected: What `parse` looks for, for the reason.
        is_whole: The whole text is the value.
    """
    if reply.status != "ok":
        return reply.status, reply.reason, None
    spoken = spoken_text(reply.text)
    value = parse(reply.text)
    cut = reply.finish_reason.lower() in CUT_REASONS and not spoken.ended
    if cut and (is_whole or not ENDS_WITH_ANSWER.search(spoken.text)):
        value = None
    is_echo = repeats_instruction(request, spoken.text, value)
    if value is not None and not spoken.unfinished_thought and not is_echo:
        return "ok", "", value
    if reply_parsing.is_refusal(reply.text):
        return "refused", f"the model declined: {excerpt(spoken.text)}", None
    if cut or spoken.unfinished_thought:
        return "failed", _cut_off(reply, cut, spoken.unfinished_thought), None
    if is_echo:
        return "unparsed", f"the reply repeats the instruction or its example: {excerpt(spoken.text)}", None
    return "unparsed", f"no {expected} in the reply: {excerpt(spoken.text or reply.text)}", None


def excerpt(text: str) -> str:
    """The beginning of a text on one line, for a reason."""
    words = " ".join(text[: 10 * EXCERPT_LENGTH].split())[:EXCERPT_LENGTH]
    return "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in words)


def result_row(record: dict, status: str, reason: str, **values) -> dict:
    """The result row of a record."""
    return {"id": record["id"], "status": status, "reason": reason, **values}


def image_problem(image: dict | None) -> str:
    """Why an image cannot be shown to a model; empty if it can."""
    if image is None or image["status"] != "ok":
        return input_problem("image", image)
    path = Path(image["path"])
    return "" if is_there(path) or assumed_sha256(path) else f"the image file is missing ({path.name})"


def input_problem(name: str, row: dict | None) -> str:
    """Reason of a row that is skipped because one of its inputs is not ok."""
    if row is None:
        return f"there is no {name}"
    return f"the {name} is {row['status']}: {row['reason']}".rstrip(": ")


def _cut_off(reply: Reply, at_limit: bool, in_thoughts: bool) -> str:
    tokens = (reply.usage or {}).get("output_tokens")
    limit = f" at {tokens} tokens" if tokens else " at its token limit"
    return f"cut off{limit if at_limit else ''}{', within its thoughts' if in_thoughts else ''}; raise max_tokens"


@cache
def _environment() -> jinja2.Environment:
    import jinja2
    from jinja2.sandbox import SandboxedEnvironment  # templates may come from elsewhere, in a capsule

    return SandboxedEnvironment(undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True)


@lru_cache(maxsize=64)
def _compiled(text: str) -> jinja2.Template:
    return _environment().from_string(text)
