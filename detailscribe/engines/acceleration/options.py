"""Accelerations of Stable Diffusion 3: optional keys of an image model's entry, their defaults and their checks.

Imports no torch.
"""

from detailscribe.engines.acceleration.guidance_interval import EVERY_STEP, check_guidance_interval
from detailscribe.errors import InputError

SD3 = "StableDiffusion3Pipeline"
LOSSY = ("guidance_interval", "block_cache")  # change every image
KEYS = (*LOSSY, "reuse_first_steps")


def lossy_options(model: dict) -> dict:
    """The lossy keys of an entry that are in effect, normalised; empty where every image is exact.

    A key at its default has no place among the parameters of a stage, or in an image's key.
    """
    interval, threshold = tuple(map(float, model.get(LOSSY[0]) or EVERY_STEP)), float(model.get(LOSSY[1]) or 0)
    options: dict = {} if interval == EVERY_STEP else {LOSSY[0]: list(interval)}
    return options | ({LOSSY[1]: threshold} if threshold else {})


def check_options(model: dict, generation: dict) -> None:
    """Refuse values outside their range, and options of a pipeline that runs unmodified.

    Args:
        model: Entry of `image_models`. `guidance_interval`: [first, last], shares of the steps that are guided;
            `block_cache`: threshold from 0 (never reuse) to 1; `reuse_first_steps`: true or false.
        generation: `steps` and `guidance`.

    Raises:
        InputError: names the key, the value and the remedy.
    """
    given = [key for key in KEYS if model.get(key) not in (None, False, 0)]
    if given and model["pipeline"] != SD3:
        raise InputError(
            f"{', '.join(given)}: {model['pipeline']} runs unmodified, and only {SD3} can do this: remove the key"
            + ("s" if len(given) > 1 else "")
        )
    if "guidance_interval" in given:
        check_guidance_interval(model["guidance_interval"], generation["steps"], generation["guidance"])
    threshold = model.get("block_cache") or 0
    if type(threshold) not in (int, float) or not 0 <= threshold <= 1:
        raise InputError(f"block_cache must be a number from 0 (off) to 1, got {threshold!r}")
    if not isinstance(model.get("reuse_first_steps") or False, bool):
        raise InputError(f"reuse_first_steps must be true or false, got {model['reuse_first_steps']!r}")
