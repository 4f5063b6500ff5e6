"""The entities of the scene world as pictures, drawn from Noto Color Emoji (SIL Open Font License 1.1).

The font is needed to train and to draw ground truth, never to run the study; no sprite is shipped.
"""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detailscribe.errors import SetupError
from detailscribe.miniature.world import ENTITIES, LARGE_PX, MEDIUM_PX, SMALL_PX

PLACES = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
)
STRIKE_PX = 109  # the one size its pictures come in
EMOJI = dict(zip(ENTITIES, "🐈🐕🐇🐘🐖🐧🐢🐸🐼🦆🦊🐒🎸⚽🍎🌂📘🎈🌻🎁🎺🎂⭐🍕", strict=True))


def font_file() -> Path:
    """Noto Color Emoji as a bitmap font: NOTO_COLOR_EMOJI names it, or it lies where systems put it.

    Raises:
        SetupError: it is not there.
    """
    named = os.environ.get("NOTO_COLOR_EMOJI")
    for place in [named] if named else PLACES:
        if Path(place).is_file():
            return Path(place)
    raise SetupError(
        f"the scene world is drawn with Noto Color Emoji, which is not in {named or ', '.join(PLACES)}; install it "
        "(`apt install fonts-noto-color-emoji`) or let NOTO_COLOR_EMOJI name the .ttf file"
    )


@lru_cache
def load() -> dict[tuple[str, int, bool], np.ndarray]:
    """Sprites by entity, side in pixels, and whether flipped left to right: float32 premultiplied RGBA in [0, 1]."""
    font = ImageFont.truetype(font_file(), STRIKE_PX)
    sprites = {}
    for entity, emoji in EMOJI.items():
        drawn = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(drawn).text((10, 10), emoji, font=font, embedded_color=True)
        drawn = drawn.crop(drawn.getbbox())
        side = max(drawn.size)
        square = Image.new("RGBA", (side, side))
        square.paste(drawn, ((side - drawn.width) // 2, (side - drawn.height) // 2))
        full = np.asarray(square, np.float32) / 255
        full = np.concatenate([full[..., :3] * full[..., 3:], full[..., 3:]], -1)
        for size in (LARGE_PX, MEDIUM_PX, SMALL_PX):
            channels = [Image.fromarray(full[..., at]).resize((size, size), Image.BOX) for at in range(4)]
            sprite = np.stack([np.asarray(channel) for channel in channels], -1)
            sprites[entity, size, False], sprites[entity, size, True] = sprite, sprite[:, ::-1].copy()
    return sprites
