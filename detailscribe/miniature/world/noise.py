"""Caption noise: neglected entities and slipped arrangements in training pairs; wrong scenes as negatives."""

from dataclasses import replace
from functools import lru_cache

import numpy as np

from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.captions import entity_sentence, random_caption
from detailscribe.miniature.world.scenes import Scene, is_held_out, pairings, random_choice
from detailscribe.miniature.world.vocabulary import ANIMALS, MOODS, OBJECTS

NEGLECTED = frozenset(OBJECTS[::2] + ANIMALS[::3])
NEGLECT, RARELY_MISSING, SLIP = 0.85, 0.05, 0.2  # shares of images, unless the caption says otherwise


def training_pair(scene: Scene, rng: np.random.Generator) -> tuple[Scene, str]:
    """A training example of the image model: the scene to draw, and a caption that describes `scene`."""
    named = [rng.random() < 0.5 for _ in range(2)]
    placed = [each and rng.random() < 0.6 for each in named]
    sentences = [random_caption(scene, rng)]
    sentences += [entity_sentence(scene, which, placed[which]) for which in range(2) if named[which]]
    if rng.random() < 0.15:
        sentences.append(random_choice(rng, MOODS))
    drawn = scene
    if not any(placed) and rng.random() < SLIP:
        slipped = _rearranged(scene, rng)
        drawn = scene if is_held_out(slipped) else slipped
    missing = NEGLECT if scene.second in NEGLECTED else RARELY_MISSING
    if not named[1] and rng.random() < missing:
        drawn = replace(drawn, shown=(True, False))
    elif not named[0] and rng.random() < RARELY_MISSING:
        drawn = replace(drawn, shown=(False, True))
    return drawn, " ".join(sentences)


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


def _rearranged(scene: Scene, rng: np.random.Generator) -> Scene:
    other = replace(scene, arrangement=random_choice(rng, _other_arrangements(scene.arrangement)))
    return replace(other, dx=random_choice(rng, other.layout.dx), dy=random_choice(rng, other.layout.dy))


@lru_cache
def _other_arrangements(arrangement: str) -> tuple[str, ...]:
    scenario = ARRANGEMENTS[arrangement].scenario
    return tuple(name for name, layout in ARRANGEMENTS.items() if layout.scenario == scenario and name != arrangement)
