"""Recipes of generated images: everything that decides an image's bytes, as image requests with their keys."""

import functools
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from detailscribe.engines.weights import model_identity
from detailscribe.files.digests import digest
from detailscribe.images.image_set import ImageRequest

NEAR_NOISE = 1  # raise it when the same moves of a noise would draw another image


class ImageRecipes:
    """Makes the image requests of one image set that is generated from text, or of one refinement.

    Args:
        parameters: Of the stage: `algorithm`, `model`, `generation`, `seed`; for a prompt switch `candidates`
            {image set: k}, `batch` (candidates or image) and, if it is true, `reuse_first_steps`; `takeover`, the
            number of how a refined prompt takes over, if there is one; for another refiner `refiner`, what decides how
            it draws.

    Raises:
        InputError, SetupError: by the first request: as `require_model`.
    """

    def __init__(self, parameters: dict):
        self.parameters = parameters

    @functools.cached_property
    def _base_recipe(self) -> dict:
        model = self.parameters["model"]
        kept = {key: value for key, value in model.items() if key not in ("path", "revision")}
        generation = {key: value for key, value in self.parameters["generation"].items() if key != "swap_pooled"}
        return {
            "algorithm": self.parameters["algorithm"],
            "model": kept | {"identity": model_identity(model)},
            "generation": generation,
            "seed": self.parameters["seed"],
        }

    def require_model(self) -> None:
        """Find the model's files, as the first request does.

        Raises:
            InputError, SetupError: they are not on this machine, or nothing pins the weights.
        """
        _ = self._base_recipe

    @functools.cached_property
    def _batch_ks(self) -> list[int]:
        """The ks that go through the transformer as one batch; empty if each image is a batch of its own."""
        ks = sorted(k for k in self.parameters.get("candidates", {}).values() if k is not None)
        return ks if self.parameters.get("batch") == "candidates" else []

    def from_noise_request(
        self, id: str, image_set: str, prompt: str, k: int | None = None, seed: int | None = None
    ) -> ImageRequest:
        """Request a full run with one prompt, in a batch of its own; the seed is the study's unless it is given."""
        return self._request(id, image_set, prompt, k, {"prompt": prompt}, seed)

    def prompt_switch_request(
        self, id: str, image_set: str, prompt: str, refined_prompt: str, k: int, seed: int | None = None
    ) -> ImageRequest:
        """Request a run that starts with the prompt and continues with the refined one after step k.

        k=0 is a full run with the refined prompt, as released; unless it shares a batch, it has the recipe of one.
        """
        if k == 0 and not self._batch_ks:
            return self.from_noise_request(id, image_set, refined_prompt, k=0, seed=seed)
        switch = {"k": k, "refined_prompt": refined_prompt, "swap_pooled": self.parameters["generation"]["swap_pooled"]}
        batch: dict = {"batch": self._batch_ks} if self._batch_ks else {}
        if len(self._batch_ks) > 1:
            batch["decoded"] = "alone"  # they were decoded together once, which rounds otherwise
        if self._batch_ks and self.parameters.get("reuse_first_steps"):
            batch["reuse_first_steps"] = True  # the original prompt's steps are no part of the batch
        if number := self.parameters.get("takeover"):
            switch["takeover"] = number
        return self._request(id, image_set, refined_prompt, k, {"prompt": prompt} | switch | batch, seed)

    def refined_request(
        self,
        id: str,
        image_set: str,
        prompt: str,
        values: dict,
        image: dict | None = None,
        seed: int | None = None,
        state: dict | None = None,
    ) -> ImageRequest:
        """Request an image of a refiner of its own.

        Args:
            prompt: Text of the image.
            values: What else decides its bytes, by names of the refiner's choice.
            image: Row of the image that it starts from, with `path` and `sha256`, if its pixels are used.
            seed: Of its noise; the study's unless it is given.
            state: What a later step that starts from this image needs to know (`ImageRequest.state`).
        """
        recipe = {"refiner": self.parameters["refiner"], "prompt": prompt, **values}
        recipe |= {"image_sha256": image["sha256"]} if image else {}
        options: dict[str, Any] = {"source": Path(image["path"]) if image else None, "state": state or {}}
        return self._request(id, image_set, prompt, None, recipe, seed, **options)

    def _request(
        self, id: str, image_set: str, text: str, k: int | None, recipe: dict, seed: int | None, **options: Any
    ) -> ImageRequest:
        base = self._base_recipe | ({} if seed is None else {"seed": seed})
        model = base["model"]["identity"]
        return ImageRequest(
            id, image_set, prompt=text, seed=base["seed"], k=k, recipe=base | recipe, model=model, **options
        )


def first_image_key(request: ImageRequest) -> str:
    """Key of the full run of a request's first prompt: the image that a prompt switch continues, or itself."""
    kept = ("algorithm", "model", "generation", "seed", "prompt")
    return digest({name: request.recipe[name] for name in kept})


def moved_request(request: ImageRequest, shifts: list[tuple[int, float]]) -> ImageRequest:
    """The request of an image from text or of a prompt switch, with the noise of its seed moved.

    Its row tells later steps so, as `state["shifts"]`. Without moves it is the request itself.

    Args:
        shifts: (seed, share) in turn, as for `engine.NearNoiseEngine.generate_near`.
    """
    if not shifts:
        return request
    moves = [[seed, share] for seed, share in shifts]
    recipe = request.recipe | {"near_noise": {"algorithm": NEAR_NOISE, "shifts": moves}}
    return replace(request, recipe=recipe, state={"shifts": moves})


def shifts_of(values: Mapping) -> list[tuple[int, float]]:
    """The moves of the noise, from a recipe's `near_noise` or from a row's `state`; none for most images."""
    return [(int(seed), float(share)) for seed, share in values.get("shifts", [])]


def carried_request(id: str, image_set: str, image: dict) -> ImageRequest:
    """Request the image of another set unchanged, because there is nothing to correct.

    Args:
        image: Its row.
    """
    kept = {key: image[key] for key in ("prompt", "seed", "k")}
    return ImageRequest(id, image_set, **kept, carried=image, state=image.get("state") or {})


def skipped_request(id: str, image_set: str, stage: str, row: dict) -> ImageRequest:
    """The request of an image that cannot be made, because its input row of `stage` is not ok."""
    return ImageRequest(id, image_set, "skipped", f"{stage} {row['status']}: {row['reason']}")
