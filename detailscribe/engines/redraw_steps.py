"""Redrawing of an image, image-to-image: denoising steps of a strength, and the image in the engine's size.

Imports no torch.

Source: Meng et al. 2022 (SDEdit), https://arxiv.org/abs/2108.01073, section 3; the steps of a strength are those of the
image-to-image pipelines of diffusers 0.42.1 (`get_timesteps`).
Differs: SDEdit starts at a noise level t0; a strength is a share of the steps, whatever noise levels the schedule gives
them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.errors import InputError

if TYPE_CHECKING:
    import PIL.Image


def redraw_steps(strength: float, steps: int) -> int:
    """Denoising steps that an image is redrawn with: `strength * steps`, rounded up.

    As in diffusers the product is a float: where it is above a whole number by a rounding error, there is one step
    more (0.56 of 25 steps is 15; no hundredths of 28 do so).

    Args:
        strength: Share of the schedule, above 0 and at most 1; 1 starts from noise alone.
        steps: Of a full run.

    Raises:
        InputError: no such strength, or one that leaves no step.
    """
    left = steps - int(steps - steps * strength) if 0 < strength <= 1 else 0
    if left < 1:
        raise InputError(
            f"strength must be above 0 and at most 1, so that an image is redrawn with 1 to {steps} of {steps} steps, "
            f"got {strength}"
        )
    return left


def square(image: PIL.Image.Image, size_px: int) -> PIL.Image.Image:
    """The image in RGB, `size_px` square: cropped around its centre if it is not square, then resized (Lanczos)."""
    from PIL.Image import Resampling

    image = image.convert("RGB")
    side = min(image.size)
    left, top = ((length - side) // 2 for length in image.size)
    if image.size != (side, side):  # by itself, so that nothing outside the square blurs into it
        image = image.crop((left, top, left + side, top + side))
    return image if side == size_px else image.resize((size_px, size_px), Resampling.LANCZOS)
