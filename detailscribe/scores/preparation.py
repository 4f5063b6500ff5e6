"""Image preparation for CLIP and BLIP: the authors' transforms, implemented with Pillow.

The libraries' default preparation depends on what else is installed (with torchvision, transformers resizes tensors
instead of images; values differ by up to 0.015), and a score must not.
"""

import numpy as np
from PIL import Image

from detailscribe.images.image_reader import to_rgb

# CLIP's mean and standard deviation of red, green and blue; BLIP, ImageReward and PickScore use the same.
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def resize_and_crop(image: Image.Image, side: int) -> np.ndarray:
    """Resize the shorter side to `side` (bicubic), crop the centre, normalise.

    Returns:
        (3, side, side), float32.

    Source: torchvision's Resize, CenterCrop, ToTensor and Normalize on a PIL image, as CLIP and ImageReward use them.
    Differs: modes other than RGB are converted before resizing, not after.
    """
    image = to_rgb(image)
    short, long = min(image.size), max(image.size)
    scaled = int(side * long / short)
    image = image.resize((side, scaled) if image.width <= image.height else (scaled, side), Image.Resampling.BICUBIC)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return _normalise(image.crop((left, top, left + side, top + side)))


def resize_to_square(image: Image.Image, side: int) -> np.ndarray:
    """Resize both sides to `side` (bicubic), ignoring the aspect ratio, and normalise.

    Returns:
        (3, side, side), float32.

    Source: BLIP's preparation for visual question answering.
    """
    return _normalise(to_rgb(image).resize((side, side), Image.Resampling.BICUBIC))


def _normalise(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image, np.float32) / 255
    return np.ascontiguousarray(((pixels - MEAN) / STD).transpose(2, 0, 1))
