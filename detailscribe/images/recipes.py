"""Recipes of generated images: everything that decides an image's bytes, as image requests with their keys."""

import functools

from detailscribe.engines.weights import model_identity
from detailscribe.files.digests import digest
from detailscribe.images.image_set import ImageRequest


class ImageRecipes:
    """Makes the image requests of one image set that is generated from text, or of the candidates of one critic.

    Args:
        parameters: Of the stage: `algorithm`, `model`, `generation`, `seed` and, for a refinement, `candidates`
            {image set: k}, `batch` (candidates or image) and, if it is true, `reuse_first_steps`.

    Raises:
        SetupError: by the first request: the model's files are not on this machine.
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

    @functools.cached_property
    def _batch_ks(self) -> list[int]:
        """The ks that go through the transformer as one batch; empty if each image is a batch of its own."""
        ks = sorted(k for k in self.parameters.get("candidates", {}).values() if k is not None)
        return ks if self.parameters.get("batch") == "candidates" else []

    def from_noise_request(self, id: str, image_set: str, prompt: str, k: int | None = None) -> ImageRequest:
        """Request a full run with one prompt, in a batch of its own."""
        return self._request(id, image_set, prompt, k, {"prompt": prompt})

    def prompt_switch_request(self, id: str, image_set: str, prompt: str, refined_prompt: str, k: int) -> ImageRequest:
        """Request a run that starts with the prompt and continues with the refined one after step k.

        k=0 is a full run with the refined prompt, as released; unless it shares a batch, it has the recipe of one.
        """
        if k == 0 and not self._batch_ks:
            return self.from_noise_request(id, image_set, refined_prompt, k=0)
        switch = {"k": k, "refined_prompt": refined_prompt, "swap_pooled": self.parameters["generation"]["swap_pooled"]}
        batch: dict = {"batch": self._batch_ks} if self._batch_ks else {}
        if len(self._batch_ks) > 1:
            batch["decoded"] = "alone"  # they were decoded together once, which rounds otherwise
        if self._batch_ks and self.parameters.get("reuse_first_steps"):
            batch["reuse_first_steps"] = True  # the original prompt's steps are no part of the batch
        return self._request(id, image_set, refined_prompt, k, {"prompt": prompt} | switch | batch)

    def _request(self, id: str, image_set: str, text: str, k: int | None, recipe: dict) -> ImageRequest:
        base, seed = self._base_recipe, self.parameters["seed"]
        return ImageRequest(
            id, image_set, prompt=text, seed=seed, k=k, recipe=base | recipe, model=base["model"]["identity"]
        )


def first_image_key(request: ImageRequest) -> str:
    """Key of the full run of a request's first prompt: the image that a prompt switch continues, or itself."""
    kept = ("algorithm", "model", "generation", "seed", "prompt")
    return digest({name: request.recipe[name] for name in kept})


def skipped_request(id: str, image_set: str, stage: str, row: dict) -> ImageRequest:
    """The request of an image that cannot be made, because its input row of `stage` is not ok."""
    return ImageRequest(id, image_set, "skipped", f"{stage} {row['status']}: {row['reason']}")
