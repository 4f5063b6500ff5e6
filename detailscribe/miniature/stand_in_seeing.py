"""What the judge sees in an image: entities with their places, and the background; facts and parts that it shows."""

from functools import lru_cache
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from detailscribe.images.image_reader import read_image
from detailscribe.miniature.judge import OFF_PX, SHARE_FOUND, background_of, check_scene
from detailscribe.miniature.models.detection import Detections, detect, resized
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.scenes import Scene


class Seen(NamedTuple):
    """Entities with their centres in pixels, and the background."""

    detections: Detections
    background: str


def look(image: Image.Image, threshold: float) -> Seen:
    """What is in an image.

    Args:
        threshold: Logit above which the detector finds an entity.
    """
    pixels = resized(image)
    return Seen(detect([pixels], threshold)[0], background_of(np.asarray(pixels)))


def look_at_file(path: Path, threshold: float) -> Seen:
    """What is in an image file, as it is now; a judge asks several questions about an image, one after the other."""
    return _look_at_file(path, path.stat().st_mtime_ns, threshold)


@lru_cache(maxsize=256)
def _look_at_file(path: Path, modified_ns: int, threshold: float) -> Seen:
    return look(read_image(path).image, threshold)


def facts_shown(scene: Scene, seen: Seen) -> tuple[bool, ...]:
    """Which of a scene's facts an image shows: both entities, arranged as meant, before the background.

    The relation needs both entities, in the number that is meant. A scene without a background has three facts.
    """
    where = [seen.background == scene.background] if scene.background else []
    return *check_scene(scene, seen.detections), *where


def relation_stands(scene: Scene, seen: Seen) -> bool:
    """Whether what is visible of a scene stands as meant, also where an entity is missing or has too few pieces."""
    layout = scene.layout
    first, second, arranged = check_scene(scene, seen.detections)
    if first and second:
        return arranged
    reach = OFF_PX + max(map(abs, layout.dx + layout.dy))
    places = {scene.first: (layout.first_centre,), scene.second: layout.second_centres}
    return all(
        any(max(abs(x - u), abs(y - v)) <= reach for u, v in places[entity])
        for entity, x, y in seen.detections
        if entity in places
    )


def pattern_is_there(name: str, seen: Seen) -> bool:
    """Whether enough pieces of one kind stand as a pattern (circle, row, zigzag) has them."""
    layout = ARRANGEMENTS[name]
    reach = OFF_PX + max(map(abs, layout.dx + layout.dy))

    def pieces(kind: str) -> int:
        places = [(x, y) for entity, x, y in seen.detections if entity == kind]
        return sum(any(max(abs(x - u), abs(y - v)) <= reach for x, y in places) for u, v in layout.second_centres)

    return any(pieces(kind) >= SHARE_FOUND * len(layout.second_centres) for kind in entities_of(seen))


def entities_of(seen: Seen) -> list[str]:
    """The entities in an image, sorted."""
    return sorted({entity for entity, _, _ in seen.detections})
