"""The eight arrangements: centres and sizes of the two entities in pixels, and caption templates."""

from dataclasses import dataclass

import numpy as np

SIDE_PX = 96  # of an image
LARGE_PX, MEDIUM_PX, SMALL_PX = 48, 36, 24  # sides of a sprite


@dataclass(frozen=True)
class Arrangement:
    """Where the two entities stand, and how captions say so.

    Attributes:
        scenario: functional, compositional or multi_subject.
        first_position, second_position: Position of each entity, in words.
        first_centre: (x, y) in pixels.
        second_centres: (x, y) in pixels; several in a pattern.
        first_px, second_px: Sides of the sprites.
        templates: Wordings with {a} (with article) and {b} (with article, or a plural in a pattern).
        dx, dy: Offsets in pixels by which the whole scene may be moved.
    """

    scenario: str
    first_position: str
    second_position: str
    first_centre: tuple[int, int]
    second_centres: tuple[tuple[int, int], ...]
    first_px: int
    second_px: int
    templates: tuple[str, ...]
    dx: tuple[int, ...] = (-8, 0, 8)
    dy: tuple[int, ...] = (-8, 0)

    @property
    def is_pattern(self) -> bool:
        """Whether the second entity is repeated."""
        return len(self.second_centres) > 1


_ROW = tuple((12 + 24 * i, 76) for i in range(4))
_ZIGZAG = tuple((12 + 24 * i, 14 + 16 * (i % 2)) for i in range(4))
_RING = tuple((round(48 + 36 * np.cos(np.pi * i / 4)), round(48 + 36 * np.sin(np.pi * i / 4))) for i in range(8))
ARRANGEMENTS = {
    "holding": Arrangement(
        "functional", "on the left", "on the right", (28, 56), ((70, 56),), LARGE_PX, MEDIUM_PX,
        ("{a} holding {b}", "{b} and {a} holding it"),
    ),
    "riding": Arrangement(
        "functional", "at the top", "at the bottom", (48, 32), ((48, 74),), LARGE_PX, MEDIUM_PX,
        ("{a} riding {b}", "{b} and {a} riding it"),
    ),
    "balancing": Arrangement(
        "functional", "at the bottom", "at the top", (48, 68), ((48, 26),), LARGE_PX, MEDIUM_PX,
        ("{a} balancing {b} on its head", "{b} balancing on top of {a}"),
    ),
    "circle": Arrangement(
        "compositional", "in the middle", "all around", (48, 48), _RING, MEDIUM_PX, SMALL_PX,
        ("a circle of {b} around {a}", "{a} inside a circle of {b}"), (0,), (0,),
    ),
    "row": Arrangement(
        "compositional", "at the top", "at the bottom", (48, 36), _ROW, LARGE_PX, SMALL_PX,
        ("a row of {b} under {a}", "{a} above a row of {b}"), (0,), (-8, 0),
    ),
    "zigzag": Arrangement(
        "compositional", "at the bottom", "at the top", (48, 66), _ZIGZAG, LARGE_PX, SMALL_PX,
        ("a zigzag of {b} over {a}", "{a} below a zigzag of {b}"), (0,), (0, 4),
    ),
    "facing": Arrangement(
        "multi_subject", "on the left", "on the right", (24, 56), ((72, 56),), LARGE_PX, LARGE_PX,
        ("{a} facing {b}", "{a} and {b} facing each other"), (0,), (-8, 0, 8),
    ),
    "standing": Arrangement(
        "multi_subject", "at the top", "at the bottom", (48, 26), ((48, 72),), LARGE_PX, LARGE_PX,
        ("{a} standing on {b}", "{b} and {a} standing on it"), dy=(0,),
    ),
}  # fmt: skip
# Arrangements with more positions take longer to learn, so training samples them up to three times as often.
SAMPLED_ARRANGEMENTS = tuple(
    name for name, layout in ARRANGEMENTS.items() for _ in range((len(layout.dx) * len(layout.dy) + 1) // 2)
)
