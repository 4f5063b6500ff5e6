"""Judge of the scene world: whether both entities are detected, and whether they stand as a scene means.

It uses the trained detector in NumPy, so judging needs no torch. It shares nothing with the critic, which asks
BLIP-VQA.
"""

import numpy as np

from detailscribe.miniature.models.detection import Detections
from detailscribe.miniature.world.scenes import Scene
from detailscribe.miniature.world.vocabulary import BACKGROUNDS

SHARE_FOUND = 0.75  # share of a pattern's pieces that must be detected
OFF_PX = 12  # tolerance of an entity's position
STRIP_PX = 8  # height of the strips of sky and ground that tell the background


def background_of(image: np.ndarray) -> str:
    """The background whose sky and ground are nearest to an image's upper and lower edge.

    Args:
        image: (96, 96, 3), uint8.
    """
    seen = [np.median(strip.reshape(-1, 3), 0) for strip in (image[:STRIP_PX], image[-STRIP_PX:])]
    distances = {name: float(np.square(np.subtract(colours, seen)).sum()) for name, colours in BACKGROUNDS.items()}
    return min(distances, key=distances.__getitem__)


def check_scene(scene: Scene, detections: Detections) -> tuple[bool, bool, bool]:
    """Whether the first entity is present, whether the second is, and whether they are arranged as the scene means.

    A pattern is present if three quarters of its pieces are; the position of the whole scene does not matter.
    """
    layout = scene.layout
    firsts = [(x, y) for entity, x, y in detections if entity == scene.first]
    seconds = [(x, y) for entity, x, y in detections if entity == scene.second]
    needed = int(np.ceil(SHARE_FOUND * len(layout.second_centres)))
    max_shift = OFF_PX + max(map(abs, layout.dx + layout.dy))
    arranged = False
    for x, y in firsts:
        shift = (x - layout.first_centre[0], y - layout.first_centre[1])
        in_place = sum(
            any(max(abs(u - a - shift[0]), abs(v - b - shift[1])) <= OFF_PX for u, v in seconds)
            for a, b in layout.second_centres
        )
        arranged = arranged or (max(map(abs, shift)) <= max_shift and in_place >= needed)
    return bool(firsts), len(seconds) >= needed, arranged
