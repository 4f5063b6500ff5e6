"""Drawing scenes and collages as pixels: backgrounds, pasted sprites, corrupted sprites."""

from functools import lru_cache

import numpy as np

from detailscribe.miniature.world.arrangements import LARGE_PX, MEDIUM_PX, SIDE_PX, SMALL_PX
from detailscribe.miniature.world.scenes import Box, Scene, random_choice
from detailscribe.miniature.world.sprites import Sprites
from detailscribe.miniature.world.vocabulary import ANIMALS, BACKGROUNDS, ENTITIES

HORIZON_PX = 66
STARS = ((7, 13), (18, 45), (10, 78), (30, 27), (27, 66), (40, 88))  # row and column, at night
CorruptedBox = tuple[str, int, int, int, int]  # a box, and the index of the last box below it, or -1


def draw_scene(scene: Scene, sprites: Sprites) -> np.ndarray:
    """A scene as an image: (96, 96, 3), uint8.

    Args:
        sprites: From `load_sprites`.
    """
    image = background_image(scene.background).copy()
    for entity, x, y, side in reversed(scene.boxes()):
        flipped = entity in ANIMALS and scene.arrangement in ("facing", "holding") and entity == scene.first
        paste_sprite(image, sprites[entity, side, flipped], x, y)
    return (image * 255 + 0.5).astype(np.uint8)


@lru_cache
def background_image(name: str) -> np.ndarray:
    """Sky, ground and, at night, stars: (96, 96, 3), float32 in [0, 1]."""
    sky, ground = (np.array(colour, np.float32) for colour in BACKGROUNDS[name])
    image = np.zeros((SIDE_PX, SIDE_PX, 3), np.float32)
    image[:HORIZON_PX] = sky * (1 - 0.15 * np.linspace(0, 1, HORIZON_PX, dtype=np.float32)[:, None, None])
    image[HORIZON_PX:] = ground
    if name == "at night":
        for y, x in STARS:
            image[y : y + 2, x : x + 2] = 255
    return image / 255


def paste_sprite(image: np.ndarray, sprite: np.ndarray, x: int, y: int) -> None:
    """Paste a sprite onto an image in place, centred at (x, y) and clipped at the border.

    Args:
        image: (height, width, 3), float32 in [0, 1].
        sprite: (side, side, 4), float32 premultiplied RGBA in [0, 1].
    """
    half = sprite.shape[0] // 2
    top, left = y - half, x - half
    y0, x0 = max(0, top), max(0, left)
    y1, x1 = min(image.shape[0], top + sprite.shape[0]), min(image.shape[1], left + sprite.shape[1])
    if y0 < y1 and x0 < x1:
        part = sprite[y0 - top : y1 - top, x0 - left : x1 - left]
        image[y0:y1, x0:x1] = image[y0:y1, x0:x1] * (1 - part[..., 3:]) + part[..., :3]


def random_collage(
    rng: np.random.Generator, sprites: Sprites, corrupted_share: float = 0.0, max_sprites: int = 7
) -> tuple[np.ndarray, list[Box], list[CorruptedBox]]:
    """From two to `max_sprites` sprites anywhere before a background.

    Args:
        corrupted_share: Share of sprites that show no entity: half one and half another, scrambled, or faint.

    Returns:
        The image, (96, 96, 3), uint8; boxes of the entities, the topmost last; boxes of the corrupted sprites.
    """
    image = background_image(random_choice(rng, tuple(BACKGROUNDS))).copy()
    boxes: list[Box] = []
    corrupted: list[CorruptedBox] = []
    for _ in range(int(rng.integers(2, max_sprites + 1))):
        entity, side = random_choice(rng, ENTITIES), random_choice(rng, (LARGE_PX, MEDIUM_PX, SMALL_PX))
        x, y = (4 * int(rng.integers(2, SIDE_PX // 4 - 1)) for _ in range(2))
        sprite = sprites[entity, side, bool(rng.random() < 0.2)]
        if rng.random() < corrupted_share:
            sprite = _corrupted(rng, sprite, sprites[random_choice(rng, ENTITIES), side, False])
            corrupted.append((entity, x, y, side, len(boxes) - 1))
        else:
            boxes.append((entity, x, y, side))
        paste_sprite(image, sprite, x, y)
    return (image * 255 + 0.5).astype(np.uint8), boxes, corrupted


def _corrupted(rng: np.random.Generator, sprite: np.ndarray, other: np.ndarray) -> np.ndarray:
    kind, half = rng.integers(3), len(sprite) // 2
    if kind == 0:
        return np.concatenate([sprite[:, :half], other[:, half:]], 1)
    if kind == 1:
        quarters = [sprite[:half, :half], sprite[:half, half:], sprite[half:, :half], sprite[half:, half:]]
        a, b, c, d = (quarters[i] for i in rng.permutation(4))
        return np.concatenate([np.concatenate([a, b], 1), np.concatenate([c, d], 1)], 0)
    return sprite * np.float32(0.3)
