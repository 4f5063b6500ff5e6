"""What a prompt of this world asserts: four facts, each with a phrase for decompositions and a sentence for prompts.

A sentence makes its fact true in the drawn image, if the image model reads it: the room of a prompt (`ROOM_TOKENS`)
ends after two sentences (after the shortest prompts, three). So it matters which ones a critic chooses.
"""

import re
from functools import lru_cache

from detailscribe.miniature.world.captions import parse_prompt, second_phrase
from detailscribe.miniature.world.phrases import ground, known_phrases
from detailscribe.miniature.world.scenes import Scene
from detailscribe.miniature.world.vocabulary import BACKGROUNDS, with_article

FACTS = ("first", "second", "relation", "background")
ROOM_TOKENS = 30  # that the image model reads of a prompt, with the end token; a word or a mark is one


def fact_phrases(scene: Scene) -> tuple[str, ...]:
    """The scene decomposed: both entities, how they are arranged, and where, if the prompt says it."""
    wording = scene.layout.templates[0]
    relation = wording.format(a=with_article(scene.first), b=second_phrase(scene))
    return with_article(scene.first), second_phrase(scene), relation, *([scene.background] if scene.background else [])


def fact_sentences(scene: Scene) -> tuple[str, ...]:
    """What a prompt may add for each fact of `fact_phrases`."""
    layout, second = scene.layout, second_phrase(scene)
    if layout.is_pattern:
        thing, relation = f"There are {second}, each in sharp detail.", f"The {second} are in a {scene.arrangement}."
    else:
        action = "standing on" if scene.arrangement == "standing" else scene.arrangement
        thing, relation = f"There is {second} in sharp detail.", f"The {scene.first} is {action} the {scene.second}."
    where = [f"It is all {scene.background}."] if scene.background else []
    return f"There is {with_article(scene.first)} in sharp detail.", thing, relation, *where


def sentence_of(prompt: str, phrase: str) -> str | None:
    """The sentence for a phrase of a prompt's decomposition; None if the prompt does not have it."""
    scene = parse_prompt(prompt)
    return dict(zip(fact_phrases(scene), fact_sentences(scene), strict=True)).get(phrase) if scene else None


def is_known(prompt: str, phrase: str) -> bool:
    """Whether a phrase can be looked for: a fact of the prompt, or a phrase of this world."""
    return sentence_of(prompt, phrase) is not None or phrase in known_phrases()


def phrases_to_ask(prompt: str, phrase: str) -> list[tuple[str, str]]:
    """Phrases of `known_phrases` that stand for a fact of a prompt; for a relation, both entities in their places.

    Each comes with the phrase whose absence it is judged by: an entity in its place counts only if the entity is there.
    """
    scene = parse_prompt(prompt)
    if scene and phrase == fact_phrases(scene)[2]:
        layout = scene.layout
        places = (layout.first_position, layout.second_position)
        return [(f"{thing} {place}", thing) for thing, place in zip(fact_phrases(scene)[:2], places, strict=True)]
    asked = ground(phrase) if phrase in BACKGROUNDS else phrase
    return [(asked, asked)]


def true_facts(drawn: Scene, meant: Scene) -> tuple[bool, bool, bool, bool]:
    """Which facts of a scene as meant are true of the drawn one.

    The relation is true if what is visible stands as meant, also where one entity is missing.
    """
    visible = [name for name, shown in zip((drawn.first, drawn.second), drawn.shown, strict=True) if shown]
    swapped = (drawn.first, drawn.second) == (meant.second, meant.first)
    return (
        meant.first in visible,
        meant.second in visible and not drawn.few,
        drawn.arrangement == meant.arrangement and not swapped,
        drawn.background == meant.background,
    )


def sentences_read(caption: str, sentences: list[str]) -> list[bool]:
    """Whether each sentence that follows a caption is within the prompt's room as a whole."""
    used, read = _tokens(caption) + 1, []
    for sentence in sentences:
        used += _tokens(sentence)
        read.append(used <= ROOM_TOKENS)
    return read


@lru_cache(maxsize=65536)
def _tokens(text: str) -> int:
    return len(re.findall(r"\w+|[^\w\s]", text))
