"""Differences between two sides, the parts that they belong to, and their values as short texts."""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import TypeVar

from detailscribe.capsule.layout import WITHHELD
from detailscribe.files.digests import canonical_json

T = TypeVar("T")
ABSENT = "–"  # a value that one side does not have

# Parts by name: their title and what is counted. First what a reader concludes, then what went in, then what came out.
VERDICTS, RANKINGS, WIN_RATES, MEANS = "verdicts", "rankings", "win_rates", "means"
INPUTS, PARAMETERS, TEMPLATES, MODELS, VERSIONS = "inputs", "parameters", "templates", "models", "versions"
IMAGES, ANSWERS, SCORES, TABLES = "images", "answers", "scores", "tables"
PARTS = {
    VERDICTS: ("Verdicts", "verdicts and leads"),
    RANKINGS: ("Rankings", "orders of methods"),
    WIN_RATES: ("Win rates", "win rates"),
    MEANS: ("Means", "means"),
    INPUTS: ("Prompts", "prompts"),
    PARAMETERS: ("Parameters", "keys"),
    TEMPLATES: ("Templates", "templates"),
    MODELS: ("Models", "models and weights"),
    VERSIONS: ("Versions", "versions"),
    IMAGES: ("Images", "images"),
    ANSWERS: ("Answers", "answers"),
    SCORES: ("Scores", "scores"),
    TABLES: ("Tables", "tables"),
}
CAUSES = (INPUTS, PARAMETERS, TEMPLATES, MODELS, VERSIONS)  # what went in; the rest came out


@dataclass(frozen=True)
class Difference:
    """One thing that differs.

    Attributes:
        part: One of PARTS.
        scenario: Empty for the whole study.
        item: What differs: a prompt's id, a parameter's key, `clip_score of gpt_refine`.
        a, b: The values, ABSENT where a side has none.
        note: More about it in words.
        changed, compared: Rows or images behind it, if it stands for several.
        mean, largest: Mean and largest difference of their values, B minus A.
        places: Files or names where it was found.
    """

    part: str
    scenario: str
    item: str
    a: str
    b: str
    note: str = ""
    changed: int | None = None
    compared: int | None = None
    mean: float | None = None
    largest: float | None = None
    places: tuple[str, ...] = ()


@dataclass
class Part:
    """A part of the comparison.

    Attributes:
        name: One of PARTS.
        compared: How many things were compared.
        changed: How many of them differ.
        differences: In the order in which they are shown.
    """

    name: str
    compared: int = 0
    changed: int = 0
    differences: list[Difference] = field(default_factory=list)

    @property
    def title(self) -> str:
        return PARTS[self.name][0]

    @property
    def unit(self) -> str:
        return PARTS[self.name][1]

    def add(self, differences: Iterable[Difference], compared: int, changed: int | None = None) -> None:
        """Add what was found in one place; `changed` is the number of differences unless they stand for several."""
        found = list(differences)
        self.differences += found
        self.compared += compared
        self.changed += len(found) if changed is None else changed


def of_both(text: Callable[[T], str], one: T, other: T) -> tuple[str, str]:
    """The texts of two things."""
    return text(one), text(other)


def value_text(value: object) -> str:
    """A value of a parameter or row as text; a text stands as it is."""
    if value is None:
        return "null"
    if isinstance(value, str):
        return value or '""'
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return number_text(value)
    return canonical_json(value) if isinstance(value, dict | list) else str(value)


def is_withheld(value: object) -> bool:
    """Whether a capsule has something else in place of a word of this value, so that nobody can compare it."""
    return isinstance(value, str) and WITHHELD in value


def number_text(value: float | None, signed: bool = False) -> str:
    """A number to four significant digits, which shows small differences, too."""
    if value is None or math.isnan(value):
        return ABSENT
    return f"{value:+.4g}" if signed and value else f"{value:.4g}"


def numbers_text(one: float | None, other: float | None) -> tuple[str, str]:
    """Two numbers with as many digits as show that they differ; four at least."""
    texts = of_both(number_text, one, other)
    if texts[0] == texts[1] and one is not None and other is not None and one != other:
        for digits in range(5, 18):
            texts = f"{one:.{digits}g}", f"{other:.{digits}g}"
            if texts[0] != texts[1]:
                break
    return texts


def float_of(text: str | None) -> float | None:
    """The number in a cell of a table; None for an empty cell or a text."""
    try:
        number = float(text or "")
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def plain(text: str, length: int = 0) -> str:
    """A text in one line without characters that a terminal obeys, cut to a length if one is given."""
    line = "".join(letter if letter.isprintable() else " " for letter in text)
    return line if not length or len(line) <= length else line[: length - 1] + "…"


def excerpts(one: str, other: str, length: int) -> tuple[str, str]:
    """Two texts in one line each, cut to a length; of long ones what stands around the first difference."""
    one, other = plain(one), plain(other)
    if max(len(one), len(other)) <= length or ABSENT in (one, other):
        return plain(one, length), plain(other, length)
    start = max(0, len(os.path.commonprefix([one, other])) - length // 3)
    cut = "…" if start else ""
    return plain(cut + one[start:], length), plain(cut + other[start:], length)
