"""What a diffusion stage asks for: wishes with their recipes, and the engine, loaded at the first missing image."""

import functools
import time
from pathlib import Path

from PIL import Image

from detailscribe.images import Wish, make_images
from detailscribe.records import library_versions
from detailscribe.speeds import note_speed, speed_key
from detailscribe.weights import model_identity

SOFTWARE = ("torch", "diffusers", "transformers")


class Drawing:
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
        from detailscribe.loading import load_engine

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

    def from_noise(self, id: str, image_set: str, prompt: str, k: int | None = None) -> Wish:
        """A full run with one prompt, in a batch of its own."""
        return self._wish(id, image_set, prompt, k, {"prompt": prompt})

    def switched(self, id: str, image_set: str, prompt: str, refined_prompt: str, k: int) -> Wish:
        """A run that starts with the prompt and goes on with the refined one after step k.

        k=0 is a full run with the refined prompt, as released; unless it shares a batch, nothing tells it from one.
        """
        if k == 0 and not self._batch:
            return self.from_noise(id, image_set, refined_prompt, k=0)
        switch = {"k": k, "refined_prompt": refined_prompt, "swap_pooled": self.parameters["generation"]["swap_pooled"]}
        batch = {"batch": self._batch} if self._batch else {}
        return self._wish(id, image_set, refined_prompt, k, {"prompt": prompt} | switch | batch)

    def _wish(self, id: str, image_set: str, text: str, k: int | None, recipe: dict) -> Wish:
        base, seed = self._base, self.parameters["seed"]
        return Wish(id, image_set, prompt=text, seed=seed, k=k, recipe=base | recipe, model=base["model"]["identity"])

    def prepare(self, wishes: list[Wish]) -> None:
        """Encode the texts of some prompts before the first of their images is drawn."""
        texts = {text: None for wish in wishes for text in (wish.recipe["prompt"], wish.prompt)}
        self.engine.prepare(list(texts))

    def draw(self, wishes: list[Wish]) -> list[Image.Image]:
        """Draw some images of one prompt; what they have in common is computed once.

        A batch always runs whole, and what was not asked for is thrown away: the bytes hang on who is in it.
        """
        switched = [wish for wish in wishes if "refined_prompt" in wish.recipe]
        images, engine = {}, self.engine
        started = time.monotonic()
        if switched:
            first = switched[0].recipe
            ks = self._batch or [wish.k for wish in switched]
            images = engine.refine(first["prompt"], first["refined_prompt"], first["seed"], ks)
        drawn = [
            images[wish.k] if "refined_prompt" in wish.recipe else engine.generate(wish.prompt, wish.seed)
            for wish in wishes
        ]
        self.steps += denoising_steps(wishes)
        self.seconds += time.monotonic() - started
        return drawn

    def make(self, wildcards, image_sets: list[str], wishes: list[Wish], on_done) -> None:
        """Fulfil the wishes of one shard."""
        saving = self.parameters["generation"]
        software = library_versions(SOFTWARE)
        place = Path("results"), wildcards.scenario, wildcards.shard, image_sets
        make_images(*place, wishes, saving, self.draw, software, on_done, self.prepare)
        note_speed(place[0], speed_key(self.parameters), self.steps, self.seconds)


def denoising_steps(wishes: list[Wish]) -> int:
    """Steps that drawing some images of one prompt takes; those that its candidates share count once."""
    switched = [wish for wish in wishes if "refined_prompt" in wish.recipe]
    steps = wishes[0].recipe["generation"]["steps"]
    ks = switched[0].recipe.get("batch") or [wish.k for wish in switched] if switched else []
    shared = max((k + 1 for k in ks if k), default=0)
    return steps * (len(wishes) - len(switched)) + shared + sum(steps - (k + 1 if k else 0) for k in ks)


def wishes_from_text(
    records: list[dict], texts: dict[str, dict] | None, image_set: str, drawing: Drawing
) -> list[Wish]:
    """One image a prompt, from the prompt itself or from the text that a rewriter made of it."""
    if texts is None:
        return [drawing.from_noise(record["id"], image_set, record["prompt"]) for record in records]
    return [
        drawing.from_noise(id, image_set, texts[id]["refined_prompt"])
        if texts[id]["status"] == "ok"
        else _skipped(id, image_set, "rewrite", texts[id])
        for id in (record["id"] for record in records)
    ]


def wishes_from_critiques(records: list[dict], critiques: dict[str, dict], drawing: Drawing) -> list[Wish]:
    """One image a prompt and candidate."""
    wishes = []
    for record in records:
        id, critique = record["id"], critiques[record["id"]]
        for image_set, k in drawing.parameters["candidates"].items():
            if critique["status"] != "ok":
                wishes.append(_skipped(id, image_set, "critique", critique))
            elif k is None:
                wishes.append(drawing.from_noise(id, image_set, critique["refined_prompt"]))
            else:
                wishes.append(drawing.switched(id, image_set, record["prompt"], critique["refined_prompt"], k))
    return wishes


def _skipped(id: str, image_set: str, stage: str, row: dict) -> Wish:
    return Wish(id, image_set, "skipped", f"{stage} {row['status']}: {row['reason']}")
