"""Parameters of image generation that the generate, refine and external stages share."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from detailscribe.study.study import Study


def generation_parameters(study: Study) -> dict:
    """What decides a generated image besides its prompt and seed: `model` and `generation`.

    `offload` and `notice` change no image, and `batch` changes no image that is generated alone; they are left out.
    """
    model = {key: value for key, value in study.image_model.items() if key not in ("offload", "notice", "batch")}
    return {"model": model, "generation": generation_settings(study)}


def generation_settings(study: Study) -> dict:
    """The config's `generation`, normalised: 4 and 4.0 are one guidance, and a PNG has no quality."""
    settings = {**study.config["generation"], "guidance": float(study.config["generation"]["guidance"])}
    if settings["format"] == "png":
        del settings["quality"]
    return settings
