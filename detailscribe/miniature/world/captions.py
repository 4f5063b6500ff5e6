"""Captions of scenes: generated sentences, and parsing a prompt back into its scene."""

import re
from functools import lru_cache

import numpy as np

from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.scenes import Scene, pairings, random_choice
from detailscribe.miniature.world.vocabulary import BACKGROUNDS, ENTITIES, MOODS, PLURALS, singular, with_article


def random_caption(scene: Scene, rng: np.random.Generator, background: bool | None = None) -> str:
    """A sentence that describes a scene.

    Args:
        background: Whether it names the background; with a probability of 0.8 if None.
    """
    text = random_choice(rng, scene.layout.templates).format(a=with_article(scene.first), b=second_phrase(scene))
    with_background = rng.random() < 0.8 if background is None else background
    if not with_background:
        return _as_sentence(text)
    return _as_sentence(f"{text} {scene.background}" if rng.random() < 0.8 else f"{scene.background}, {text}")


def entity_sentence(scene: Scene, which: int, with_position: bool) -> str:
    """A sentence that names entity 0 or 1, and its position if asked: "There is a guitar on the right."."""
    layout = scene.layout
    plural = which == 1 and layout.is_pattern
    name = (scene.first, scene.second)[which]
    position = f" {(layout.first_position, layout.second_position)[which]}" if with_position else ""
    return f"There {'are' if plural else 'is'} {PLURALS[name] if plural else with_article(name)}{position}."


def presence_sentence(entity: str, plural: bool) -> str:
    """A sentence that only names an entity; animals are always singular."""
    plural = plural and entity in PLURALS
    return f"There {'are' if plural else 'is'} {PLURALS[entity] if plural else with_article(entity)}."


def second_phrase(scene: Scene) -> str:
    """The second entity as captions name it."""
    return PLURALS[scene.second] if scene.layout.is_pattern else with_article(scene.second)


def world_words() -> list[str]:
    """All words and punctuation marks of this world's texts, sorted."""
    texts = [*BACKGROUNDS, *MOODS, "There is are a an yes no ? nothing"]
    texts += [*ENTITIES, *PLURALS.values()]
    for layout in ARRANGEMENTS.values():
        texts += [layout.first_position, layout.second_position]
        texts += [template.format(a="", b="") for template in layout.templates]
    return sorted({word for text in texts for word in re.findall(r"[a-z]+|[^a-z\s]", text.lower())})


def parse_prompt(prompt: str) -> Scene | None:
    """The scene that a prompt's first sentence describes; None if it is not of this world.

    The background of a prompt that names none is empty.
    """
    text = " ".join(prompt.lower().split(".")[0].split())
    background = next((each for each in BACKGROUNDS if each in text), None)
    if background:
        text = text.replace(f"{background},", "").replace(background, "").strip()
    for name, pattern in _caption_patterns():
        if match := pattern.fullmatch(text):
            second = singular(match["b"]) if ARRANGEMENTS[name].is_pattern else match["b"]
            if (match["a"], second) in pairings(name):
                return Scene(name, match["a"], second, background or "")
    return None


@lru_cache
def _caption_patterns() -> tuple[tuple[str, re.Pattern], ...]:
    one, many = r"an? (?P<{}>\w+)", r"(?P<{}>\w+)"
    return tuple(
        (name, re.compile(template.format(a=one.format("a"), b=(many if layout.is_pattern else one).format("b"))))
        for name, layout in ARRANGEMENTS.items()
        for template in layout.templates
    )


def _as_sentence(text: str) -> str:
    return f"{text[0].upper()}{text[1:]}."
