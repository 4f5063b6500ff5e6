"""Redrawing: steps of a strength as in diffusers, the image in the engine's size; without torch."""

import math
import subprocess
import sys

import numpy as np
import PIL.Image
import pytest

from detailscribe.engines.redraw_steps import redraw_steps, square
from detailscribe.errors import InputError
from tests.paths import REPOSITORY


@pytest.mark.parametrize(
    ("strength", "steps", "left"),
    [
        (1, 28, 28),
        (1.0, 1, 1),
        (0.5, 28, 14),
        (0.3, 28, 9),  # 8.4: rounded up
        (0.6, 28, 17),
        (0.9, 28, 26),
        (0.01, 28, 1),
        (1e-9, 28, 1),
        (0.999, 28, 28),
        (0.55, 20, 11),
        (0.56, 25, 15),  # 0.56 * 25 is 14.000000000000002
    ],
)
def test_steps_that_a_strength_leaves(strength, steps, left):
    assert redraw_steps(strength, steps) == left


def test_steps_are_those_of_the_image_to_image_pipeline():
    from diffusers import FlowMatchEulerDiscreteScheduler
    from diffusers.pipelines.stable_diffusion_3.pipeline_stable_diffusion_3_img2img import (
        StableDiffusion3Img2ImgPipeline,
    )

    pipe = type("Pipe", (), {"scheduler": FlowMatchEulerDiscreteScheduler(shift=3.0)})()
    for steps in (1, 2, 7, 8, 20, 28, 50):
        pipe.scheduler.set_timesteps(steps)
        for strength in (n / 100 for n in range(1, 101)):
            timesteps, left = StableDiffusion3Img2ImgPipeline.get_timesteps(pipe, steps, strength, "cpu")
            assert redraw_steps(strength, steps) == left == len(timesteps)
            assert left - 1 <= strength * steps <= left + 1e-9


@pytest.mark.parametrize("strength", [0, 0.0, -0.1, 1.0001, 28, math.nan, math.inf, 1e-20])
def test_strengths_that_leave_no_step(strength):
    with pytest.raises(InputError, match="strength must be above 0 and at most 1") as caught:
        redraw_steps(strength, 28)
    assert "1 to 28 of 28 steps" in str(caught.value)
    assert str(caught.value).endswith(f"got {strength}")


def bands(width: int, height: int, vertical: bool) -> PIL.Image.Image:
    """Red, green and blue bands of equal width."""
    position = np.arange(width if vertical else height) * 3 // (width if vertical else height)
    colours = np.eye(3, dtype=np.uint8)[position] * 255
    stripes = colours[None] if vertical else colours[:, None]
    return PIL.Image.fromarray(np.ascontiguousarray(np.broadcast_to(stripes, (height, width, 3))))


@pytest.mark.parametrize(("width", "height", "vertical"), [(96, 32, True), (32, 96, False)])
def test_an_image_that_is_not_square_is_cropped_around_its_centre(width, height, vertical):
    pixels = np.asarray(square(bands(width, height, vertical), 64))
    assert pixels.shape == (64, 64, 3)
    assert (pixels[4:-4, 4:-4] == [0, 255, 0]).all(), "the band in the middle"


def test_square_images_are_resized_and_those_of_the_size_kept():
    image = bands(96, 96, True)
    assert square(image, 96).tobytes() == image.tobytes()
    assert square(image, 64).tobytes() == image.resize((64, 64), PIL.Image.Resampling.LANCZOS).tobytes()
    assert square(image.convert("L"), 64).mode == "RGB"
    assert square(image.convert("RGBA"), 96).tobytes() == image.tobytes()


def test_a_plan_knows_the_steps_without_torch():
    code = "import sys, detailscribe.engines.redraw_steps as r; assert r.redraw_steps(.5, 28) == 14; "
    code += "sys.exit({'torch', 'PIL', 'numpy'} & sys.modules.keys() or None)"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
