"""The judge of the scene world: which entities a picture shows, where, and whether a scene's meaning holds.

Its eyes are the trained `detector`, run in NumPy, so that judging needs no torch. It has no part in common with the
critic, which asks BLIP-VQA.
"""

from collections.abc import Iterable
from functools import lru_cache

import numpy as np
from PIL import Image

from detailscribe.miniature import WEIGHTS, world

CELL_PX = 8
SHARE_FOUND = 0.75  # of a pattern's pieces
OFF_PX = 12  # how far from its place an entity may stand
LAYERS = ((2, 1), (2, 1), (2, 1), (1, 1), (1, 2))  # stride and dilation; one more gives the answers
Found = list[tuple[str, float, float]]  # entities with their centres in pixels


def look(
    images: Iterable[np.ndarray | Image.Image], threshold: float = 0.0, weights: dict | None = None
) -> list[Found]:
    """Entities seen in each picture; pictures of other sizes are brought to 96 x 96 pixels.

    Args:
        threshold: Logit above which an entity is there.
        weights: Of `detector.folded`; the shipped ones without.
    """
    weights = weights or _weights()
    return [_read(each, threshold) for batch in _batches(images, 64) for each in logits(weights, batch)]


def logits(weights: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """Of each entity in each cell of 8 x 8 pixels: n x 24 x 12 x 12, from uint8 n x 96 x 96 x 3."""
    seen = images.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    for at, (stride, dilation) in enumerate(LAYERS):
        made = np.maximum(_convolved(seen, weights, at, stride, dilation), 0)
        seen = seen + made if stride == 1 else made
    return _convolved(seen, weights, len(LAYERS))


def holds(scene: world.Scene, found: Found) -> tuple[bool, bool, bool]:
    """Whether the first entity is there, whether the second is, and whether they stand as the scene means.

    A pattern is there if three quarters of its pieces are; where the whole stands does not matter.
    """
    plan = scene.plan
    firsts = [(x, y) for entity, x, y in found if entity == scene.first]
    seconds = [(x, y) for entity, x, y in found if entity == scene.second]
    needed = int(np.ceil(SHARE_FOUND * len(plan.second_at)))
    room = OFF_PX + max(map(abs, plan.dx + plan.dy))
    arranged = False
    for x, y in firsts:
        moved = (x - plan.first_at[0], y - plan.first_at[1])
        there = sum(
            any(max(abs(u - a - moved[0]), abs(v - b - moved[1])) <= OFF_PX for u, v in seconds)
            for a, b in plan.second_at
        )
        arranged = arranged or (max(map(abs, moved)) <= room and there >= needed)
    return bool(firsts), len(seconds) >= needed, arranged


def pixels(image: np.ndarray | Image.Image) -> np.ndarray:
    """A picture as uint8, 96 x 96 x 3."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    side = (world.SIDE_PX, world.SIDE_PX)
    return np.asarray(image.convert("RGB").resize(side, Image.BICUBIC) if image.size != side else image.convert("RGB"))


@lru_cache
def _weights() -> dict[str, np.ndarray]:
    from safetensors.numpy import load_file

    return {name: tensor.astype(np.float32) for name, tensor in load_file(WEIGHTS / "detector.safetensors").items()}


def _convolved(
    seen: np.ndarray, weights: dict[str, np.ndarray], layer: int, stride: int = 1, dilation: int = 1
) -> np.ndarray:
    """A convolution that keeps the size but for its stride; kernels as torch's, out x in x side x side."""
    kernel, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
    side = kernel.shape[-1]
    reach = dilation * (side // 2)
    padded = np.pad(seen, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    window = dilation * (side - 1) + 1
    views = np.lib.stride_tricks.sliding_window_view(padded, (window, window), (2, 3))
    views = views[:, :, ::stride, ::stride, ::dilation, ::dilation]
    made = np.tensordot(views, kernel, ((1, 4, 5), (1, 2, 3)))
    return (made + bias).transpose(0, 3, 1, 2)


def _read(cells: np.ndarray, threshold: float) -> Found:
    """Peaks of one picture's logits; a centre is the mean of the cells around its peak, by how sure they are."""
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(cells, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf), (3, 3), (1, 2)
    )
    peaks = np.argwhere((cells > threshold) & (cells >= around.max((-1, -2))))
    offsets = np.array([-CELL_PX, 0, CELL_PX])
    found = []
    for entity, row, column in peaks:
        near = around[entity, row, column]
        share = np.where(near > threshold, 1 / (1 + np.exp(-near)), 0)
        x = column * CELL_PX + (CELL_PX - 1) / 2 + (share.sum(0) @ offsets) / share.sum()
        y = row * CELL_PX + (CELL_PX - 1) / 2 + (share.sum(1) @ offsets) / share.sum()
        found.append((world.ENTITIES[entity], float(x), float(y)))
    return found


def _batches(images: Iterable, size: int):
    batch = []
    for image in images:
        batch.append(pixels(image))
        if len(batch) == size:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
