"""Entity detection with the trained detector in NumPy: the judge's view of an image, without torch."""

from collections.abc import Iterable, Iterator
from functools import lru_cache

import numpy as np
from PIL import Image

from detailscribe.miniature import WEIGHTS
from detailscribe.miniature.world.arrangements import SIDE_PX
from detailscribe.miniature.world.vocabulary import ENTITIES

CELL_PX = 8
BATCH = 64
LAYERS = ((2, 1), (2, 1), (2, 1), (1, 1), (1, 2))  # stride and dilation; a last layer gives the logits
Detections = list[tuple[str, float, float]]  # entities with their centres in pixels


def detect(
    images: Iterable[np.ndarray | Image.Image], threshold: float = 0.0, weights: dict[str, np.ndarray] | None = None
) -> list[Detections]:
    """Entities in each image; images of other sizes are resized to 96 x 96 pixels.

    Args:
        threshold: Logit above which an entity counts as present.
        weights: From `detector.fold_batch_norm`; the shipped ones if None.
    """
    weights = weights or shipped_detector()
    return [_peaks(cells, threshold) for batch in _batches(images) for cells in detection_logits(weights, batch)]


def detection_logits(weights: dict[str, np.ndarray], images: np.ndarray) -> np.ndarray:
    """Logits of each entity per cell of 8 x 8 pixels.

    Args:
        images: (batch, 96, 96, 3), uint8.

    Returns:
        (batch, 24 entities, 12, 12), float32.
    """
    features = images.transpose(0, 3, 1, 2).astype(np.float32) / 127.5 - 1
    for i, (stride, dilation) in enumerate(LAYERS):
        output = np.maximum(_convolve(features, weights, i, stride, dilation), 0)
        features = features + output if stride == 1 else output
    return _convolve(features, weights, len(LAYERS))


def resized(image: np.ndarray | Image.Image) -> np.ndarray:
    """An image as (96, 96, 3), uint8."""
    if isinstance(image, np.ndarray):
        image = Image.fromarray(image)
    image, side = image.convert("RGB"), (SIDE_PX, SIDE_PX)
    return np.asarray(image.resize(side, Image.Resampling.BICUBIC) if image.size != side else image)


@lru_cache
def shipped_detector() -> dict[str, np.ndarray]:
    """The shipped weights of the detector, float32."""
    from safetensors.numpy import load_file

    return {name: tensor.astype(np.float32) for name, tensor in load_file(WEIGHTS / "detector.safetensors").items()}


def _convolve(
    features: np.ndarray, weights: dict[str, np.ndarray], layer: int, stride: int = 1, dilation: int = 1
) -> np.ndarray:
    """A convolution with "same" padding.

    Args:
        features: (batch, in, height, width), float32.
        weights: Kernels as torch's: (out, in, side, side), float32.
    """
    kernel, bias = weights[f"{layer}.weight"], weights[f"{layer}.bias"]
    side = kernel.shape[-1]
    reach = dilation * (side // 2)
    padded = np.pad(features, ((0, 0), (0, 0), (reach, reach), (reach, reach)))
    window = dilation * (side - 1) + 1
    views = np.lib.stride_tricks.sliding_window_view(padded, (window, window), (2, 3))
    views = views[:, :, ::stride, ::stride, ::dilation, ::dilation]
    output = np.tensordot(views, kernel, ((1, 4, 5), (1, 2, 3)))
    return (output + bias).transpose(0, 3, 1, 2)


def _peaks(cells: np.ndarray, threshold: float) -> Detections:
    """Local maxima of one image's logits; a centre is the mean of the 3 x 3 cells around it, weighted by probability.

    Args:
        cells: (24 entities, 12, 12), float32.
    """
    around = np.lib.stride_tricks.sliding_window_view(
        np.pad(cells, ((0, 0), (1, 1), (1, 1)), constant_values=-np.inf), (3, 3), (1, 2)
    )
    peaks = np.argwhere((cells > threshold) & (cells >= around.max((-1, -2))))
    offsets = np.array([-CELL_PX, 0, CELL_PX])
    detections = []
    for entity, row, column in peaks:
        near = around[entity, row, column]
        share = np.where(near > threshold, 1 / (1 + np.exp(-near)), 0)
        x = column * CELL_PX + (CELL_PX - 1) / 2 + (share.sum(0) @ offsets) / share.sum()
        y = row * CELL_PX + (CELL_PX - 1) / 2 + (share.sum(1) @ offsets) / share.sum()
        detections.append((ENTITIES[entity], float(x), float(y)))
    return detections


def _batches(images: Iterable[np.ndarray | Image.Image]) -> Iterator[np.ndarray]:
    batch = []
    for image in images:
        batch.append(resized(image))
        if len(batch) == BATCH:
            yield np.stack(batch)
            batch = []
    if batch:
        yield np.stack(batch)
