"""Parts of a prompt that an image must show, one yes/no question each: interactions and entities of its decomposition.

An interaction is a component of the decomposition, such as "paw holds rolling pin". Its entities are the noun phrases
in it. Components leave out articles, and a parser of sentences then takes "needle pierces cloth" for one noun phrase;
so each reading of a component as entity, action, entity is put into words with articles ("The needle pierces the
cloth"), and the one whose noun phrases are its entities counts.

Source: DetailScribe, first step of the method. The questions: Cho et al. 2024, Davidsonian Scene Graph, arXiv
2310.18235, which asks another language model for them.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from itertools import chain
from typing import NamedTuple

from detailscribe.methods.roles import input_problem
from detailscribe.prompts.noun_phrase_rules import BOUNDARIES, DETERMINERS, PRONOUNS, phrases_by_rules
from detailscribe.prompts.noun_phrases import planned_parser, resolve_parser
from detailscribe.study.judging.judges import PARTS
from detailscribe.study.study import Study

STAGE = "parts"
ALGORITHM = 1
INTERACTION, ENTITY = "interaction", "entity"  # kinds of parts
# Places in the image, which are no things in it.
_PLACE_WORDS = """
left right top bottom side sides middle center centre front back foreground background edge corner place position
contact
"""
PLACES = frozenset(_PLACE_WORDS.split())
ACTION_WORDS = 2  # at most, of the action in "hand - grips - handle"
# Verbs that a word in -ing follows: "sits eating"; and verbs in their base form that an object follows.
_WITHOUT_OBJECT_WORDS = """
sits stands lies hangs kneels leans rests floats waits goes comes keeps starts begins stops helps enjoys
"""
WITHOUT_OBJECT = frozenset(_WITHOUT_OBJECT_WORDS.split())
WITH_OBJECT = frozenset(("hold", "carry", "make", "take", "use", "put", "show"))
COMPONENT_WORDS = 15  # longer ones are sentences of their own
ARTICLES = frozenset(("a", "an", "the"))
_FIELDS = re.compile(r"\s*(?:->|→|=>|[,;|]|\s[-–—]\s)\s*")  # of "hand - grips - handle"
_WORD = re.compile(r"[^\W_]+(?:[-'’][^\W_]+)*['’]?")
_BASE_FORM = re.compile(r".*(?<!s)(?<!ing)(?<!ed)$")  # "the pin roll dough" reads as "will roll"
Parser = Callable[[str], list[str]]


class Reading(NamedTuple):
    """A component read as things and what is between them: the sentence with articles, and its entities in order."""

    sentence: str
    entities: tuple[str, ...]


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    if not study.judges_asked(PARTS):
        return {}
    return {"parts": resolve_parser(study.config["noun_phrases"]["by"])}


def list_parts(records: list[dict], decompositions: dict[str, dict], parser: dict) -> list[dict]:
    """The parts of each prompt: its interactions, then its entities, each once.

    Args:
        records: Prompt records.
        decompositions: Rows of `decompose` by id.
        parser: Of `noun_phrases.resolve_parser`, when the study was planned.

    Returns:
        Rows `id, status, reason, parts`; a part has `text` and `kind` (interaction or entity).

    Raises:
        SetupError: spaCy and its model are not installed where this job runs, or are others than planned.
    """
    parse: Parser | None = planned_parser(parser) if parser["by"] == "spacy" else None
    rows = []
    for record in records:
        decomposition = decompositions.get(record["id"])
        row: dict = {"id": record["id"], "status": "ok", "reason": "", "parts": []}
        if decomposition is None or decomposition["status"] != "ok":
            row |= {"status": "skipped", "reason": input_problem("decomposition", decomposition)}
        else:
            components = [" ".join(text.replace("_", " ").split()) for text in decomposition["components"]]
            try:
                entities = list(chain.from_iterable(entities_of(text, parse) for text in components))
                row["parts"] = [*_each_once(components, INTERACTION), *_each_once(entities, ENTITY)]
            except ValueError as error:  # spaCy's limit of a text
                row |= {"status": "failed", "reason": str(error).strip().partition("\n")[0]}
        rows.append(row)
    return rows


def entities_of(component: str, parse: Parser | None) -> list[str]:
    """The things in a component, in its order and words, without places in the image.

    Args:
        component: Such as "paw holds rolling pin" or "a cat left of a ball".
        parse: Noun phrases of a sentence; None for rules alone.
    """
    fields = [field for field in _FIELDS.split(component.strip(" ().")) if field]
    text = " ".join(fields)
    found: Iterable[str]
    if len(fields) == 3 and len(fields[1].split()) <= ACTION_WORDS:  # written as entity, action, entity
        found = [fields[0], fields[2]]
    elif parse:
        found = _entities_by_sentences(text, parse)
    else:
        found = _entities_by_rules(_WORD.findall(text))
    return [entity for entity in found if _bare(entity) and not _is_place(entity)]


def _entities_by_sentences(text: str, parse: Parser) -> tuple[str, ...]:
    """Entities of the reading that the parser confirms: all its noun phrases are these entities.

    Of several: the most entities; then those of the plain text; then a plural with a verb in its base form ("bristles
    touch teeth"); then one without an auxiliary. Where none is confirmed, the noun phrases of the plain text.
    """
    words, found = _WORD.findall(text), parse(text)
    if len(words) > COMPONENT_WORDS:
        return tuple(found)
    plain = [_bare(phrase) for phrase in found]
    confirmed: list[tuple[tuple, Reading]] = []
    for auxiliary in (False, True):
        for reading in _readings(words, auxiliary):
            phrases = [bare for phrase in parse(reading.sentence) if (bare := _bare(phrase))]
            entities = [_bare(entity) for entity in reading.entities]
            if entities and phrases == entities:
                agrees = auxiliary and entities[0].endswith("s")
                confirmed.append(((len(entities), entities == plain, agrees, not auxiliary), reading))
    if confirmed:
        return max(confirmed, key=lambda each: each[0])[1].entities
    return tuple(found) or tuple(phrases_by_rules(text))


def _readings(words: list[str], auxiliary: bool) -> Iterator[Reading]:
    """Readings of a component: no verb besides function words, or one of the other words as verb.

    Args:
        words: Of the component.
        auxiliary: Whether "will" stands before a verb in its base form; only such readings then.
    """
    content = [index for index, word in enumerate(words) if word.lower() not in BOUNDARIES | DETERMINERS | PRONOUNS]
    verbs = content[1:]
    if auxiliary:
        verbs = [index for index in verbs if _BASE_FORM.match(words[index].lower())]
    for verb in verbs if auxiliary else [None, *verbs]:
        entities: list[str] = []
        spoken: list[str] = []
        thing: list[str] = []
        for index, word in enumerate([*words, ""]):
            is_between = index == verb or not word or word.lower() in BOUNDARIES | PRONOUNS
            if not is_between:
                if word.lower() in DETERMINERS and any(each.lower() not in DETERMINERS for each in thing):
                    break  # "the paw grips the flint" with nothing between two things
                thing.append(word)
                continue
            if any(each.lower() not in DETERMINERS for each in thing):
                spoken += [] if thing[0].lower() in DETERMINERS else ["the"]
                entities.append(" ".join(thing))
            spoken += [*thing, *(["will"] if index == verb and auxiliary else []), word]
            thing = []
        else:
            sentence = " ".join(spoken).strip()
            yield Reading(f"{sentence[:1].upper()}{sentence[1:]}.", tuple(entities))


def _entities_by_rules(words: list[str]) -> Iterator[str]:
    """Noun phrases of a component cut at its inner verbs: "needle" and "cloth".

    A word in -ing before a noun belongs to it where a subject or an object stands: "rolling pin presses dough", "holds
    rolling pin", but "rolling dough", "sits eating fish".
    """
    cut = list(_cut_at_verbs(words))
    for verb, part in cut:
        is_thing = verb not in WITHOUT_OBJECT if verb else len(cut) > 1
        content = len(part) > 1 and part[1].lower() not in BOUNDARIES | DETERMINERS | PRONOUNS
        if is_thing and content and part[0].lower().endswith("ing"):
            first, *more = phrases_by_rules(" ".join(["the", *part]))  # a word in -ing after an article is no verb
            yield from (first.removeprefix("the "), *more)
        else:
            yield from phrases_by_rules(" ".join(part))


def _cut_at_verbs(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    """The words before the first inner verb, with an empty text; then each verb with the words after it."""
    verb, part = "", list[str]()
    for index, word in enumerate(words):
        before = words[index - 1].lower() if index else ""
        inner = 0 < index < len(words) - 1 and before not in DETERMINERS | BOUNDARIES
        in_s = re.fullmatch(r"\w+[^\Wsui_]e?s", word.lower()) and not before.endswith(("s", "s'", "’"))
        if inner and (in_s or word.lower() in WITH_OBJECT):
            yield verb, part
            verb, part = word.lower(), []
        else:
            part.append(word)
    yield verb, part


def _each_once(texts: list[str], kind: str) -> list[dict]:
    """Parts of a kind, in their order; equal but for case and articles counts as one."""
    first: dict[str, str] = {}
    for text in texts:
        first.setdefault(_bare(text), text)
    return [{"text": text, "kind": kind} for text in first.values()]


def _is_place(entity: str) -> bool:
    words = [word for word in _bare(entity).split() if word not in DETERMINERS]
    return not words or all(word in PLACES for word in words)


@cache
def _bare(text: str) -> str:
    """A phrase in lower case, without articles at its beginning."""
    words = text.casefold().split()
    while words and words[0] in ARTICLES:
        words = words[1:]
    return " ".join(words)
