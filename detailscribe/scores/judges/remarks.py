"""Remarks of a critique: its numbered list of faults, read from the whole reply of any family of models.

Models number the faults in many ways (`1.`, `**1)**`, `- Issue 1:`), put them under headings or under the numbers of
the instruction's steps, and rank them in a second list, which names no further fault. The forms are the cases of
`tests/unit/scores/judges/critique_replies.yaml`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

from detailscribe.methods import angle_brackets
from detailscribe.methods.json_replies import begins_as_json, json_objects, unfenced
from detailscribe.methods.reply_parsing import whole_text
from detailscribe.methods.reply_text import spoken_text
from detailscribe.scores.judges.all_clear import is_all_clear

HEADING_WORDS = 10  # at most, of a heading that ends in a colon
_LABEL = r"(?:issue|problem|fault|error|flaw|defect|abnormality|anomaly|remark|point|item|correction|part)s?"
_NUMBER = re.compile(
    rf"(?P<indent>\s*)(?P<marks>(?:[-*+•–>#]{{1,6}}\s+)*)(?:\*\*|__)?\s?"
    rf"(?:{_LABEL}\s?)?(?:no\.?\s?|#)?[(\[]?(?P<number>\d{{1,2}})(?P<close>[)\]]?)(?:\*\*|__)?\s?"
    rf"(?P<sign>[.:、)\]]|[-–—](?=\s))?(?:\*\*|__)?(?P<text>(?:\s|(?<=、)|(?<=[:*]))?.*)",
    re.IGNORECASE,
)
_LABELLED = re.compile(rf"[\s*_#>•+-]*{_LABEL}\s?#?\d", re.IGNORECASE)
_BULLET = re.compile(r"(?P<indent>\s*)[-*+•–]\s+(?P<text>.*)")
_STEP = re.compile(r"[\s#*_>]*(?:step|part)\s?\d{1,2}\b[\s.:)*_–—-]*(?P<text>.*)", re.IGNORECASE)
_OF_FAULTS = re.compile(
    r"\b(?:abnormal\w*|issues?|faults?|problems?|errors?|anomal\w+|flaws?|defects?|inconsistenc\w+|interactions?"
    r"|complete\w*|beyond|missing|additional|further|check\w*|analysis|review|critique|observ\w+|corrections?)\b",
    re.IGNORECASE,
)
_CLOSES = re.compile(
    r"(?:the |a |by )?(?:rank\w*|priorit\w+|ordered by|order of (?:impact|harm|importance|severity|weight)"
    r"|by (?:impact|harm)|summar\w+|summing|sum up|sum of|remed\w+|overall[,:]|conclu\w+"
    r"|(?:new|refined|revised|updated|improved|final|corrected)(?: \w+)? (?:description|prompt|answer|order)"
    r"|(?:the )?(?:most|first) (?:harmful|important|issue|fault))",
    re.IGNORECASE,
)
_RANKS = re.compile(r"\b(?:rank\w*|priorit\w+|summar\w+|(?:new|refined|final|revised) (?:description|prompt))\b", re.I)
# Lines below a remark that belong to it although they are not indented.
_CONTINUES = re.compile(
    r"[\s*_]*(?:problem|issue|fault|fix|correction|remedy|solution|suggestion|should|expected|how it should|it should"
    r"|observation|description|reason|why|current\w*|instead|impact|severity)\b[^.!?]{0,30}:",
    re.IGNORECASE,
)
_CIRCLED = {ord("①") + i: f"{i + 1}. " for i in range(20)} | {ord("０") + i: str(i) for i in range(10)}
_CIRCLED |= {ord("．"): ".", ord("）"): ")", ord("（"): "(", ord("："): ": "}


class Line(NamedTuple):
    """A line of a reply.

    Attributes:
        mark: number, bullet, heading or text.
        indent: In characters.
        words: What follows the mark, without markdown.
        is_title: Whether the text of a number is a title, so that plain lines below it belong to it.
    """

    mark: str
    indent: int
    words: str
    is_title: bool = False


def remarks_of(critique: str | None, refined_prompt: str | None = None) -> list[str]:
    """The faults that a critique names, in its order, each on one line and once.

    Args:
        critique: The whole reply.
        refined_prompt: What it ends in. A reply that is nothing else has no remarks.

    Returns:
        Texts without their numbers. The lines below a number belong to it. Neither the refined prompt, nor a ranking of
        faults already named, nor a remark that everything is right, is one.
    """
    text = unfenced(spoken_text(critique or "").text)
    if not text or refined_prompt == whole_text(critique or ""):
        return []
    if begins_as_json(text) and (objects := json_objects(text)):
        found = _of_json(objects[0][2])
    else:
        lines = list(_lines(_without_prompt(text)))
        found = _of_lines(lines)
    cleaned = [" ".join(each.split()).strip(" -–—:") for each in found]
    return [each for each in dict.fromkeys(cleaned) if re.search(r"[^\W\d_]", each) and not is_all_clear(each)]


def _without_prompt(text: str) -> str:
    """A reply up to its last `<...>`, which is the refined prompt."""
    text = angle_brackets.plain(text)
    pair = angle_brackets.last_pair(text)
    return text[: pair[1] - len(pair[0]) - 1] if pair else text


def _of_lines(lines: list[Line]) -> list[str]:
    numbered = any(line.mark == "number" for line in lines)
    found: list[list[str]] = []
    takes_bullets = not numbered  # whether a bullet is a remark, or belongs to one
    closed = in_remark = takes_text = False
    indent = 0
    for line in lines:
        if line.mark == "heading":
            in_remark = False
            ranks = _CLOSES.match(line.words) or _RANKS.search(line.words)
            closed = bool(ranks and (found or not _OF_FAULTS.search(line.words)))
            takes_bullets = True
        elif closed:
            continue
        elif line.mark == "number" or (
            line.mark == "bullet" and takes_bullets and not (in_remark and line.indent > indent)
        ):
            if found and line.mark == "number" and _CLOSES.match(line.words):
                closed, in_remark = True, False
                continue
            if in_remark and line.mark == "number" and line.indent > indent + 1:
                found[-1].append(line.words)  # a list within a remark
                continue
            found.append([line.words])
            in_remark, indent, takes_text = True, line.indent, line.is_title
            takes_bullets = line.mark == "bullet"
        elif in_remark and (
            line.mark == "bullet" or line.indent > indent or takes_text or _CONTINUES.match(line.words)
        ):
            found[-1].append(line.words)
        else:
            in_remark = False
            closed = bool(found) and _CLOSES.match(line.words) is not None
    return [" ".join(words) for words in found]


def _lines(text: str) -> Iterator[Line]:
    """The lines of a reply with what they are; empty ones and rulers are left out."""
    raws = [raw.translate(_CIRCLED).rstrip() for raw in text.expandtabs(4).splitlines()]
    raws = [raw for raw in raws if re.search(r"[^\W_]", raw)]
    for index, raw in enumerate(raws):
        below = raws[index + 1] if index + 1 < len(raws) else ""
        number = _NUMBER.match(raw)
        is_number = number and (number["sign"] or number["close"] or _LABELLED.match(raw)) and _stands_free(number)
        if step := _STEP.match(raw):
            yield Line("heading", 0, _plain(step["text"]))
        elif is_number and number:
            words = _plain(number["text"])
            title = raw.lstrip().startswith("#") or _is_title(raw, number["text"])
            heads = title and ((_OF_FAULTS.search(words) and _is_list(below, raw)) or _RANKS.search(words))
            yield Line("heading" if heads else "number", len(number["indent"]) + len(number["marks"]), words, title)
        elif raw.lstrip().startswith("#") or _is_title(raw, raw):
            yield Line("heading", 0, _plain(raw))
        elif bullet := _BULLET.match(raw):
            yield Line("bullet", len(bullet["indent"]), _plain(bullet["text"]))
        else:
            yield Line("text", len(raw) - len(raw.lstrip()), _plain(raw))


def _stands_free(number: re.Match) -> bool:
    """Whether text follows a number's sign after a blank, or nothing does: "1. A paw", not "1.5 pins" or "16:9"."""
    text = number["text"]
    return not text or text[0].isspace() or not text[0].isdigit()


def _is_title(raw: str, text: str) -> bool:
    """Whether a line is nothing but a title: in bold, or short and ended by a colon."""
    text = text.strip()
    bold = re.fullmatch(r"(?:\*\*|__)?[^*_]+(?:\*\*|__)[:.]?", text) is not None and "**" in raw + "__"
    return (bold or text.rstrip("*_ ").endswith((":", "："))) and len(text.split()) <= HEADING_WORDS


def _is_list(below: str, raw: str) -> bool:
    """Whether the line below begins a list within the item, or the first item of one."""
    deeper = len(below) - len(below.lstrip()) > len(raw) - len(raw.lstrip())
    return bool(_BULLET.match(below)) or (deeper and bool(_NUMBER.match(below))) or bool(re.match(r"\W*1\W", below))


def _plain(text: str) -> str:
    """A text without markdown."""
    return re.sub(r"\*\*|__|`|^[\s#>]+", "", text).strip()


def _of_json(value: object) -> list[str]:
    """Texts of the first list in a JSON object; of an object in it, its texts."""
    lists = [each for each in value.values() if isinstance(each, list)] if isinstance(value, dict) else []
    items = lists[0] if lists else []
    return [
        " ".join(str(part) for part in item.values() if isinstance(part, str)) if isinstance(item, dict) else str(item)
        for item in items
    ]
