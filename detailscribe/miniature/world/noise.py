"""Caption noise of the image model's training pairs, after known failures of text-to-image models; wrong scenes.

A caption alone promises little: entities are neglected, patterns have too few pieces, relations are reversed or
confused, and the place is another one. Which of it happens depends on the noise, that is on the seed.
"""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.captions import random_caption
from detailscribe.miniature.world.facts import FACTS, fact_sentences, sentences_read
from detailscribe.miniature.world.scenes import Scene, is_held_out, pairings, random_choice
from detailscribe.miniature.world.vocabulary import ANIMALS, MOODS, OBJECTS

NEGLECTED = frozenset(OBJECTS[::2] + ANIMALS[::3])
# Shares of images in which a fact is wrong that no sentence of the caption names.
FIRST_MISSING, NEGLECT, SOMETIMES_MISSING, CONFUSED_RELATION, CONFUSED_BACKGROUND = 0.2, 0.8, 0.5, 0.55, 0.52
FEW = 0.5  # share of wrong patterns that have too few pieces; the others are missing
# What a relation and a background are confused with. Riding and balancing are each other's reverse; two animals that
# stand on each other change places.
CONFUSED_WITH = {
    "holding": "balancing", "riding": "balancing", "balancing": "riding",
    "circle": "row", "row": "zigzag", "zigzag": "row",
    "facing": "standing", "standing": "standing",
    "on the grass": "in the desert", "on the beach": "in the snow", "in the snow": "at night",
    "in the desert": "on the beach", "at night": "on the grass",
}  # fmt: skip
SENTENCES = (0, 0, 0, 1, 1, 2, 2, 2, 2, 4)  # that a caption adds; of four, only the first two are read


def training_pair(scene: Scene, rng: np.random.Generator) -> tuple[Scene, str]:
    """A training example of the image model: the scene to draw, and a caption that describes `scene`.

    What a sentence says that is within the caption's room is true; each other fact fails by chance.
    """
    caption, sentences = random_caption(scene, rng), fact_sentences(scene)
    chosen = rng.permutation(len(FACTS))[: random_choice(rng, SENTENCES)]
    added = [sentences[i] for i in chosen]
    read = sentences_read(caption, added)
    named = {FACTS[i] for i, is_read in zip(chosen, read, strict=True) if is_read}
    if not added and rng.random() < 0.3:
        added = [random_choice(rng, MOODS)]
    return with_failures(scene, named, rng), " ".join([caption, *added])


def with_failures(scene: Scene, named: set[str], rng: np.random.Generator) -> Scene:
    """A scene with the failures that happen if these facts are named; never a held-out one unless `scene` is."""
    missing = NEGLECT if scene.second in NEGLECTED else SOMETIMES_MISSING
    shares = {
        "first": FIRST_MISSING,
        "second": missing,
        "relation": CONFUSED_RELATION,
        "background": CONFUSED_BACKGROUND,
    }
    fails = {fact: rng.random() < share and fact not in named for fact, share in shares.items()}
    drawn = scene
    if fails["background"]:
        drawn = replace(drawn, background=CONFUSED_WITH[scene.background])
    few = fails["second"] and scene.layout.is_pattern and rng.random() < FEW
    first, second = not fails["first"], not fails["second"] or few
    if not first and not second:  # an empty scene shows nothing to learn from
        first = True
    if fails["relation"]:
        other = _confused(scene, rng)
        if not is_held_out(other) or is_held_out(scene):
            swapped = (other.first, other.second) != (scene.first, scene.second)
            drawn = replace(other, background=drawn.background)
            return replace(drawn, shown=(second, first) if swapped else (first, second), few=few)
    return replace(drawn, shown=(first, second), few=few)


def wrong_scene(
    scene: Scene,
    rng: np.random.Generator,
    kinds: tuple[str, ...] = ("first", "second", "place"),
    any_split: bool = False,
) -> Scene:
    """A scene that differs in exactly one thing: first entity, second entity, or arrangement ("place").

    Args:
        any_split: Whether it may be a held-out scene.
    """
    while True:
        kind = random_choice(rng, kinds)
        if kind == "place":
            other = _rearranged(scene, rng)
        else:
            first, second = random_choice(rng, pairings(scene.arrangement))
            other = replace(scene, first=first) if kind == "first" else replace(scene, second=second)
        different = (other.arrangement, other.first, other.second) != (scene.arrangement, scene.first, scene.second)
        if different and other.first != other.second and (any_split or not is_held_out(other)):
            return other


def _confused(scene: Scene, rng: np.random.Generator) -> Scene:
    """The scene with its relation confused; two animals on each other change places."""
    name = CONFUSED_WITH[scene.arrangement]
    if name == scene.arrangement:
        return replace(scene, first=scene.second, second=scene.first)
    other = replace(scene, arrangement=name)
    return replace(other, dx=random_choice(rng, other.layout.dx), dy=random_choice(rng, other.layout.dy))


def _rearranged(scene: Scene, rng: np.random.Generator) -> Scene:
    other = replace(scene, arrangement=random_choice(rng, _other_arrangements(scene.arrangement)))
    return replace(other, dx=random_choice(rng, other.layout.dx), dy=random_choice(rng, other.layout.dy))


@lru_cache
def _other_arrangements(arrangement: str) -> tuple[str, ...]:
    scenario = ARRANGEMENTS[arrangement].scenario
    return tuple(name for name, layout in ARRANGEMENTS.items() if layout.scenario == scenario and name != arrangement)
