"""Denoising steps by the configuration are those that engines take, for every refiner, drawn set and reuse of steps."""

import contextlib

import numpy as np
import pytest
import torch
from PIL import Image

from detailscribe.engines.redraw_steps import redraw_steps
from detailscribe.files.digests import digest
from detailscribe.images import generate
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.manifest import verified_images
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.generate import parameters_name, requests_from_text
from detailscribe.methods.refine import refinement_requests
from detailscribe.methods.select import select_images
from detailscribe.study.methods import denoising_steps_by_method, steps_of
from detailscribe.study.study import Study
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.study.configured import CONFIG, configured_study

SHARD, STEPS = "000-of-001", 28
RECORDS = [{"id": id, "topic": id, "prompt": f"A fox {id}."} for id in ("a", "b")]
CRITIC = {**CONFIG["critics"]["detailscribe"], "stop": False}
KONTEXT = {"pipeline": "FluxKontextPipeline", "revision": "", "precision": "fp32", "offload": "none", "compile": "none"}
KONTEXT |= {"batch": "image", "size_px": 32, "max_sequence_length": 32, "call": {}, "notice": ""}
OF_A_MODULE = """ALGORITHM, SETTINGS = 1, {}


def graph(entry):
    return [entry.refinement({entry.name: {}})]


def request(source, image_set, values, recipes):
    return recipes.refined_request(source.id, image_set, source.text, {}, source.image, source.seed)


def draw(engine, request):
    return engine.generate(request.recipe["prompt"], request.recipe["seed"])
"""
SEARCH = {"refiner": "noise_search", "verifier": "clip_score", "neighbours": 1}
TEXT = {"text": "detailscribe"}
METHODS = {
    "critics": {
        "ablation": {"after_step": [0]},
        "round_2": CRITIC | {"after_step": [1, 4], "of": "detailscribe-k1"},
        "last": CRITIC | {"after_step": [0, 1], "of": "search"},  # of moved noise
    },
    "rewriters": {"longer": CONFIG["rewriters"]["gpt_rewrite"] | {"of": "chosen"}},
    "refiners": {
        "switch": {"refiner": "prompt_switch", "after_step": [3, 6], **TEXT},
        "elsewhere": {"refiner": "prompt_switch", "after_step": [3, 6], "image_model": "sd35_medium", **TEXT},
        "again": {"refiner": "prompt_switch", "after_step": [2], "of": "chosen", **TEXT},
        "scratch": {"refiner": "from_scratch", **TEXT},
        "sdedit": {"refiner": "sdedit", "strengths": [0.3, 0.6], **TEXT},
        "search": SEARCH | {"width": 2, "texts": [["gpt_rewrite"]]},
        "search_on": SEARCH | {"of": "search"},
        "best": {"refiner": "best_of", "n": 3, "verifier": "clip_score"},
        "edited": {"refiner": "editor", "image_model": "kontext", **TEXT},
        "mine": {"refiner": "mine.py", **TEXT},
    },
    "external": {"hosted": None, "drawn": {"image_model": "sd35_medium"}},
    "selections": {"chosen": {"among": ["drawn", "initial", "detailscribe-k0"], "by": "clip_score"}},
    "human": {"methods": ["sd"]},
}


class CountingEngine:
    """Counts the steps that an engine takes, and draws noise."""

    def __init__(self):
        self.steps, self.continued = 0, False

    def _image(self, steps: int, *values) -> Image.Image:
        self.steps += steps
        pixels = np.random.default_rng(int(digest([str(each) for each in values])[:8], 16))
        return Image.fromarray(pixels.integers(0, 256, (8, 8, 3), dtype=np.uint8))

    def prepare(self, texts):
        """Nothing to encode."""

    def generate(self, prompt, seed, first_steps=None):
        for k in first_steps.ks if first_steps else ():
            first_steps.keep(k, torch.zeros(1, 1, 1, 1))
        return self._image(STEPS, prompt, seed)

    def generate_near(self, prompt, seed, shifts):
        return self._image(STEPS, prompt, seed, shifts)

    def refine(self, prompt, refined_prompt, seed, ks, first_steps=None, shifts=()):
        known = set(first_steps.latents) if first_steps else set()
        taken = max((k + 1 for k in ks if k and k not in known), default=0)
        self.steps += taken
        if first_steps:
            first_steps.taken, self.continued = taken, True
        own = {k: STEPS - k - 1 if k else STEPS for k in ks}
        return {k: self._image(left, prompt, refined_prompt, seed, k, shifts) for k, left in own.items()}

    def refine_near(self, prompt, refined_prompt, seed, shifts, ks):
        return self.refine(prompt, refined_prompt, seed, ks, shifts=shifts)

    def redraw(self, image, prompt, seed, strengths):
        return {each: self._image(redraw_steps(each, STEPS), prompt, seed, each) for each in strengths}

    def edit(self, image, instruction, seed):
        return self._image(STEPS, instruction, seed)


class Drawn:
    """A study in the working directory, drawn in full, with the steps that each part took."""

    def __init__(self, study: Study):
        self.study, self.values, self.images = study, stage_parameters(study), {}
        self.steps: dict[tuple[str, ...], int] = {}  # by image sets
        self.continued: set[str] = set()  # image sets whose first steps were a batch of their own
        texts = {
            name: {
                record["id"]: {"id": record["id"], "status": "ok", "reason": "", "refined_prompt": f"{name} {record}"}
                for record in RECORDS
            }
            for name in (*study.config["critics"], *study.config["rewriters"])
        }
        for name in [*study.originals(), *study.rewritten, *study.drawn]:
            requests = requests_from_text(RECORDS, texts.get(name), name, self.recipes(parameters_name(name)))
            self.draw(parameters_name(name), study.drawn.get(name, ""), [name], requests)
        for job in study.graph.jobs:
            for each in job.refinements:
                images = self.source(each.of) if study.graph.needs_source(each) else None
                recipes = self.recipes(f"refine-{each.name}")
                requests = refinement_requests(RECORDS, each, texts.get(each.text), images, recipes)
                self.draw(f"refine-{each.name}", job.image_model, list(each.image_sets), requests)

    def recipes(self, name: str) -> ImageRecipes:
        return ImageRecipes(self.values[name])

    def draw(self, name: str, image_model: str, image_sets: list[str], requests: list) -> None:
        """A job of its own."""
        generator = ImageGenerator(self.values[name], self.study.machine_with(image_model))
        generator.engine = generator.editor = engine = CountingEngine()
        generator.software = {}
        generator.generate_shard("s", SHARD, image_sets, requests, lambda: None)
        self.steps[tuple(image_sets)] = engine.steps
        self.continued |= set(image_sets) if engine.continued else set()
        for each in image_sets:
            self.images[each] = verified_images(f"results/s/images/{each}/{SHARD}.jsonl")
            assert all(row["status"] == "ok" for row in self.images[each].values()), each

    def source(self, name: str) -> dict[str, dict]:
        """Rows of an image set or selection; a later candidate is better."""
        if name in self.study.graph.selections:
            selection = self.study.graph.selections[name]
            images = {each: self.source(each) for each in selection.among}
            scores = [
                {"id": record["id"], "image_set": each, "score": number}
                for record in RECORDS
                for number, each in enumerate(selection.among)
            ]
            rows = select_images(scores, images, list(selection.among), selection.by, selection.rank)
            return {row["id"]: row | {"path": f"results/{row['file']}"} for row in rows}
        return self.images[name]


@pytest.mark.parametrize("reuse", [False, True])
@pytest.mark.parametrize("batch", ["candidates", "image"])
def test_steps_by_the_configuration_are_those_that_are_taken(tmp_path, monkeypatch, batch, reuse):
    (tmp_path / "model").mkdir()
    (tmp_path / "mine.py").write_text(OF_A_MODULE)
    monkeypatch.setattr(generate, "processor_name", lambda: "a card")
    counted, count = [], generate.denoising_steps
    monkeypatch.setattr(generate, "denoising_steps", lambda *values: counted.append(count(*values)) or counted[-1])
    path = {"path": str(tmp_path / "model")}
    own = path | {"batch": batch, "reuse_first_steps": reuse}
    models = {"miniature": own, "sd35_medium": path, "kontext": KONTEXT | path}
    with contextlib.chdir(tmp_path):
        study = configured_study(image_models=models, **METHODS)
        drawn = Drawn(study)
    sets = study.steps_by_set
    by_part = {names: len(RECORDS) * steps_of(sets, names, STEPS) for names in drawn.steps}
    assert drawn.steps == by_part and sum(drawn.steps.values()) == sum(counted)
    if batch == "candidates":  # where it decides the bytes, and stands in the key
        assert drawn.continued == {name for name, each in sets.items() if each.get("reuses_steps")}
    steps = denoising_steps_by_method(study)
    assert {"switch", "last", "search", "search_on", "chosen", "mine"} <= set(steps)
    for method in study.methods():
        needed = set(study.needs_of(method).every_image_set)
        if method.name in steps and all(needed.issuperset(names) or not needed & set(names) for names in drawn.steps):
            assert len(RECORDS) * steps[method.name] == sum(
                count for names, count in drawn.steps.items() if needed & set(names)
            )


def test_what_needs_an_imported_image_takes_nobody_knows_how_many_steps(tmp_path):
    changes = {
        "external": {"mine": {"folder": str(tmp_path)}},
        "critics": {"of_mine": CRITIC | {"after_step": [1], "of": "mine"}},
        "selections": {"with_hosted": {"among": ["initial", "hosted"], "by": "clip_score"}},
    }
    study = configured_study(budget={"equal_compute": "steps"}, **changes)
    sets, steps = study.steps_by_set, denoising_steps_by_method(study)
    assert steps_of(sets, ["mine"], STEPS) is None and steps_of(sets, [study.originals()[0]], STEPS) == STEPS
    assert "of_mine" not in steps and steps["with_hosted"] == STEPS
    assert len(study.candidates_of_method("equal_compute_seeds")) == 4, "those at the compute of detailscribe"
