"""Angle brackets in a reply: the last `<...>`, tags, arrows, list marks, markdown; every step is linear in time."""

import re

_ARROW = re.compile(r"<[-=]+>?|(?<![-=<])[-=]+>")
_LIST_ITEM = re.compile(r"<-\s[^<>]+>")  # `<- A dog>` at the beginning of a line is no arrow between words
_TAG = re.compile(
    r"<(?P<closes>/?) ?(?P<name>[^\W\d]\w{0,40}(?:[ -]\w{1,40}){0,5}) ?(?P<empty>/?)>"
    r"|<(?P<marker>\w{1,40})\s{1,9}[\w-]{1,40}=[^<>]{0,200}>"
)
_CLOSING_TAG = re.compile(r"</[\w :.|-]{0,200}>")
_BLANK = re.compile(r"\s*\Z")
_LONE_TAGS = frozenset(("br", "p", "b", "i", "em", "strong", "answer", "output", "description", "prompt", "response"))
_REMARKS = frozenset(("reason", "explanation", "rationale", "justification", "box", "ref", "quad"))
_BEGUN = re.compile(r"<\s{0,9}(?:[^\W\d]|[\"'“(])")  # a bracket that opens with words
_LIST_MARK = re.compile(r"^[ \t]*(?:[-*•–][ \t]+|\d{1,2}[.)][ \t]+)", re.MULTILINE)
_OTHER_BRACKETS = str.maketrans("＜＞⟨⟩〈〉", "<><><>")
_ENCLOSING = {'"': '"', "'": "'", "“": "”", "‘": "’", "`": "`", "*": "*", "_": "_", "|": "|"}


def last_pair(text: str) -> tuple[str, int] | None:
    """What the last `<...>` holds, and the position of its end.

    Brackets inside it become blanks, and a pair of tags counts as brackets. None if there is no pair, or if a later
    bracket opens with words and never closes: the reply was cut, and an earlier pair is a draft.
    """
    text = plain(text)
    if any(part in text for part in ("->", "=>", "<-", "<=")):
        text = _ARROW.sub(_blank_arrow, text)
    text = _without_tags(text)
    opened: list[int] = []
    pair = None
    for mark in re.finditer("[<>]", text):
        if mark[0] == "<":
            opened.append(mark.start())
        elif opened:
            pair = opened.pop(), mark.start()
    if pair is None or any(_BEGUN.match(text, position) for position in opened if position > pair[1]):
        return None
    return re.sub("[<>]", " ", text[pair[0] : pair[1]]), pair[1]


def clean(inside: str, lists: bool = True) -> str | None:
    """What brackets hold, on one line, without bold marks and enclosing quotes; None without a letter or digit.

    Args:
        lists: Whether marks of list items (`- `, `1. `) are removed.
    """
    inside = inside.replace("**", "").replace("```", "").strip()
    inside = " ".join((_LIST_MARK.sub("", inside) if lists else inside).split())
    for _ in range(3):
        within = inside[1:-1]
        if len(inside) < 2 or _ENCLOSING.get(inside[0]) != inside[-1] or inside[0] in within or inside[-1] in within:
            break
        inside = within.strip()
    return inside if re.search(r"[^\W_]", inside) else None


def plain(text: str) -> str:
    """A text whose brackets are `<` and `>`, where markdown, HTML and other scripts write them in other ways."""
    text = text.replace("\\<", "<").replace("\\>", ">")
    if "<" not in text:
        text = text.replace("&lt;", "<").replace("&gt;", ">").translate(_OTHER_BRACKETS)
    return text


def _blank_arrow(arrow: re.Match) -> str:
    """Blanks of an arrow's length; a bracket at the beginning of a line that opens with a list mark stays one."""
    if _LIST_ITEM.match(arrow.string, arrow.start()):
        before = arrow.string[max(0, arrow.start() - 80) : arrow.start()].rstrip(" \t*_`")
        if not before or before[-1] in "\n:":
            return "<" + " " * (len(arrow[0]) - 1)
    return " " * len(arrow[0])


def _without_tags(text: str) -> str:
    """A text of the same length with pairs of tags as brackets; remarks, lone and closing tags are blanks."""
    changes = [(tag.start(), tag.end(), "") for tag in _CLOSING_TAG.finditer(text)] if "</" in text else []
    remarks: list[tuple[int, int]] = []
    opened: dict[str, list[re.Match]] = {}
    for tag in _TAG.finditer(text):
        name = " ".join((tag["name"] or tag["marker"]).casefold().split())
        if tag["marker"] or tag["empty"]:
            changes.append((tag.start(), tag.end(), ""))
        elif not tag["closes"]:
            opened.setdefault(name, []).append(tag)
            if name in _LONE_TAGS:
                changes.append((tag.start(), tag.end(), ""))
        elif opened.get(name):
            first = opened[name].pop()
            if name in _REMARKS:
                remarks.append((first.start(), tag.end()))
            elif not _BLANK.match(text, first.end(), tag.start()):
                changes += [(first.start(), first.end(), "<"), (tag.end() - 1, tag.end(), ">")]
    if not changes and not remarks:
        return text
    characters = list(text)
    for start, end, instead in changes:
        characters[start:end] = list(instead.ljust(end - start))
    done = 0
    for start, end in sorted(remarks):
        if end > done:
            characters[max(start, done) : end] = " " * (end - max(start, done))
            done = end
    return "".join(characters)
