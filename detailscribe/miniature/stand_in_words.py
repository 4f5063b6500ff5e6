"""What the offline stand-in can read of a prompt: scenes, entities with their position, and the words that remain.

A judge that looks only at the words that it knows flatters an image. So the stand-in judges a text only if it can check
all of it, and otherwise declines, as a hosted model may: the image has no score, and the tables list it as refused.
"""

import re
from collections.abc import Sequence
from functools import lru_cache

from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.facts import fact_sentences
from detailscribe.miniature.world.phrases import ground, positions
from detailscribe.miniature.world.vocabulary import BACKGROUNDS, ENTITIES, MOODS, PLURALS, with_article

DOCUMENT = "docs/miniature.md"
MOST_LISTED = 5  # words; a longer reply would not be read as one that declines
_FUNCTION_WORDS = """
a an and anime are as at be being by each every for from his her in into is it its of on one onto or over same some
that the their them they this through to toward towards two under up upon very while with
"""
FILLER = frozenset(_FUNCTION_WORDS.split())
NEUTRAL = frozenset(("a", "an", "and", "are", "is", "some", "the", "there", "with"))  # they say nothing of their own
SINGULARS = {many: one for one, many in PLURALS.items()}
_BACKGROUND = re.compile(rf"\b(?:{'|'.join(BACKGROUNDS)})\b")
_THING = "|".join((*ENTITIES, *SINGULARS))
_PART = re.compile(rf"\b(?:(?:an?|the) )?(?P<thing>{_THING})\b(?P<place> (?:{'|'.join(positions())})\b)?")
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*")


@lru_cache(maxsize=4096)
def can_check(text: str) -> bool:
    """Whether all that a text says can be checked: scenes, entities with or without a position, backgrounds.

    A mood may be named, and is not looked at.
    """
    if named_pattern(text):
        return True
    sentences = _sentences(text)
    checked = any(parse_prompt(each) or named_parts(each) or named_backgrounds(each) for each in sentences)
    return checked and not unread_words(text)


def unread_words(text: str) -> list[str]:
    """Words of a text that cannot be checked, each once: unknown ones, and known ones in no scene of this world.

    Function words are among them only if there is nothing else.
    """
    if named_backgrounds(text) and not _BACKGROUND.search(text.lower()):
        return []
    words = [word for sentence in _sentences(text) for word in _WORD.findall(_without_parts(sentence))]
    left = list(dict.fromkeys(word for word in words if word not in NEUTRAL))
    return [word for word in left if word not in FILLER] or left


def named_parts(text: str) -> list[str]:
    """Entities with their position, if one follows: "a cat on the left"; those of sentences that describe no scene."""
    return [
        match["thing"] + (match["place"] or "")
        for sentence in _sentences(text)
        if not parse_prompt(sentence)
        for match in _PART.finditer(_BACKGROUND.sub("", sentence))
    ]


def named_pattern(text: str) -> str:
    """The pattern that a text names and nothing else ("a circle"); empty for any other text."""
    article, _, name = text.lower().strip(" .").partition(" ")
    return name if article in ("a", "the") and name in ARRANGEMENTS and ARRANGEMENTS[name].is_pattern else ""


def named_backgrounds(text: str) -> list[str]:
    """Backgrounds that a text names, each once."""
    named = dict.fromkeys(found for each in _sentences(text) for found in _BACKGROUND.findall(each))
    return list(named) or [each for each in BACKGROUNDS if " ".join(text.lower().split()) == ground(each)]


def named_entities(prompt: str) -> list[str]:
    """Phrases of the entities that a prompt names, in its order and in its number (singular or plural)."""
    phrases: dict[str, str] = {}
    for word in re.findall(r"[a-z]+", prompt.lower()):
        if word in ENTITIES:
            phrases.setdefault(word, with_article(word))
        elif word in SINGULARS:
            phrases.setdefault(SINGULARS[word], word)
    return list(phrases.values())


def refusal(text: str) -> str:
    """A reply that declines to judge a text that cannot be checked: which of its words are known, and which are not."""
    known = [phrase.split()[-1] for phrase in named_entities(text)]
    what, here = listed(unread_words(text)) or "this", listed(known) or "nothing that it names"
    return f"I cannot check {what}; known here: {here} ({DOCUMENT}). The demo's things: {', '.join(ENTITIES)}."


def listed(words: Sequence[str]) -> str:
    """Words as a list, of which a long one is cut."""
    more = f" and {len(words) - MOST_LISTED} more" if len(words) > MOST_LISTED else ""
    return ", ".join(words[:MOST_LISTED]) + more


def _sentences(text: str) -> list[str]:
    """Sentences in lower case, on one line, without those that set a mood or repeat a fact of the scene."""
    scene = parse_prompt(text)
    known = {each.lower().rstrip(".") for each in (*MOODS, *(fact_sentences(scene) if scene else ()))}
    found = [" ".join(each.split()) for each in re.split(r"[.!?]+(?:\s|$)", text.lower())]
    return [each for each in found if each and each not in known]


def _without_parts(sentence: str) -> str:
    """A sentence without what can be checked, or need not be."""
    return "" if parse_prompt(sentence) else _PART.sub(" ", _BACKGROUND.sub(" ", sentence))
