"""Parsers of model replies: prompt, decomposition, refusal, grade. They return None rather than guess.

Each takes the whole reply of any family of models: special tokens and thoughts are dropped first (`reply_text`). A
reply that is a JSON object is read as one before its texts are.
"""

import re

from detailscribe.methods import angle_brackets
from detailscribe.methods.json_replies import begins_as_json, json_objects, texts_of, unfenced, value_of
from detailscribe.methods.reply_text import spoken_text

REFUSAL_WORDS = 60  # a refusal is short; a long reply that opens with an apology usually goes on to answer
LOWEST_GRADE, HIGHEST_GRADE = 1, 5  # the judge's scale
# A judge's mark of a pair of images and what it counts: 1, the first is clearly better, to 5, the second is.
PAIR_MARKS = {"1": 1.0, "2": 0.5, "3": 0.0, "4": -0.5, "5": -1.0}

_REFUSAL = re.compile(
    r"(?:unfortunately,? )?(?:as an ai\b[^.]*?,? )?"
    r"(?:(?:i'm|i am) (?:very |so |really )?(?:sorry|afraid)\b"
    r"|sorry(?:[,.!]| but\b| i\b)|(?:i )?apologi[sz]e\b|my apologies\b"
    r"|i (?:can't|cannot|can not|won't|will not|must decline)\b(?! help but)"
    r"|(?:i'm|i am) (?:unable|not able)\b)"
)
_SCORE = re.compile(
    r"(?:(?:score|grade|rating)\s?[:=]?\s?)?([-+]?\d{1,9}(?:\.\d{1,9})?)(?:\s?(?:/|out of)\s?5)?\.?"
    r"(?:\s?[-–—=:,(]\s?[^\d]{0,400})?",
    re.IGNORECASE,
)
_YES_NO = re.compile(
    r"(?:answer ?[:=] ?)?(yes|no)[ .!]*(?:[-–—=:,;(](?! ?(?:or )?(?:yes|no)\b).{0,400})?", re.IGNORECASE
)
_PAIR_MARK = re.compile(
    r"(?:(?:score|answer|choice|mark)\s?[:=]?\s?)?([1-5])(?:\.0)?\.?(?:\s?[-–—=:,(]\s?[^\d]{0,400})?", re.IGNORECASE
)
_ANSWER_TAG = re.compile(r"<(answer|response|output|solution)>", re.IGNORECASE)
_LETTER_OR_DIGIT = re.compile(r"[^\W_]")
_WIDE = str.maketrans("（）＝＋：", "()=+:")


def whole_text(text: str) -> str | None:
    """The whole reply without thoughts, special tokens and a frame around it (tags, code fence).

    None if it holds no letter or digit: dots, a line, an emoji.
    """
    spoken = unfenced(spoken_text(text).text)
    if framed := _ANSWER_TAG.match(spoken):
        closing = f"</{framed[1]}>"
        spoken = spoken[framed.end() : -len(closing) if spoken.endswith(closing) else None].strip()
    return spoken if _LETTER_OR_DIGIT.search(spoken) else None


def last_brackets(text: str) -> str | None:
    """The content of the last `<...>`, on one line, without list marks and surrounding quotes.

    Brackets inside it are dropped, and a pair of tags counts as brackets. None if there are no brackets, if they hold
    no letter or digit, or if a later bracket opens and never closes: the reply was cut, and an earlier pair is a draft.
    """
    spoken = spoken_text(text).text
    plain = unfenced(spoken)
    if begins_as_json(plain) and (objects := json_objects(plain)) and objects[0][:2] == (0, len(plain)):
        spoken = "\n".join(texts_of(objects[0][2]))
    pair = angle_brackets.last_pair(spoken)
    return angle_brackets.clean(pair[0]) if pair else None


def parse_decomposition(text: str) -> tuple[str, list[str]] | None:
    """Concept and components of the last `<(concept: x) = (a) + (b)>`.

    None if absent or unbalanced, or if one of them holds no letter or digit.
    """
    inside = last_brackets(text)
    sides = _split(inside.translate(_WIDE), "=") if inside else None
    if not sides or len(sides) != 2:
        return None
    concept = re.fullmatch(r"concept ?(?: |:) ?([^\s:].*)", _unwrap(sides[0]), re.IGNORECASE)
    components = [_unwrap(component) for component in _split(sides[1], "+") or []]
    if not concept or not all(_LETTER_OR_DIGIT.search(part) for part in (concept[1], *components)):
        return None
    return concept[1].strip(), components


def is_refusal(text: str) -> bool:
    """Whether a reply is a short text that begins by declining."""
    plain = (whole_text(text) or "").replace("’", "'").lower().lstrip("*_\"'<( ")
    return len(plain.split(maxsplit=REFUSAL_WORDS)) <= REFUSAL_WORDS and _REFUSAL.match(plain) is not None


def judge_score(text: str) -> float | None:
    """The score in the last `<...>` or in a later JSON object with a `score`; None unless from 1 to 5.

    Brackets within a JSON object are its text and no score: `{"reason": "<2> for the hand", "score": 4}` is 4.
    """
    for answer in _answers(text):
        number = None if isinstance(answer, bool) else _SCORE.fullmatch(str(answer).strip())
        if number and LOWEST_GRADE <= float(number[1]) <= HIGHEST_GRADE:
            return float(number[1])
    return None


def yes_or_no(text: str) -> float | None:
    """1 for yes, 0 for no in the last `<...>` or in a later JSON object with a `score`; None for neither."""
    for answer in _answers(text):
        if word := _YES_NO.fullmatch(str(answer).strip(" .!")):
            return float(word[1].lower() == "yes")
    return None


def pair_value(text: str) -> float | None:
    """How much better the first of two images is, from 1 (clearly) to -1 (the second is, clearly); 0 for a tie.

    Read from one of PAIR_MARKS in the last `<...>` or in a later JSON object with a `score`; None for anything else.
    """
    for answer in _answers(text):
        if mark := None if isinstance(answer, bool) else _PAIR_MARK.fullmatch(str(answer).strip()):
            return PAIR_MARKS[mark[1]]
    return None


def released_score(text: str) -> float | None:
    """The score as the released code reads it: the first `<...>` on one line, if it holds digits and nothing else.

    Differs: a digit that is no decimal number (`<²>`) is no score here; the released code stops with an error.

    Source: DetailScribe, released code, `auto_evaluators.py`.
    """
    for line in text.split("\n"):
        _, opened, rest = line.partition("<")
        inside, closed, _ = rest.partition(">")
        if opened and closed:
            return float(inside) if inside.isdecimal() and len(inside) <= 9 else None
    return None


def released_yes_or_no(text: str) -> float:
    """1 if the reply holds the letters `yes` anywhere, otherwise 0.

    Source: DetailScribe, released code, `auto_evaluators.py`.
    """
    return float("yes" in text)


def judge_response_format(scale: str, reason: bool = True) -> dict:
    """The request option that restricts a judge's reply to a JSON object with `reason` and `score`, by its scale.

    Args:
        reason: Whether the object has a reason.
    """
    kinds = {
        "grade": {"type": "integer", "enum": list(range(LOWEST_GRADE, HIGHEST_GRADE + 1))},
        "yes_no": {"type": "string", "enum": ["yes", "no"]},
        "pair": {"type": "integer", "enum": [int(mark) for mark in PAIR_MARKS]},
    }
    fields = {**({"reason": {"type": "string"}} if reason else {}), "score": kinds[scale]}
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    json_schema = {"name": "judgement", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": json_schema}}


def _answers(text: str) -> list:
    """A judge's answers: that of the last `<...>` outside JSON, and that of the last object; the later one first."""
    spoken = spoken_text(text).text
    objects = json_objects(spoken)
    if not objects and begins_as_json(spoken):
        return []
    pieces, position = [], 0
    found: list[tuple[int, object]] = []
    for start, end, value in objects:
        pieces += [spoken[position:start], " " * (end - start)]
        position = end
        if (score := value_of(value, "score")) is not None:
            found[:] = [(end, score)]
    pair = angle_brackets.last_pair("".join([*pieces, spoken[position:]]))
    inside = angle_brackets.clean(pair[0], lists=False) if pair else None
    if pair and inside:
        found.append((pair[1], inside))
    return [answer for _, answer in sorted(found, key=lambda each: -each[0])]


def _split(text: str, separator: str) -> list[str] | None:
    """Split at separators outside parentheses; None if the parentheses are unbalanced."""
    depth = start = 0
    pieces = []
    for mark in re.finditer(rf"[()]|{re.escape(separator)}", text):
        depth += (mark[0] == "(") - (mark[0] == ")")
        if depth < 0:
            return None
        if mark[0] == separator and depth == 0:
            pieces.append(text[start : mark.start()])
            start = mark.end()
    return [*pieces, text[start:]] if depth == 0 else None


def _unwrap(text: str) -> str:
    """Text without the parentheses that enclose all of it."""
    text = text.strip()
    for _ in range(5):
        if not (text.startswith("(") and text.endswith(")") and _split(text[1:-1], "\0")):
            break
        text = text[1:-1].strip()
    return text
