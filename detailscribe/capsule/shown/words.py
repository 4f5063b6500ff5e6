"""Words that a message may keep: those of this code, of the study's own names, prompts and answers; all others go.

A message is a text that a server, a library or a system wrote into a row: `reason`, an error. Such texts hold host
names, accounts and paths in forms that nobody can list. So a word stays only if the pipeline's code says it, or if it
stands in what the capsule shows anyway: a prompt, a name of the configuration, an answer. `[withheld]` takes the place
of any other. The replacement works on single words, so that a table of messages changes in the same way as its rows.
"""

import ast
import functools
import re
from collections.abc import Iterable
from pathlib import Path

from detailscribe.capsule.layout import WITHHELD

_PIECE = re.compile(r"\S+")
_EDGES = "\"'`’‘“”.,;:!?()[]{}<>*_|…-–—=+"
# Numbers and versions, of at most three parts: an address has four.
_NUMBER = re.compile(r"[-+]?\d{1,7}(?:[.,]\d{1,6})?(?:%|st|nd|rd|th|px|s)?|[vk]?\d{1,5}(?:\.\d{1,5}){0,2}")
_OF_LIBRARIES = ("tabular", "toprule", "midrule", "bottomrule")  # what libraries write into tables
_PLAIN = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)?")  # letters alone


class Words:
    """The words that messages of a study may keep.

    Args:
        known: Texts whose words are known.
    """

    def __init__(self, known: Iterable[str] = ()):
        self._known = {*code_words(), *_OF_LIBRARIES}
        self._answers: set[str] = set()
        for text in known:
            self.add(text)

    def add(self, text: str) -> None:
        """Let messages keep the words of a text."""
        self._known.update(_words(text))

    def add_answer(self, text: str) -> None:
        """Let messages keep the words of a model's answer, also the beginning of one where a message cuts it off."""
        words = set(_words(text))
        self._known.update(words)
        self._answers.update(words)

    def clean(self, text: str) -> str:
        """A message with `[withheld]` in place of each word that is not known; white space stays as it is."""
        return _PIECE.sub(self._kept, text)

    def unknown(self, text: str) -> str:
        """The first word of a text that is not known; empty if all are."""
        return next((piece for piece in _PIECE.findall(text) if self._kept_piece(piece) != piece), "")

    def _kept(self, match: re.Match[str]) -> str:
        kept, rest = self._kept_piece(match[0]), match.string[match.end() :].strip()
        is_cut = not rest or rest.startswith("...") or match[0].endswith(";")
        return match[0] if kept != match[0] and is_cut and self._begins_answer(match[0]) else kept

    def _begins_answer(self, piece: str) -> bool:
        beginning = piece.strip(_EDGES).casefold()
        return beginning[:1].isalpha() and any(word.startswith(beginning) for word in self._answers)

    def _kept_piece(self, piece: str) -> str:
        return piece if self._is_known(piece) else piece.replace(piece.strip(_EDGES), WITHHELD)

    def _is_known(self, piece: str) -> bool:
        inner = piece.strip(_EDGES)
        return (
            not inner
            or inner.casefold() in self._known
            or _NUMBER.fullmatch(inner) is not None
            or (len(parts := _parts(inner)) == 2 and all(part in self._known for part in parts))
        )


def _parts(word: str) -> list[str]:
    """The two parts of `by:clip_score`, `image/png` or `cat's`; one that a dash joins may be a machine's name."""
    return re.split(r"[:/'’]", word.casefold()) if word[0].isalnum() else []


def _words(text: str) -> Iterable[str]:
    for piece in _PIECE.findall(text):
        if inner := piece.strip(_EDGES).casefold():
            yield inner
            yield from (part for part in re.split(r"[^\w]+", inner) if _PLAIN.fullmatch(part))


@functools.cache
def code_words() -> frozenset[str]:
    """The words of all texts in the code of the package: what the pipeline itself says."""
    words = set[str]()
    for path in sorted(Path(__file__).parents[2].rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                words.update(_words(node.value))
    return frozenset(words)
