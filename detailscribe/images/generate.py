"""What a diffusion stage asks for: requests with their recipes, and the engine, loaded at the first missing image."""

import functools
import time
from pathlib import Path

from PIL import Image

from detailscribe.engines.step_times import record_step_times, step_time_key
from detailscribe.engines.versions import library_versions
from detailscribe.engines.weights import model_identity
from detailscribe.images.image_set import ImageRequest, make_images

SOFTWARE = ("torch", "diffusers", "transformers")


class ImageGenerator:
    """The parameters of a generate or refine stage at work.

    Args:
        parameters: `algorithm`, `model`, `generation`, `seed` and, for a refinement, `candidates` {image set: k} and
            `batch` (candidates or image).
        offload: Where the model's parts wait; changes no image.
    """

    def __init__(self, parameters: dict, offload: str):
        self.parameters = parameters
        self.offload = offload
        self.steps, self.seconds = 0, 0.0  # drawn so far, without the loading of the model

    @functools.cached_property
    def engine(self):
        """The diffusion engine; loading it is what an up-to-date shard saves."""
        from detailscribe.engines.load import load_engine

        machine = {"offload": self.offload, "batch": self.parameters.get("batch", "image")}
        return load_engine(self.parameters["model"] | machine, self.parameters["generation"])

    @functools.cached_property
    def _base(self) -> dict:
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
    def _batch(self) -> list[int]:
        """The ks that go through the transformer together; none where each image goes alone."""
        ks = sorted(k for k in self.parameters.get("candidates", {}).values() if k is not None)
        return ks if self.parameters.get("batch") == "candidates" else []

    def from_noise(self, id: str, image_set: str, prompt: str, k: int | None = None) -> ImageRequest:
        """A full run with one prompt, in a batch of its own."""
        return self._request(id, image_set, prompt, k, {"prompt": prompt})

    def switched(self, id: str, image_set: str, prompt: str, refined_prompt: str, k: int) -> ImageRequest:
        """A run that starts with the prompt and goes on with the refined one after step k.

        k=0 is a full run with the refined prompt, as released; unless it shares a batch, nothing tells it from one.
        """
        if k == 0 and not self._batch:
            return self.from_noise(id, image_set, refined_prompt, k=0)
        switch = {"k": k, "refined_prompt": refined_prompt, "swap_pooled": self.parameters["generation"]["swap_pooled"]}
        batch = {"batch": self._batch} if self._batch else {}
        return self._request(id, image_set, refined_prompt, k, {"prompt": prompt} | switch | batch)

    def _request(self, id: str, image_set: str, text: str, k: int | None, recipe: dict) -> ImageRequest:
        base, seed = self._base, self.parameters["seed"]
        return ImageRequest(
            id, image_set, prompt=text, seed=seed, k=k, recipe=base | recipe, model=base["model"]["identity"]
        )

    def prepare(self, requests: list[ImageRequest]) -> None:
        """Encode the texts of some prompts before the first of their images is drawn."""
        texts = {text: None for request in requests for text in (request.recipe["prompt"], request.prompt)}
        self.engine.prepare(list(texts))

    def draw(self, requests: list[ImageRequest]) -> list[Image.Image]:
        """Draw some images of one prompt; what they have in common is computed once.

        A batch always runs whole, and what was not asked for is thrown away: the bytes hang on who is in it.
        """
        switched = [request for request in requests if "refined_prompt" in request.recipe]
        images, engine = {}, self.engine
        started = time.monotonic()
        if switched:
            first = switched[0].recipe
            ks = self._batch or [request.k for request in switched]
            images = engine.refine(first["prompt"], first["refined_prompt"], first["seed"], ks)
        drawn = [
            images[request.k] if "refined_prompt" in request.recipe else engine.generate(request.prompt, request.seed)
            for request in requests
        ]
        self.steps += denoising_steps(requests)
        self.seconds += time.monotonic() - started
        return drawn

    def make(self, wildcards, image_sets: list[str], requests: list[ImageRequest], on_done) -> None:
        """Fulfil the requests of one shard."""
        saving = self.parameters["generation"]
        software = library_versions(SOFTWARE)
        place = Path("results"), wildcards.scenario, wildcards.shard, image_sets
        make_images(*place, requests, saving, self.draw, software, on_done, self.prepare)
        record_step_times(place[0], step_time_key(self.parameters), self.steps, self.seconds)


def denoising_steps(requests: list[ImageRequest]) -> int:
    """Steps that drawing some images of one prompt takes; those that its candidates share count once."""
    switched = [request for request in requests if "refined_prompt" in request.recipe]
    steps = requests[0].recipe["generation"]["steps"]
    ks = switched[0].recipe.get("batch") or [request.k for request in switched] if switched else []
    shared = max((k + 1 for k in ks if k), default=0)
    return steps * (len(requests) - len(switched)) + shared + sum(steps - (k + 1 if k else 0) for k in ks)


def skipped_request(id: str, image_set: str, stage: str, row: dict) -> ImageRequest:
    """The request of an image that cannot be made, because its input row of `stage` is not ok."""
    return ImageRequest(id, image_set, "skipped", f"{stage} {row['status']}: {row['reason']}")
