"""Interface of an image engine: a loaded text-to-image model with the settings of a study; abilities that some have."""

from collections.abc import Iterable
from typing import Protocol

import PIL.Image

from detailscribe.engines.acceleration.first_steps import FirstSteps
from detailscribe.errors import InputError

NOT_FINITE = "the image has values that are not finite; fp16 overflows where bf16 and fp32 do not"


class Engine(Protocol):
    """What the generate and refine stages need from an image model."""

    def prepare(self, texts: Iterable[str]) -> None:
        """Encode the texts of the next images in advance, where the engine can."""

    def generate(self, prompt: str, seed: int, first_steps: FirstSteps | None = None) -> PIL.Image.Image:
        """Generate one image: RGB, `size_px` square.

        Args:
            prompt: Text of the image.
            seed: Noise seed; noise is sampled on the CPU and therefore identical on every GPU.
            first_steps: Gets the latents that refinements of this image start from, where the engine can.

        Raises:
            SetupError: the GPU has too little memory.
            FloatingPointError: the image has values that are not finite.
        """
        ...

    def refine(
        self, prompt: str, refined_prompt: str, seed: int, ks: list[int], first_steps: FirstSteps | None = None
    ) -> dict[int, PIL.Image.Image]:
        """Generate the candidates of a refined prompt, one image per k.

        Args:
            prompt: p0, the condition of the first steps.
            refined_prompt: p1, which replaces it.
            seed: Noise seed of the initial image.
            ks: Index of the step after which p1 replaces p0, so that k + 1 steps use p0; but 0 is a full run of p1,
                as in the released code. Order is irrelevant.
            first_steps: If given, the steps of p0 are a batch of their own, and those with latents are not repeated.

        Returns:
            Images by k.

        Raises:
            InputError: a k outside the schedule.
            SetupError, FloatingPointError: as `generate`.
        """
        ...


class RedrawEngine(Engine, Protocol):
    """An engine that can also redraw an image, image-to-image; whether one can: `hasattr(engine, "redraw")`."""

    def redraw(
        self, image: PIL.Image.Image, prompt: str, seed: int, strengths: list[float]
    ) -> dict[float, PIL.Image.Image]:
        """Noise an image in part and denoise it with a prompt, once per strength.

        Args:
            image: Any size and mode; taken in RGB, cropped around its centre to a square, and resized (Lanczos).
            prompt: Text of the steps that are left; it alone, and the empty one for guidance, is encoded.
            seed: Seed of all noise of each strength, sampled on the CPU.
            strengths: Shares of the schedule to redo, above 0 and at most 1; `redraw_steps` says how many steps are
                left. 1 starts from noise alone, so that nothing of the image is left; the noise is not that of
                `generate` with the same seed. Order is irrelevant, and so are the other strengths.

        Returns:
            Images by strength: RGB, `size_px` square.

        Raises:
            InputError: a strength that leaves no step.
            SetupError, FloatingPointError: as `generate`; SetupError also where the scheduler cannot start there.
        """
        ...


class NearNoiseEngine(Engine, Protocol):
    """An engine that can also start near a seed's noise; whether one can: `hasattr(engine, "generate_near")`."""

    def generate_near(self, prompt: str, seed: int, shifts: list[tuple[int, float]]) -> PIL.Image.Image:
        """Generate one image from the noise of a seed, moved towards the noise of others; else as `generate`.

        Args:
            prompt, seed: As for `generate`.
            shifts: (seed, share) in turn: the noise becomes `sqrt(1 - share^2) * noise + share * noise_of(seed)`, which
                is standard normal again. None: the image of `generate`; a share of 1: that of `generate` with its seed;
                0 changes nothing. `near_noise` has source and departures.

        Raises:
            InputError: a share outside 0 to 1, or a seed that is in the noise already.
            SetupError, FloatingPointError: as `generate`.
        """
        ...

    def refine_near(
        self, prompt: str, refined_prompt: str, seed: int, shifts: list[tuple[int, float]], ks: list[int]
    ) -> dict[int, PIL.Image.Image]:
        """Generate the candidates of a refined prompt from noise as of `generate_near`; else as `refine`."""
        ...


def check_ks(ks: list[int], steps: int) -> None:
    """Refuse a k outside the schedule.

    Raises:
        InputError: naming the first such k.
    """
    if wrong := [k for k in ks if not 0 <= k < steps]:
        raise InputError(f"k must be from 0 to {steps - 1} with {steps} steps, got {wrong[0]}")
