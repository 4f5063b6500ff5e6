"""Sprites of the entities, rendered from Noto Color Emoji (SIL Open Font License 1.1).

The font is needed for training and for drawing ground truth, not for running the study; sprites are not shipped.
"""

import os
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from detailscribe.errors import SetupError
from detailscribe.miniature.world.arrangements import LARGE_PX, MEDIUM_PX, SMALL_PX
from detailscribe.miniature.world.vocabulary import ENTITIES

FONT_FILES = (
    "/usr/share/fonts/truetype/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/noto/NotoColorEmoji.ttf",
    "/usr/share/fonts/google-noto-emoji/NotoColorEmoji.ttf",
)
STRIKE_PX = 109  # the only size of this bitmap font
EMOJI = dict(zip(ENTITIES, "🐈🐕🐇🐘🐖🐧🐢🐸🐼🦆🦊🐒🎸⚽🍎🌂📘🎈🌻🎁🎺🎂⭐🍕", strict=True))
Sprites = dict[tuple[str, int, bool], np.ndarray]  # by entity, side in pixels, and whether mirrored


def font_file() -> Path:
    """Path of Noto Color Emoji as a bitmap font: from NOTO_COLOR_EMOJI, or one of FONT_FILES.

    Raises:
        SetupError: there is no such file.
    """
    configured = os.environ.get("NOTO_COLOR_EMOJI")
    for path in [configured] if configured else FONT_FILES:
        if Path(path).is_file():
            return Path(path)
    raise SetupError(
        f"drawing the scene world needs Noto Color Emoji, not found at {configured or ', '.join(FONT_FILES)}; install "
        "it (`apt install fonts-noto-color-emoji`) or set NOTO_COLOR_EMOJI to the .ttf file"
    )


@lru_cache
def load_sprites() -> Sprites:
    """All sprites: (side, side, 4), float32 premultiplied RGBA in [0, 1]."""
    font = ImageFont.truetype(font_file(), STRIKE_PX)
    sprites = {}
    for entity, emoji in EMOJI.items():
        glyph = Image.new("RGBA", (160, 160))
        ImageDraw.Draw(glyph).text((10, 10), emoji, font=font, embedded_color=True)
        glyph = glyph.crop(glyph.getbbox())
        side = max(glyph.size)
        square = Image.new("RGBA", (side, side))
        square.paste(glyph, ((side - glyph.width) // 2, (side - glyph.height) // 2))
        full = np.asarray(square, np.float32) / 255
        full = np.concatenate([full[..., :3] * full[..., 3:], full[..., 3:]], -1)
        for size in (LARGE_PX, MEDIUM_PX, SMALL_PX):
            channels = [Image.fromarray(full[..., i]).resize((size, size), Image.Resampling.BOX) for i in range(4)]
            sprite = np.stack([np.asarray(channel) for channel in channels], -1)
            sprites[entity, size, False], sprites[entity, size, True] = sprite, sprite[:, ::-1].copy()
    return sprites
