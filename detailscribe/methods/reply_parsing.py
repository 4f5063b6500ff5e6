"""What a model's reply says: pure parsers that return None rather than guess."""

import json
import math
import re

REFUSAL_WORDS = 60  # a refusal is short; a long reply that opens with an apology usually goes on to answer
LOWEST, HIGHEST = 1, 5  # the judge's scale

_REFUSAL = re.compile(
    r"(?:unfortunately,? )?(?:as an ai\b[^.]*?,? )?"
    r"(?:(?:i'm|i am) (?:very |so |really )?(?:sorry|afraid)\b"
    r"|sorry(?:[,.!]| but\b| i\b)|(?:i )?apologi[sz]e\b|my apologies\b"
    r"|i (?:can't|cannot|can not|won't|will not|must decline)\b(?! help but)"
    r"|(?:i'm|i am) (?:unable|not able)\b)"
)
_ARROWS = re.compile(r"<?[-=]+>|<[-=]+")
_PAIR = re.compile(r"<(\w+)>(.*?)</\1\s*>", re.DOTALL)
_LONE_TAG = re.compile(r"</?(?:br|p|b|i|em|strong|answer|output|description|prompt|think)\s*/?>", re.IGNORECASE)
_QUOTES = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`"}
_SCORE = re.compile(r"(?:score\s*[:=]?\s*)?([-+]?\d+(?:\.\d+)?)(?:\s*(?:/|out of)\s*5)?", re.IGNORECASE)


def whole(text: str) -> str | None:
    """The whole reply without a reasoning model's thoughts; None if nothing is left."""
    return text.rsplit("</think>", 1)[-1].strip() or None


def last_brackets(text: str) -> str | None:
    """What stands in the last `<...>`, on one line, without surrounding quotes.

    Brackets inside it are dropped and a pair of tags counts as brackets. None if there is none, if it holds no letter
    or digit, or if a last bracket opens and never closes: an earlier one is then a draft, and the answer was cut.
    """
    text = _ARROWS.sub(lambda arrow: " " * len(arrow[0]), whole(text) or "")
    text = _LONE_TAG.sub(" ", _PAIR.sub(lambda pair: f"<{pair[2]}>", text))
    opened, found = [], None
    for at, character in enumerate(text):
        if character == "<":
            opened.append(at)
        elif character == ">" and opened:
            found = (opened.pop(), at)
    if found is None or any(re.match(r"<\s*[^\W\d]|<\s*[\"'“(]", text[at:]) for at in opened if at > found[1]):
        return None
    inside = " ".join(re.sub("[<>]", " ", text[found[0] : found[1]]).split())
    if len(inside) > 1 and _QUOTES.get(inside[0]) == inside[-1] and not set(inside[1:-1]) & {inside[0], inside[-1]}:
        inside = inside[1:-1].strip()
    return inside if re.search(r"\w", inside) else None


def components(text: str) -> tuple[str, list[str]] | None:
    """Concept and parts of the last `<(concept: x) = (a) + (b)>`; None if absent or unbalanced."""
    inside = last_brackets(text)
    sides = _split(inside, "=") if inside else None
    if not sides or len(sides) != 2:
        return None
    concept = re.fullmatch(r"concept\s*(?:\s|:)\s*([^\s:].*)", _unwrap(sides[0]), re.IGNORECASE)
    parts = [_unwrap(part) for part in _split(sides[1], "+")]
    return (concept[1].strip(), parts) if concept and all(re.search(r"\w", part) for part in parts) else None


def looks_refused(text: str) -> bool:
    """Whether a reply is a short text that opens by declining."""
    said = (whole(text) or "").replace("’", "'").lower().lstrip("*_\"' ")
    return len(said.split()) <= REFUSAL_WORDS and _REFUSAL.match(said) is not None


def judge_score(text: str) -> float | None:
    """The score in the last `<...>`, or else in the last JSON object with a `score`; None unless from 1 to 5."""
    inside = last_brackets(text)
    number = _SCORE.fullmatch(inside) if inside else None
    score = number[1] if number else _field(text, "score")
    try:
        value = math.nan if isinstance(score, bool) else float(score)
    except (TypeError, ValueError):
        return None
    return value if LOWEST <= value <= HIGHEST else None


def yes_or_no(text: str) -> float | None:
    """1 for the yes in the last `<...>`, or else in the last JSON object with a `score`; 0 for a no; None otherwise."""
    inside = last_brackets(text)
    said = _field(text, "score") if inside is None else inside
    return {"yes": 1.0, "no": 0.0}.get(str(said).strip(" .!").lower())


def _field(text: str, name: str):
    """The value under a name in the last JSON object that has it."""
    value = None
    for found in re.findall(r'\{(?:[^{}"]|"(?:[^"\\]|\\.)*")*\}', whole(text) or ""):
        try:
            value = json.loads(found).get(name, value)
        except json.JSONDecodeError:
            continue
    return value


def answer_format(scale: str) -> dict:
    """A request's option that keeps a judge's reply to a JSON object with `reason` and `score`, by its scale."""
    kinds = {
        "grade": {"type": "integer", "enum": list(range(LOWEST, HIGHEST + 1))},
        "yes_no": {"type": "string", "enum": ["yes", "no"]},
    }
    fields = {"reason": {"type": "string"}, "score": kinds[scale]}
    schema = {"type": "object", "properties": fields, "required": list(fields), "additionalProperties": False}
    form = {"name": "judgement", "strict": True, "schema": schema}
    return {"response_format": {"type": "json_schema", "json_schema": form}}


def _split(text: str, separator: str) -> list[str] | None:
    """Split at separators outside parentheses; None if the parentheses do not match."""
    depth, pieces = 0, [""]
    for character in text:
        depth += (character == "(") - (character == ")")
        if depth < 0:
            return None
        if character == separator and depth == 0:
            pieces.append("")
        else:
            pieces[-1] += character
    return pieces if depth == 0 else None


def _unwrap(text: str) -> str:
    """Text without the parentheses that enclose all of it."""
    text = text.strip()
    while text.startswith("(") and text.endswith(")") and _split(text[1:-1], "\0"):
        text = text[1:-1].strip()
    return text
