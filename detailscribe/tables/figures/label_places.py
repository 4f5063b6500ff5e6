"""Places of names and numbers beside the points of a figure: a search for room near each point, without chance."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

GAPS = (4.0, 9.0, 15.0, 22.0, 30.0, 40.0, 52.0)  # between a point and its text, in pixels
ANGLES = (0, 180, 90, 270, 45, 135, 315, 225, 22, 158, 338, 202, 68, 112, 292, 248)  # beside first, then above, below
LINE_POINTS = 40  # of each part of the curve
Box = tuple[float, float, float, float]  # left, bottom, right, top


def group_points(places: np.ndarray, names: Sequence[str], apart: float) -> list[tuple[np.ndarray, list[str]]]:
    """Points that lie in one place, with the names of all that lie there.

    Args:
        places: (points, 2), in pixels.
        names: Of the points.
        apart: Distance in pixels below which two points are one place.
    """
    groups: list[tuple[np.ndarray, list[str]]] = []
    for place, name in zip(places, names, strict=True):
        for other, members in groups:
            if np.hypot(*(place - other)) < apart:
                members.append(name)
                break
        else:
            groups.append((place, [name]))
    return groups


def label_places(
    places: np.ndarray, sizes: np.ndarray, obstacles: np.ndarray, curve: np.ndarray, radius: float, bounds: Box
) -> list[tuple[tuple[float, float], bool]]:
    """Centres of texts that cover neither points nor each other, each as near to its point as there is room.

    Args:
        places: (texts, 2), of their points, in pixels.
        sizes: (texts, 2), width and height of the texts.
        obstacles: (points, 2), what else a text may not cover.
        curve: (corners, 2), of a line that they may not cross.
        radius: Of a point.
        bounds: In which the texts stay.

    Returns:
        Centre, and whether it is so far away that a line should lead to the point. Where there is no room, the place
        that covers least.
    """
    points = np.concatenate([places, obstacles]).reshape(-1, 2)
    starts, ends = curve[:-1, None], curve[1:, None]
    line = (starts + np.linspace(0, 1, LINE_POINTS)[:, None] * (ends - starts)).reshape(-1, 2)
    taken: list[Box] = []
    found = []
    for index, (place, size) in enumerate(zip(places, sizes, strict=True)):
        others = np.delete(points, index, axis=0)
        best, least = (place, False), np.inf
        for gap, angle in ((gap, angle) for gap in GAPS for angle in ANGLES):
            direction = np.array([np.cos(np.radians(angle)), np.sin(np.radians(angle))])
            centre = place + direction * (radius + gap + size / 2)
            is_far = gap > GAPS[0]
            box = _box(centre, size)
            covered = _covered(box, place, others, taken, radius, bounds, is_far) + 0.5 * _is_crossed(box, line)
            if covered < least:
                best, least = (centre, is_far), covered
            if not covered:
                break
        taken.append(_box(best[0], size))
        found.append(((float(best[0][0]), float(best[0][1])), best[1]))
    return found


def _covered(
    box: Box, place: np.ndarray, points: np.ndarray, taken: list[Box], radius: float, bounds: Box, has_line: bool
) -> float:
    """How much a text covers, and its line crosses: 0 for nothing."""
    left, bottom, right, top = box
    outside = sum(max(0.0, each) for each in (bounds[0] - left, bounds[1] - bottom, right - bounds[2], top - bounds[3]))
    room = radius + (1.0 if has_line else GAPS[0])  # without a line, a text is nearest to its own point
    near = np.clip(points, (left, bottom), (right, top)) - points
    count = float((np.hypot(*near.T) < room).sum()) if len(points) else 0.0
    count += sum(_overlap(box, other) for other in taken)
    if has_line:
        end = np.clip(place, (left, bottom), (right, top))
        line = place + np.linspace(0, 1, 12)[:, None] * (end - place)
        line = line[np.hypot(*(line - place).T) > 1.5 * radius]  # not where points lie one on another
        for other in taken:
            count += _is_crossed(other, line)
        distances = np.hypot(*(line[:, None] - points[None]).transpose(2, 0, 1)) if len(points) else np.empty((0, 0))
        count += float((distances < radius).any(axis=0).sum())
    return count + outside


def _is_crossed(box: Box, line: np.ndarray) -> bool:
    return bool(((line > box[:2]) & (line < box[2:])).all(axis=1).any())


def _box(centre: np.ndarray, size: np.ndarray) -> Box:
    (x, y), (width, height) = centre, size
    return (x - width / 2, y - height / 2, x + width / 2, y + height / 2)


def _overlap(one: Box, other: Box) -> bool:
    return one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
