"""Noun phrases by rules: lists of function words (articles, prepositions, auxiliaries ...), and word endings."""

import re

IGNORED_PHRASES = {"top", "the side", "the left", "the right"}  # as in T2I-CompBench

_DETERMINER_WORDS = """
a an the this these those each every some any no another both all several many few one two three four five
six seven eight nine ten eleven twelve thirteen my your his her its our their
"""
_PRONOUN_WORDS = """
i you he she it we they me him us them myself yourself himself herself itself ourselves themselves something everything
someone everyone
"""
# Words that end a phrase and belong to none: prepositions, conjunctions, auxiliaries, adverbs, short verbs.
_BOUNDARY_WORDS = """
of in on at by with from to into onto over under above below beneath beside besides between among amid through
across along around against behind before after during near inside outside within without toward towards up down
off out upon atop for about like as than per via past alongside
and or but nor so yet while when where that who whom whose which what how why if because until since though although
there here next ready
is are was were be been being am has have had having do does did can could will would shall should may might must
not too also just only then together apart away back forth still again almost
hold holds held carry carries carried make makes made take takes took use uses used put puts show shows shown
sit sits stand stands lie lies lay lays hang hangs
"""
# Words in -ing that are far more often nouns than verbs.
_ING_NOUN_WORDS = "ring king string spring wing ceiling building painting railing earring pudding clothing"
# Words in -ed that are nouns or numbers, besides those in -seed and -weed.
_ED_NOUN_WORDS = """
bed flowerbed riverbed seabed shed watershed sled bobsled reed breed creed deed feed need speed steed red hundred moped
biped quadruped
"""
_RECIPROCAL = {"each other", "one another"}  # no noun phrases for spaCy either
DETERMINERS, BOUNDARIES = set(_DETERMINER_WORDS.split()), set(_BOUNDARY_WORDS.split())
PRONOUNS, _NOUNS_IN_ING = set(_PRONOUN_WORDS.split()), set(_ING_NOUN_WORDS.split())
_NOUNS_IN_ED = set(_ED_NOUN_WORDS.split())


def phrases_by_rules(prompt: str) -> list[str]:
    """Noun phrases of a prompt, right for most plain sentences but not for all."""
    phrases: list[str] = []
    words: list[str] = []  # of the phrase so far

    def finish(before_determiner: bool = False) -> None:
        determined = words[0].lower() in DETERMINERS if words else False
        if before_determiner and len(words) > determined:
            words.pop()  # "the beaver hold | the hammer", "carry | a log": the word before an article is a verb
        if len(words) == determined + 1 and _is_participle(words[-1].lower()):
            words.clear()  # "surrounded by", "a spirited": a participle without its noun
        text = " ".join(words)
        if len(words) > determined and text.lower() not in IGNORED_PHRASES | _RECIPROCAL:
            phrases.append(text)
        words.clear()

    for token in re.findall(r"[^\W_]+(?:[-'’][^\W_]+)*|[^\w\s]", prompt):
        word = token.lower().removesuffix("'s").removesuffix("’s")
        if not token[0].isalnum() or word in BOUNDARIES:
            finish()
        elif word in PRONOUNS:
            finish()
            phrases.append(token)
        elif word in DETERMINERS:
            if not all(each.lower() in DETERMINERS for each in words):  # "all three", "each of" stay one phrase
                finish(before_determiner=True)
            words.append(token)
        elif _is_verb_or_adverb(word, words):
            finish()
        else:
            words.append(token)
    finish()
    return phrases


def _is_verb_or_adverb(word: str, before: list[str]) -> bool:
    """Whether a word reads as verb or adverb after the words of the phrase so far."""
    first = before[0].lower() if before else ""
    count = len(before) - (first in DETERMINERS)  # without the article
    if word.endswith("ly") and len(word) > 4:
        return count > 0 or not before
    if word.endswith("ing") and len(word) > 4 and word not in _NOUNS_IN_ING:
        return count > 0 or not before  # "a rolling pin", but "a beaver rolling" and "rolling dough"
    if _is_participle(word):
        return count > 0  # "a weathered bench", but "a chair covered in"
    singular = first in {"a", "an", "one", "each", "every", "another"} and count > 0
    return singular and word.endswith("s") and not word.endswith(("ss", "us", "is"))  # "a fox kneads"


def _is_participle(word: str) -> bool:
    return word.endswith("ed") and not word.endswith(("seed", "weed")) and word not in _NOUNS_IN_ED
