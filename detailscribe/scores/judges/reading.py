"""Readings of a judge's answers: the sampled mark, the expected mark, P(yes), from text or token probabilities.

Every kind of judge asks and reads through `ask_and_read`. A probability reading needs the whole response, which the
exchange keeps (`exchange_store.recorded_body`), so that it can be computed again from the record.

Source: expected marks: "Improving LLM-as-a-Judge Inference with the Judgment Distribution", arXiv 2503.03064. P(yes):
VQAScore, arXiv 2404.01291. Differs: it is divided by P(yes) + P(no), so that what a model gives to anything but these
two words counts for neither.
"""

from __future__ import annotations

import math
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
from detailscribe.methods.roles import excerpt, read_reply
from detailscribe.scores.judges.mark_place import NARROW, mark_place
from detailscribe.study.judging.judges import SAMPLED

MOST_ABOVE_ONE = 1e-3  # of a sum of probabilities that a server rounded
LEAST_ON_MARKS = 0.5  # of the first token's probability, for a reply in which no mark can be read
DECORATION = " \t\r\n\"'`*_<>()[]{}.,:;!#“”‘’"  # around a mark, within its token


@dataclass(frozen=True)
class Scale:
    """The marks of a judge.

    Attributes:
        marks: Value of each mark by its text, which should be one token of every tokenizer: a digit, a letter, a short
            word. Upper and lower case are one mark.
        parse: Reads the value from a whole reply, as `reply_parsing.judge_score` does: that of the last `<...>` or JSON
            object; None if there is none. A direct answer, which has neither, is given to it within brackets.
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
        scale: GRADES, YES_OR_NO, or another.
        reading: sampled, expected or p_yes (`study.judging.judges`).
        on_done: As of `Chat.ask`.

    Raises:
        SetupError: as `Chat.ask`; or the first answers have no token probabilities, and the reading needs them. What
            was answered is recorded.
    """
    check = None if reading == SAMPLED else ProbabilityCheck(chat.store, reading)
    replies = chat.ask(list(requests), on_done, check)
    pairs = zip(replies, requests, strict=True)
    return [(reply, read_answer(reply, request, scale, reading, chat.store)) for reply, request in pairs]


def read_answer(reply: Reply, request: Request, scale: Scale, reading: str, store: Path) -> Reading:
    """The reading of one reply. A reply without the probabilities that it needs has none: it is never sampled instead.

    Args:
        request: What was asked; a reply that repeats its instruction holds no answer.
        reading: sampled: the mark that the reply names. expected, p_yes: the mean of the marks' values under the
            probabilities of the token that names the mark; spellings of one mark (` Yes`, `YES`, `<4`) are summed. A
            reply in which no mark can be read is read at its first token, if at least half of that token's probability
            is on marks.
        store: Folder of the exchanges.
    """
    status, reason, value = read_reply(reply, request, scale.parse, scale.expected)
    if reading == SAMPLED or reply.status != "ok":
        return Reading(status, reason, value)
    spoken = spoken_text(reply.text)
    if value is None and (spoken.unfinished_thought or scale.parse(reply.text) is not None):
        return Reading(status, reason, None)  # cut, or an echo
    tokens, problem = _tokens_of(reply, store)
    if tokens is None:
        return Reading("failed", f"the reply has no token probabilities: {problem}", None)
    joined = "".join(token.text for token in tokens)
    begin = next((at for text in (spoken.text, reply.text.strip()) if text and (at := joined.rfind(text)) >= 0), None)
    if begin is None:
        return Reading("failed", f"the tokens of the response are not those of its text: {excerpt(joined)}", None)
    place, named = mark_place(spoken.text, scale.marks, scale.parse)
    if place:
        return _at_mark(tokens, begin + place[0], begin + place[1], scale)
    if named is not None:
        return Reading("unparsed", f"{named:g} is none of the marks {', '.join(scale.marks)}", None)
    first = _distribution(_first_token(tokens, begin), scale)
    is_clear = first.outside is not None and first.outside <= 1 - LEAST_ON_MARKS
    return first if is_clear else Reading(status, reason, None)


class ProbabilityCheck:
    """Stops the calls to a server whose first answers have no token probabilities, and has recorded ones asked again.

    Args:
        store: Folder of the exchanges.
        reading: That needs the probabilities, for the message.
    """

    def __init__(self, store: Path, reading: str):
        self._store, self._reading = store, reading
        self._given = False
        self._lacking: set[str] = set()  # digests

    def is_usable(self, reply: Reply) -> bool:
        """Whether a recorded reply has token probabilities; a reply that is no answer counts as usable."""
        return reply.status != "ok" or _tokens_of(reply, self._store)[0] is not None

    def __call__(self, request: Request, reply: Reply) -> str:
        """Why no more calls should be made; empty once an answer had probabilities, and while few had none.

        It continues a sentence that begins with the endpoint's name.
        """
        if self._given or reply.status != "ok":
            return ""
        tokens, problem = _tokens_of(reply, self._store)
        self._given = tokens is not None
        self._lacking |= set() if self._given else {reply.digest}
        if len(self._lacking) < MAX_ALIKE_FAILURES or self._given:
            return ""
        return (
            f"answers for {request.model!r} without token probabilities, which the reading {self._reading} needs "
            f"({problem}); set `reading: sampled`, or another server or model (docs/endpoints.md)"
        )


def _tokens_of(reply: Reply, store: Path) -> tuple[list[Token] | None, str]:
    try:
        return token_probabilities(recorded_body(store, reply.digest))
    except (OSError, ValueError) as error:
        return None, str(error)


def _first_token(tokens: list[Token], begin: int) -> Token:
    """The first token of a text that begins at a character of all tokens' texts, without blanks and brackets."""
    end = 0
    for token in tokens:
        end += len(token.text)
        if end > begin and token.text.strip(DECORATION):
            return token
    return tokens[-1]


def _at_mark(tokens: list[Token], start: int, end: int, scale: Scale) -> Reading:
    """The reading at the token that holds the characters of a mark."""
    begin = 0
    for token in tokens:
        after = begin + len(token.text)
        if start < after:
            if end > after or token.text[: start - begin].strip(DECORATION):
                break
            return _distribution(token, scale)
        begin = after
    return Reading("failed", "the answer is not one token of this model: it has no probability of its own", None)


def _distribution(token: Token, scale: Scale) -> Reading:
    """The reading at the token that names a mark."""
    known = {name.translate(NARROW).casefold(): name for name in scale.marks}
    mass = dict.fromkeys(scale.marks, 0.0)
    for text, probability in token.alternatives:
        if name := known.get(text.translate(NARROW).strip(DECORATION).casefold()):
            mass[name] += probability
    total = math.fsum(mass.values())
    if total > 1 + MOST_ABOVE_ONE:
        return Reading("failed", f"the probabilities of the marks add up to {total:.3f}, which is more than 1", None)
    if not total:
        return Reading("failed", f"no mark is among the {len(token.alternatives)} most probable tokens", None)
    shares = [(scale.marks[name], each / total) for name, each in mass.items()]
    value = math.fsum(mark * share for mark, share in shares)
    entropy = -math.fsum(share * math.log2(share) for _, share in shares if share)
    within = min(max(value, min(scale.marks.values())), max(scale.marks.values()))
    return Reading("ok", "", within, max(0.0, entropy), max(0.0, 1.0 - total))
