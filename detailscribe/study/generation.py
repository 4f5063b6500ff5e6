"""Parameters of image generation that the generate, refine and external stages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

from detailscribe.engines.acceleration import options

if TYPE_CHECKING:
    from detailscribe.study.study import Study


def generation_parameters(study: Study, image_model: dict | None = None) -> dict:
    """What decides a generated image besides its prompt and seed: `model` and `generation`.

    `offload`, `notice` and `label` change no image; `batch` and `reuse_first_steps` change no image that is generated
    alone: they are left out, and so is a lossy option at its default.

    Args:
        image_model: Entry of the model, if it is not the study's own.
    """
    image_model = image_model or study.image_model
    omitted = ("offload", "notice", "label", "batch", *options.KEYS)
    model = {key: value for key, value in image_model.items() if key not in omitted}
    return {"model": model | options.lossy_options(image_model), "generation": generation_settings(study)}


def generation_settings(study: Study) -> dict:
    """The config's `generation`, normalised: 4 and 4.0 are one guidance, and a PNG has no quality."""
    settings = {**study.config["generation"], "guidance": float(study.config["generation"]["guidance"])}
    if settings["format"] == "png":
        del settings["quality"]
    return settings
