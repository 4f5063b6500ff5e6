"""Image generation of a job: the engine, loaded once and only if an image is missing, and the denoising steps taken."""

import contextlib
import functools
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from PIL import Image

from detailscribe.engines.acceleration.first_steps import refinement_steps
from detailscribe.engines.engine import Engine, NearNoiseEngine
from detailscribe.engines.machine.hardware import image_software, processor_name
from detailscribe.engines.machine.speeds import LOAD, STEP, TEXT, JobSpeeds, image_speed_key
from detailscribe.errors import SetupError
from detailscribe.images.first_latents import FirstLatents
from detailscribe.images.image_set import ImageRequest, make_images
from detailscribe.images.recipes import shifts_of
from detailscribe.images.seconds import ImageSeconds


class ImageGenerator:
    """Generates the missing images of a shard, of all image sets of a job, with one loaded model.

    Args:
        parameters: Of the stage of any of the job's image sets or critics, which share `model` and `generation`.
        machine: `offload`, which modules of the model leave the GPU while they are idle; `batch`, whether the
            candidates of a prompt are one batch (candidates) or each image is (image); `first_steps`, if refinements
            reuse latents of the image that they refine: its `image_set`, and the `ks` after which they start.
    """

    def __init__(self, parameters: dict, machine: dict):
        self.parameters = parameters
        self.machine = machine
        self.first_latents: FirstLatents | None = None
        self.speeds = JobSpeeds()
        self.image_seconds: ImageSeconds | None = None

    @functools.cached_property
    def engine(self) -> Engine:
        """The image engine. A shard that is up to date never loads it."""
        from detailscribe.engines.load import load_engine

        machine = {**self.machine, "reuse_first_steps": "first_steps" in self.machine}
        with self.speeds.timed(LOAD, self._speed_key()):
            return load_engine(self.parameters["model"] | machine, self.parameters["generation"])

    @functools.cached_property
    def editor(self) -> Any:
        """The same model as an `EditingEngine`, for drawings that edit (`Drawing.edits`)."""
        from detailscribe.engines.load import load_editor

        with self.speeds.timed(LOAD, self._speed_key()):
            return load_editor(self.parameters["model"] | self.machine, self.parameters["generation"])

    @functools.cached_property
    def software(self) -> dict[str, str]:
        """Versions and machine, for the rows of new images."""
        return image_software(self.parameters["model"])

    def _speed_key(self, recipe: dict | None = None) -> dict:
        return image_speed_key(self.parameters, self.machine["offload"], recipe)

    def prepare(self, requests: list[ImageRequest]) -> None:
        """Encode the texts of some prompts before their first image is generated."""
        generated = [request for request in requests if not (request.drawn_by and request.drawn_by.edits)]
        texts = [
            text for request in generated for text in (request.recipe["prompt"], request.prompt) if text is not None
        ]
        if not generated:
            return
        engine, distinct = self.engine, list(dict.fromkeys(texts))
        with self.speeds.timed(TEXT, self._speed_key(), len(distinct)):
            engine.prepare(distinct)

    def render(self, requests: list[ImageRequest]) -> list[Image.Image]:
        """Generate images that are drawn together (`ImageRequest.group`); steps that they share are computed once.

        A batch always runs in full and unrequested images are discarded, because an image's bytes depend on the batch
        composition.
        """
        drawn_by, recipe = requests[0].drawn_by, requests[0].recipe
        engine = self.editor if drawn_by and drawn_by.edits else self.engine
        moves = shifts_of(recipe.get("near_noise", {}))
        # Those of the seed's own noise, if the original prompt's steps are no part of the candidates' batch.
        reuses = not moves and (recipe.get("reuse_first_steps") or not recipe.get("batch"))
        latents = self.first_latents if reuses else None
        started, first_steps = time.monotonic(), None
        if drawn_by:
            drawn = {key: drawn_by.draw(engine, one) for key, one in {each.key: each for each in requests}.items()}
            images, count = [drawn[request.key] for request in requests], len(drawn)
        elif "refined_prompt" in recipe:
            ks = recipe.get("batch") or [request.recipe["k"] for request in requests]
            first_steps = latents.known(requests[0], ks) if latents else None
            options = {"first_steps": first_steps} if first_steps else {}
            text, refined_text = recipe["prompt"], recipe["refined_prompt"]
            if moves:
                refined = _near(engine).refine_near(text, refined_text, recipe["seed"], moves, ks)
            else:
                refined = engine.refine(text, refined_text, recipe["seed"], ks, **options)
            images, count = [refined[request.recipe["k"]] for request in requests], len(set(ks))
        else:
            first_steps = latents.wanted(requests) if latents else None
            options = {"first_steps": first_steps} if first_steps else {}
            if moves:
                image = _near(engine).generate_near(recipe["prompt"], recipe["seed"], moves)
            else:
                image = engine.generate(recipe["prompt"], recipe["seed"], **options)
            images, count = [image] * len(requests), 1
        if latents and first_steps:
            latents.save(requests[0], first_steps)
        steps = denoising_steps(requests, first_steps.taken if first_steps else None)
        seconds = time.monotonic() - started
        first = self.speeds.add(STEP, self._speed_key(recipe), steps, seconds)
        if self.image_seconds:
            self.image_seconds.add(requests, count, steps, seconds, first)
        return images

    def generate_shard(
        self,
        scenario: str,
        shard: str,
        image_sets: list[str],
        requests: list[ImageRequest],
        on_done: Callable[[], object],
    ) -> None:
        """Generate the missing images of one shard, write its manifests and record the speeds."""
        results = Path("results")
        self.image_seconds = ImageSeconds(results / scenario, shard, processor_name)
        if "first_steps" in self.machine:
            first_steps = self.machine["first_steps"]
            self.first_latents = FirstLatents(results / scenario, **first_steps, made_by=lambda: self.software)
        try:
            make_images(
                results,
                scenario,
                shard,
                image_sets,
                requests,
                self.parameters["generation"],
                self.render,
                lambda: self.software,
                on_done,
                self.prepare,
            )
        finally:  # also of a job that stops half-way; a lost GPU, which cannot tell its name, has been told already
            with contextlib.suppress(RuntimeError):
                self.speeds.record(results, processor_name)


def _near(engine: Any) -> NearNoiseEngine:
    """The engine, if it can draw from moved noise.

    Raises:
        SetupError: it cannot.
    """
    if not hasattr(engine, "generate_near"):
        raise SetupError("this image model cannot start from moved noise here; choose a Stable Diffusion 3 model")
    return engine


def denoising_steps(requests: list[ImageRequest], first_steps: int | None = None) -> int:
    """Denoising steps of some images of one prompt; steps that its candidates share, and equal images, count once.

    Args:
        first_steps: How many of the original prompt's steps are computed, if not all that the candidates share.
    """
    others = {request.key: request for request in requests if request.drawn_by}.values()
    count = sum(request.drawn_by.steps(request) for request in others if request.drawn_by)
    own = [request for request in requests if not request.drawn_by]
    if not own:
        return count
    candidates = [request for request in own if "refined_prompt" in request.recipe]
    alone = {request.key for request in own if "refined_prompt" not in request.recipe}
    steps = own[0].recipe["generation"]["steps"]
    ks = candidates[0].recipe.get("batch") or [request.k for request in candidates] if candidates else []
    return count + steps * len(alone) + (refinement_steps(ks, steps, first_steps) if candidates else 0)
