"""Readings of a judge's answers: the sampled mark, the expected mark, P(yes), from text or token probabilities.

Every kind of judge asks and reads through `ask_and_read`. A probability reading needs the whole response, which the
exchange keeps (`exchange_store.recorded_body`), so that it can be computed again from the record.

Source: expected marks: "Improving LLM-as-a-Judge Inference with the Judgment Distribution", arXiv 2503.03064. P(yes):
VQAScore, arXiv 2404.01291. Differs: it is divided by P(yes) + P(no), so that other spellings of an answer take nothing
from it.
"""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.endpoint_state import MAX_ALIKE_FAILURES
from detailscribe.llm.exchange_store import recorded_body
from detailscribe.llm.openai_api.token_probabilities import Token, token_probabilities
from detailscribe.llm.request import Reply, Request
from detailscribe.methods.reply_parsing import judge_score, yes_or_no
from detailscribe.methods.reply_text import spoken_text
from detailscribe.methods.roles import read_reply
from detailscribe.study.judging.judges import SAMPLED

LEAST_ON_MARKS = 0.5  # of the first token's probability, for a reply in which no mark can be read
DECORATION = " \t\r\n\"'`*_<>()[]{}.,:;!#“”‘’"  # around a mark, within its token
ANCHOR = re.compile(r"<|＜|⟨|〈|&lt;|\"score\"")  # what opens the answer that a parser reads


@dataclass(frozen=True)
class Scale:
    """The marks of a judge.

    Attributes:
        marks: Value of each mark by its text. A text should be one token of every tokenizer: a digit, a letter, a short
            word.
        parse: Reads the value from a whole reply, as `reply_parsing.judge_score`: the last `<...>`; None if it holds
            none. A direct answer, which has no brackets, is given to it within brackets.
        expected: What `parse` looks for, for a reason.
    """

    marks: Mapping[str, float]
    parse: Callable[[str], float | None]
    expected: str


@dataclass(frozen=True)
class Reading:
    """What a judge's reply says.

    Attributes:
        status: ok, or that of a reply without a value: refused, unparsed, failed.
        reason: Why there is no value; empty for ok.
        value: The mark's value, or the mean of the marks' values under their renormalised probabilities; None unless
            the status is ok.
        entropy: Of these probabilities, in bits, from 0 to log2 of the number of marks; None for the sampled reading.
        outside: Probability in [0, 1] of everything but the marks at their place; None for the sampled reading.
    """

    status: str
    reason: str
    value: float | None
    entropy: float | None = None
    outside: float | None = None


GRADES = Scale({str(grade): float(grade) for grade in range(1, 6)}, judge_score, "score from 1 to 5")
YES_OR_NO = Scale({"yes": 1.0, "no": 0.0}, yes_or_no, "yes or no")


def ask_and_read(
    chat: Chat,
    requests: Sequence[Request],
    scale: Scale,
    reading: str = SAMPLED,
    on_done: Callable[[], None] | None = None,
) -> list[tuple[Reply, Reading]]:
    """Replies to requests, each with its reading, in the order of the requests.

    Requests about one image should stand next to each other and have `images_first`: they then begin alike.

    Args:
        reading: sampled, expected or p_yes (`study.judging.judges`).
        on_done: As of `Chat.ask`.

    Raises:
        SetupError: as `Chat.ask`, or the first answers have no token probabilities and the reading needs them. Answers
            so far are recorded.
    """
    check = None if reading == SAMPLED else ProbabilityCheck(chat.store, reading)
    replies = chat.ask(list(requests), on_done, check) if check else chat.ask(list(requests), on_done)
    pairs = zip(replies, requests, strict=True)
    return [(reply, read_answer(reply, request, scale, reading, chat.store)) for reply, request in pairs]


def read_answer(reply: Reply, request: Request, scale: Scale, reading: str, store: Path) -> Reading:
    """The reading of one reply. A reply without the probabilities that it needs has none: it is never sampled instead.

    Args:
        request: What was asked; a sampled reply that repeats its instruction holds no answer.
        reading: sampled: the mark that the reply names. expected, p_yes: the mean of the marks' values under the
            probabilities at the token that names the mark; spellings of one mark (` Yes`, `YES`, `<4`) are summed. A
            reply in which no mark can be read is read at its first token, if at least half of its probability is on
            marks.
        store: Folder of the exchanges.
    """
    sampled = read_reply(reply, request, scale.parse, scale.expected)
    spoken = spoken_text(reply.text)
    no_answer = sampled[2] is None and (spoken.unfinished_thought or scale.parse(reply.text) is not None)
    if reading == SAMPLED or reply.status != "ok" or no_answer:
        return Reading(*sampled)
    tokens, problem = _tokens_of(reply, store)
    if tokens is None:
        return Reading("failed", f"the reply has no token probabilities: {problem}", None)
    joined = "".join(token.text for token in tokens)
    begin = next((at for text in (spoken.text, reply.text.strip()) if text and (at := joined.rfind(text)) >= 0), None)
    if begin is None:
        return Reading("failed", f"the tokens of the response do not spell its text: {excerpt(joined)}", None)
    place, value = mark_place(spoken.text, scale.marks, scale.parse)
    if place is None:
        return _first_token(tokens, begin, scale, value) or Reading("unparsed", _unreadable(reply, value, scale), None) if sampled[0] == "ok" else Reading(*sampled)
    token, offset = _token_at(tokens, begin + place[0])
    if offset + place[1] - place[0] > len(token.text) or token.text[:offset].strip(DECORATION):
        answer = joined[begin + place[0] : begin + place[1]]
        return Reading("failed", f"the answer {answer!r} is not one token of this model", None)
    return _distribution(token, scale)


class ProbabilityCheck:
    """Stops the calls to a server whose first answers have no token probabilities.

    Called with a request and its reply, as `Chat.ask` does: why no more calls should be made, or an empty text.

    Args:
        store: Folder of the exchanges.
        reading: That needs the probabilities, for the message.
    """

    def __init__(self, store: Path, reading: str):
        self._store, self._reading = store, reading
        self._given = False
        self._lacking: dict[str, str] = {}  # problem by digest

    def __call__(self, request: Request, reply: Reply) -> str:
        """Why no more calls should be made; empty while one answer had probabilities, or too few had none."""
        if self._given or reply.status != "ok":
            return ""
        tokens, problem = _tokens_of(reply, self._store)
        self._given = tokens is not None
        if not self._given:
            self._lacking[reply.digest] = problem
        if self._given or len(self._lacking) < MAX_ALIKE_FAILURES:
            return ""
        return (
            f"gave {request.model!r} answers without token probabilities, which the reading {self._reading} needs "
            f"({problem}); set `reading: sampled`, or a server and a model that give them"
        )


def _tokens_of(reply: Reply, store: Path) -> tuple[list[Token] | None, str]:
    try:
        return token_probabilities(recorded_body(store, reply.digest))
    except (OSError, ValueError) as error:
        return None, str(error)


def _distribution(token: Token, scale: Scale) -> Reading:
    """The reading at the token that names a mark."""
    known = {name.translate(NARROW).casefold(): name for name in scale.marks}
    mass = dict.fromkeys(scale.marks, 0.0)
    for text, probability in token.alternatives:
        if name := known.get(text.translate(NARROW).strip(DECORATION).casefold()):
            mass[name] += probability
    total = math.fsum(mass.values())
    if not total:
        return Reading("failed", f"no mark is among the {len(token.alternatives)} most probable tokens", None)
    shares = {name: each / total for name, each in mass.items()}
    value = math.fsum(scale.marks[name] * share for name, share in shares.items())
    entropy = -math.fsum(share * math.log2(share) for share in shares.values() if share)
    return Reading("ok", "", value, max(0.0, entropy), max(0.0, 1.0 - total))
