"""Pictures as CLIP and BLIP want them: the authors' transforms on Pillow, written out.

Libraries' default preparation changes with what else is installed (with torchvision beside it, transformers resizes
tensors instead of pictures, up to 0.015 away), and a score must not.
"""

import numpy as np
from PIL import Image

# CLIP's mean and deviation of red, green and blue; BLIP, ImageReward and PickScore use the same.
MEAN = np.array([0.48145466, 0.4578275, 0.40821073], np.float32)
STD = np.array([0.26862954, 0.26130258, 0.27577711], np.float32)


def rgb(image: Image.Image) -> Image.Image:
    """The picture in RGB; transparency is dropped, and 16 bits of grey become 8."""
    if image.mode.startswith("I;16"):  # turned into RGB, every grey above 255 would be white
        image = Image.fromarray((np.asarray(image) // 257).astype(np.uint8))
    return image if image.mode == "RGB" else image.convert("RGB")


def cropped(image: Image.Image, side: int) -> np.ndarray:
    """Shorter side to `side` (bicubic), centre crop, normalised.

    Returns:
        (3, side, side), float32.

    Source: torchvision's Resize, CenterCrop, ToTensor and Normalize on a PIL image, as CLIP and ImageReward use them.
    Differs: modes other than RGB are converted before they are resized, not after.
    """
    image = rgb(image)
    short, long = min(image.size), max(image.size)
    scaled = int(side * long / short)
    image = image.resize((side, scaled) if image.width <= image.height else (scaled, side), Image.Resampling.BICUBIC)
    left, top = round((image.width - side) / 2), round((image.height - side) / 2)
    return _normalised(image.crop((left, top, left + side, top + side)))


def squeezed(image: Image.Image, side: int) -> np.ndarray:
    """Both sides to `side` (bicubic), whatever the shape of the picture, normalised.

    Returns:
        (3, side, side), float32.

    Source: BLIP's preparation for questions about pictures.
    """
    return _normalised(rgb(image).resize((side, side), Image.Resampling.BICUBIC))


def _normalised(image: Image.Image) -> np.ndarray:
    pixels = np.asarray(image, np.float32) / 255
    return np.ascontiguousarray(((pixels - MEAN) / STD).transpose(2, 0, 1))
