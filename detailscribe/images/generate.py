"""Image generation of a stage: image requests with their recipes, and the engine, loaded at the first missing image."""

import functools
import time
from collections.abc import Callable
from pathlib import Path

from PIL import Image

from detailscribe.engines.engine import Engine
from detailscribe.engines.step_times import record_step_times, step_time_key
from detailscribe.engines.versions import library_versions
from detailscribe.engines.weights import model_identity
from detailscribe.images.image_set import ImageRequest, make_images

SOFTWARE = ("torch", "diffusers", "transformers")


class ImageGenerator:
    """Makes the image requests of a generate or refine stage, and the images.

    Args:
        parameters: `algorithm`, `model`, `generation`, `seed` and, for a refinement, `candidates` {image set: k} and
            `batch` (candidates or image).
        offload: Which modules of the model leave the GPU while they are idle; changes no image.
    """

    def __init__(self, parameters: dict, offload: str):
        self.parameters = parameters
        self.offload = offload
        self.steps, self.seconds = 0, 0.0  # of the images generated so far, without loading the model

    @functools.cached_property
    def engine(self) -> Engine:
        """The image engine. A shard that is up to date never loads it."""
        from detailscribe.engines.load import load_engine

        machine = {"offload": self.offload, "batch": self.parameters.get("batch", "image")}
        return load_engine(self.parameters["model"] | machine, self.parameters["generation"])

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
        batch = {"batch": self._batch_ks} if self._batch_ks else {}
        return self._request(id, image_set, refined_prompt, k, {"prompt": prompt} | switch | batch)

    def _request(self, id: str, image_set: str, text: str, k: int | None, recipe: dict) -> ImageRequest:
        base, seed = self._base_recipe, self.parameters["seed"]
        return ImageRequest(
            id, image_set, prompt=text, seed=seed, k=k, recipe=base | recipe, model=base["model"]["identity"]
        )

    def prepare(self, requests: list[ImageRequest]) -> None:
        """Encode the texts of some prompts before their first image is generated."""
        texts = [
            text for request in requests for text in (request.recipe["prompt"], request.prompt) if text is not None
        ]
        self.engine.prepare(list(dict.fromkeys(texts)))

    def render(self, requests: list[ImageRequest]) -> list[Image.Image]:
        """Generate some images of one prompt; steps that they share are computed once.

        A batch always runs in full and unrequested images are discarded, because an image's bytes depend on the batch
        composition.
        """
        candidates = [request for request in requests if "refined_prompt" in request.recipe]
        refined: dict[int, Image.Image] = {}
        engine = self.engine
        started = time.monotonic()
        if candidates:
            recipe = candidates[0].recipe
            ks = self._batch_ks or [request.recipe["k"] for request in candidates]
            refined = engine.refine(recipe["prompt"], recipe["refined_prompt"], recipe["seed"], ks)
        images = [
            refined[request.recipe["k"]]
            if "refined_prompt" in request.recipe
            else engine.generate(request.recipe["prompt"], request.recipe["seed"])
            for request in requests
        ]
        self.steps += denoising_steps(requests)
        self.seconds += time.monotonic() - started
        return images

    def generate_shard(
        self,
        scenario: str,
        shard: str,
        image_sets: list[str],
        requests: list[ImageRequest],
        on_done: Callable[[], object],
    ) -> None:
        """Generate the missing images of one shard, write its manifests and record the step times."""
        results = Path("results")
        make_images(
            results,
            scenario,
            shard,
            image_sets,
            requests,
            self.parameters["generation"],
            self.render,
            library_versions(SOFTWARE),
            on_done,
            self.prepare,
        )
        record_step_times(results, step_time_key(self.parameters), self.steps, self.seconds)


def denoising_steps(requests: list[ImageRequest]) -> int:
    """Denoising steps of some images of one prompt; steps that its candidates share count once."""
    candidates = [request for request in requests if "refined_prompt" in request.recipe]
    steps = requests[0].recipe["generation"]["steps"]
    ks = candidates[0].recipe.get("batch") or [request.k for request in candidates] if candidates else []
    shared = max((k + 1 for k in ks if k), default=0)
    return steps * (len(requests) - len(candidates)) + shared + sum(steps - (k + 1 if k else 0) for k in ks)


def skipped_request(id: str, image_set: str, stage: str, row: dict) -> ImageRequest:
    """The request of an image that cannot be made, because its input row of `stage` is not ok."""
    return ImageRequest(id, image_set, "skipped", f"{stage} {row['status']}: {row['reason']}")
