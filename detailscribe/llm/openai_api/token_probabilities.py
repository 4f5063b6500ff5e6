"""Token probabilities of a recorded response: the tokens of an answer with their most probable alternatives (logprobs).

Shapes: the chat shape of OpenAI, vLLM, llama.cpp, llama_cpp.server, Ollama and OpenRouter
(`choices[0].logprobs.content[*].top_logprobs`), and the completion shape of Together and older servers
(`choices[0].logprobs.{tokens, token_logprobs, top_logprobs}`). A batch's results have the chat shape.
"""

from __future__ import annotations

import codecs
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass

MOST_ABOVE_ZERO = 1e-3  # a log-probability above 0 by less is one that was rounded
TOKEN_ID = re.compile(r"token_id:\d+")  # of vLLM with `return_tokens_as_token_ids`
PIECE_MARKS = str.maketrans({"▁": " ", "Ġ": " ", "Ċ": "\n"})  # of servers that send a tokenizer's own spelling
NOT_RECORDED = "the response was not recorded: it has more than 8 MiB, or is of an earlier version"


@dataclass(frozen=True)
class Token:
    """A token of an answer.

    Attributes:
        text: The token; of a character that several tokens make, the last one has it.
        alternatives: Texts and probabilities, each in [0, 1], of the tokens that could have stood there, this one
            among them; several tokens may have one text. They sum to less than 1: a server names the most probable.
    """

    text: str
    alternatives: tuple[tuple[str, float], ...]


def token_probabilities(body: object) -> tuple[list[Token] | None, str]:
    """The tokens of an answer with their probabilities.

    Args:
        body: The recorded response (`exchange_store.recorded_body`); None if it was not recorded.

    Returns:
        The tokens and an empty reason, or None and why there are none; the reason continues a sentence.
    """
    if body is None:
        return None, NOT_RECORDED
    reply = body[0] if isinstance(body, list) and body else body
    choices = reply.get("choices") if isinstance(reply, dict) else None
    choice = choices[0] if isinstance(choices, list) and choices else choices
    found = choice.get("logprobs") if isinstance(choice, dict) else None
    if not isinstance(found, dict) or not any(found.values()):
        return None, "the response has no `logprobs`"
    try:
        entries = list(_of_completion(found) if isinstance(found.get("tokens"), list) else _of_chat(found))
        return (_tokens(entries), "") if entries else (None, "the `logprobs` of the response are empty")
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError) as error:
        return None, f"the `logprobs` of the response cannot be read ({error})"


Spelled = tuple[str, bytes | None, float]  # text, bytes if the server sends them, log-probability


def _of_chat(found: dict) -> Iterator[tuple[Spelled, list[Spelled]]]:
    content = found.get("content")
    for entry in content if isinstance(content, list) else []:
        if not isinstance(entry, dict):
            raise ValueError("a token that is no object")
        yield _spelled(entry), [_spelled(each) for each in entry.get("top_logprobs") or []]


def _of_completion(found: dict) -> Iterator[tuple[Spelled, list[Spelled]]]:
    texts, logs = found["tokens"], found.get("token_logprobs") or []
    tops = found.get("top_logprobs") or [None] * len(texts)
    if not len(texts) == len(logs) == len(tops):
        raise ValueError(f"{len(texts)} tokens, {len(logs)} log-probabilities and {len(tops)} lists of alternatives")
    for text, log, top in zip(texts, logs, tops, strict=True):
        first = _spelled({"token": text, "logprob": log})
        yield first, [_spelled({"token": each, "logprob": value}) for each, value in (top or {}).items()]


def _spelled(entry: dict) -> Spelled:
    """Text, bytes and log-probability of an entry; a log-probability of -inf may be a text or null."""
    text, spelled = entry["token"], entry.get("bytes")
    if not isinstance(text, str):
        raise ValueError(f"the token {str(text)[:40]!r} is no text")
    if TOKEN_ID.fullmatch(text):
        raise ValueError("tokens are given as numbers; leave `return_tokens_as_token_ids` out")
    log = entry["logprob"]
    if isinstance(log, bool) or not isinstance(log, int | float | str | None):
        raise ValueError(f"the log-probability {str(log)[:40]!r} is no number")
    number = -math.inf if log is None else float(log)
    if math.isnan(number) or number > MOST_ABOVE_ZERO:
        raise ValueError(f"the log-probability {number:g} is none")
    data = bytes(spelled) if isinstance(spelled, list) and spelled else None
    return text, data, min(number, 0.0)


def _tokens(entries: list[tuple[Spelled, list[Spelled]]]) -> list[Token]:
    decoder = codecs.getincrementaldecoder("utf-8")("replace")
    tokens = []
    for (text, data, log), top in entries:
        cut = decoder.decode(b"", final=True) if data is None else ""  # a character that the bytes before began
        shown = cut + text.translate(PIECE_MARKS) if data is None else decoder.decode(data)
        own = [] if any(_same_token(each, (text, data)) for each in top) else [(text, data, log)]
        tokens.append(Token(shown, tuple((_shown(*each[:2]), math.exp(each[2])) for each in [*top, *own])))
    return tokens


def _same_token(one: Spelled, other: tuple[str, bytes | None]) -> bool:
    """Whether two entries are one token; a server may send bytes with one of them alone."""
    if one[1] is None or other[1] is None:
        return _shown(*one[:2]) == _shown(*other)
    return one[:2] == other


def _shown(text: str, data: bytes | None) -> str:
    return text.translate(PIECE_MARKS) if data is None else data.decode("utf-8", "replace")
