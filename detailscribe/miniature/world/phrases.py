"""Phrases for yes/no questions about an image, and which of them are true of a scene."""

from functools import lru_cache

from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.captions import second_phrase
from detailscribe.miniature.world.scenes import Scene
from detailscribe.miniature.world.vocabulary import BACKGROUNDS, ENTITIES, PLURALS, with_article


def positions() -> tuple[str, ...]:
    """All positions of an entity, in words."""
    layouts = ARRANGEMENTS.values()
    return tuple(sorted({text for layout in layouts for text in (layout.first_position, layout.second_position)}))


@lru_cache
def known_phrases() -> tuple[str, ...]:
    """All phrases that can be asked about: entities, entities with positions, patterns, backgrounds."""
    things = [*map(with_article, ENTITIES), *PLURALS.values()]
    placed = [f"{thing} {position}" for thing in things for position in positions()]
    patterns = [f"a {name}" for name, layout in ARRANGEMENTS.items() if layout.is_pattern]
    return (*things, *placed, *patterns, *map(ground, BACKGROUNDS))


def true_phrases(scene: Scene) -> tuple[set[str], set[str]]:
    """Phrases that are true of a drawn scene, and those that are neither true nor false.

    The true ones include two that are not in `known_phrases`: "its head" and "each other".
    """
    layout = scene.layout
    true: set[str] = {ground(scene.background)}
    undecided: set[str] = set()
    if scene.shown[0]:
        thing = with_article(scene.first)
        true |= {thing, f"{thing} {layout.first_position}", "its head"}
    if scene.shown[1]:
        thing = second_phrase(scene)
        true |= {thing, f"{thing} {layout.second_position}"}
        if layout.is_pattern:
            true.add(f"a {scene.arrangement}")
            one = with_article(scene.second)
            undecided |= {phrase for phrase in known_phrases() if phrase.startswith(one)}
    if all(scene.shown) and scene.arrangement == "facing":
        true.add("each other")
    return true, undecided


def ground(background: str) -> str:
    """A background as a thing to ask for: "the beach"."""
    return background.removeprefix("on ").removeprefix("in ").removeprefix("at ")
