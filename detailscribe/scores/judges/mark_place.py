"""Place of a mark in a reply's text: the digit, letter or word that a judge's parser reads its value from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

# What opens the answer that a parser reads: a bracket, or the key of a JSON object.
ANCHOR = re.compile(r"[<＜⟨〈]|&lt;|\"score\"")
NARROW = {0xFF01 + code: 0x21 + code for code in range(94)}  # full-width letters and digits, one for one


def mark_place(
    text: str, marks: Mapping[str, float], parse: Callable[[str], float | None]
) -> tuple[tuple[int, int] | None, float | None]:
    """Begin and end of the mark in a text, and the value that the text has.

    Args:
        text: What a model says, without thoughts: a mark alone, or one in brackets or a JSON object.
        marks: Value of each mark by its text.
        parse: Reads the value from a text with brackets or a JSON object; a text without them is given to it in
            brackets.

    Returns:
        No place if no mark has the value, as for 3.5 between two grades; neither without a value.
    """
    value = parse(text)
    direct = value is None and not any(each in text for each in "<{")
    value = parse(f"<{text}>") if direct else value
    names = [name for name, each in marks.items() if each == value]
    if value is None or not names:
        return None, value
    words = "|".join(re.escape(name) for name in sorted(names, key=len, reverse=True))
    mark = re.compile(rf"(?<![^\W_])(?:{words})(?![^\W_])", re.IGNORECASE)
    for place in [0] if direct else [each.end() for each in ANCHOR.finditer(text)][::-1]:
        opening = '{"score"' if text[:place].endswith('"') else "<"
        if direct or parse(opening + text[place:]) == value:
            found = mark.search(text.translate(NARROW), place)
            return (found.span() if found else None), value
    return None, value
