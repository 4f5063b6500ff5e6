"""Guidance on an interval of denoising steps only; outside it the transformer sees the conditional rows alone.

Source: Kynkäänniemi et al. 2024, "Applying Guidance in a Limited Interval Improves Sample and Distribution Quality in
Diffusion Models", https://arxiv.org/abs/2404.07724.
Differs: the paper bounds the noise level; here the bounds are shares of the steps, which mean the same noise levels for
every number of steps. With Stable Diffusion 3's shift of 3, a step that begins at share t has the paper's noise level
3 (1 - t) / t.
"""

from detailscribe.errors import InputError

EVERY_STEP = (0.0, 1.0)


def is_guided(i: int, steps: int, interval: tuple[float, float]) -> bool:
    """Whether step i, from 0 to steps - 1, is guided: `first <= i / steps < last`.

    Args:
        interval: First and last, shares of the steps from 0 to 1.
    """
    first, last = interval
    return first <= i / steps < last


def check_guidance_interval(interval: object, steps: int, guidance: float) -> None:
    """Refuse an interval that is none, or that guides no step.

    Raises:
        InputError: names the value and the remedy.
    """
    bounds = [*interval] if isinstance(interval, list | tuple) else []
    numbers = len(bounds) == 2 and all(type(bound) in (int, float) for bound in bounds)
    if not numbers or not 0 <= bounds[0] < bounds[1] <= 1:
        raise InputError(
            "guidance_interval must be [first, last], shares of the steps with 0 <= first < last <= 1, got "
            f"{interval!r}: [0, 1] guides every step"
        )
    first, last = bounds
    if (first, last) == EVERY_STEP:
        return
    if guidance <= 1:
        raise InputError(
            f"guidance_interval is [{first}, {last}], but guidance {guidance:g} is off at every step: set guidance "
            "above 1, or remove guidance_interval"
        )
    if not any(is_guided(i, steps, (first, last)) for i in range(steps)):
        raise InputError(f"guidance_interval [{first}, {last}] holds none of {steps} steps: make it wider")
