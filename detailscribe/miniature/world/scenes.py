"""Scenes: two entities in an arrangement before a background; random scenes and the held-out split.

The order of random draws decides the training data: changing it changes retrained weights.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import TypeVar

import numpy as np

from detailscribe.miniature.world.arrangements import ARRANGEMENTS, Arrangement
from detailscribe.miniature.world.vocabulary import ANIMALS, BACKGROUNDS, OBJECTS

Box = tuple[str, int, int, int]  # entity, centre x and y, side; in pixels
T = TypeVar("T")


@dataclass(frozen=True)
class Scene:
    """A scene as meant, or as drawn.

    Attributes:
        dx, dy: Offset of the whole scene in pixels.
        shown: Whether the first and the second entity are visible.
        few: Whether only every other piece of a pattern is.
    """

    arrangement: str
    first: str
    second: str
    background: str
    dx: int = 0
    dy: int = 0
    shown: tuple[bool, bool] = (True, True)
    few: bool = False

    @property
    def layout(self) -> Arrangement:
        """The scene's arrangement: positions, sizes and wordings."""
        return ARRANGEMENTS[self.arrangement]

    def boxes(self) -> list[Box]:
        """What a perfect detector finds."""
        layout, boxes = self.layout, []
        if self.shown[0]:
            x, y = layout.first_centre
            boxes.append((self.first, x + self.dx, y + self.dy, layout.first_px))
        if self.shown[1]:
            centres = layout.second_centres[:: 2 if self.few else 1]
            boxes += [(self.second, x + self.dx, y + self.dy, layout.second_px) for x, y in centres]
        return boxes


@lru_cache
def pairings(arrangement: str) -> tuple[tuple[str, str], ...]:
    """All (first, second) entities of an arrangement."""
    seconds = ANIMALS if ARRANGEMENTS[arrangement].scenario == "multi_subject" else OBJECTS
    return tuple((first, second) for first, second in product(ANIMALS, seconds) if first != second)


def is_held_out(scene: Scene) -> bool:
    """Whether no part may be trained on a scene.

    Held out are one in eight pairings per arrangement, and one in eight positions of a second entity.
    """
    position = (scene.arrangement, scene.second, scene.dx, scene.dy)
    movable = len(scene.layout.dx) * len(scene.layout.dy) > 1
    return is_held_out_pairing(scene.arrangement, scene.first, scene.second) or (movable and _in_eighth(position))


def is_held_out_pairing(arrangement: str, first: str, second: str) -> bool:
    """Whether a pairing of entities is held out in an arrangement."""
    return _in_eighth((arrangement, first, second))


def random_scene(
    rng: np.random.Generator, held_out: bool = False, arrangements: tuple[str, ...] = tuple(ARRANGEMENTS)
) -> Scene:
    """A whole scene of the training split, or of the held-out one.

    Args:
        arrangements: Sampled uniformly; a repeated name is sampled more often.
    """
    while True:
        name = random_choice(rng, arrangements)
        layout = ARRANGEMENTS[name]
        first, second = random_choice(rng, pairings(name))
        background = random_choice(rng, tuple(BACKGROUNDS))
        scene = Scene(name, first, second, background, random_choice(rng, layout.dx), random_choice(rng, layout.dy))
        if is_held_out(scene) == held_out:
            return scene


def held_out_scenes(count: int, seed: int) -> list[Scene]:
    """Distinct scenes with held-out pairings; arrangements take turns."""
    rng = np.random.default_rng(seed)
    scenes: dict[tuple[str, str, str, str], Scene] = {}
    names = list(ARRANGEMENTS)
    while len(scenes) < count:
        name = names[len(scenes) % len(names)]
        first, second = random_choice(rng, pairings(name))
        scene = Scene(name, first, second, random_choice(rng, tuple(BACKGROUNDS)))
        if is_held_out_pairing(name, first, second):
            scenes.setdefault((name, first, second, scene.background), scene)
    return list(scenes.values())


def random_choice(rng: np.random.Generator, options: Sequence[T]) -> T:
    """One of the options, by a single integer draw."""
    return options[int(rng.integers(len(options)))]


def _in_eighth(value: tuple) -> bool:
    return hashlib.sha256(repr(value).encode()).digest()[0] % 8 == 0
