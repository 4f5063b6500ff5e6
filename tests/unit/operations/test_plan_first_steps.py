"""Denoising steps of a plan where refinements reuse the first steps of the initial image."""

from types import SimpleNamespace

import pytest

from detailscribe.files.ledger import Ledger
from detailscribe.images.first_latents import latents_file
from detailscribe.images.generate import denoising_steps
from detailscribe.images.image_file import names_own_image
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.generate import requests_from_text
from detailscribe.operations.plan.image_stages import first_steps_of
from detailscribe.workflow.parameters import stage_parameters
from tests.refining import requests_from_critiques
from tests.unit.study.configured import configured_study

RECORDS = [{"id": "fox-a", "topic": "fox", "prompt": "A fox."}]
CRITIQUES = {"fox-a": {"status": "ok", "reason": "", "refined_prompt": "A fox, whole."}}
SHARD = "000-of-001"


class Plan:
    """A study's plan in a folder."""

    def __init__(self, folder, **model):
        self.results, self.folder = folder / "results", folder / "results" / "demo"
        self.study = configured_study(image_models={"miniature": {"batch": "candidates", **model}})
        self.parameters = stage_parameters(self.study)
        (folder / "resources" / "miniature" / "sd3").mkdir(parents=True)  # the identity of no weights
        initial = ImageRecipes(self.parameters[f"generate-{self.study.seeds[0]}"])
        [self.initial] = requests_from_text(RECORDS, None, self.study.originals()[0], initial)
        self.ledger = self.folder / "ledgers" / "images" / self.study.originals()[0] / f"{SHARD}.jsonl"

    def make_initial_image(self):
        """The file of the initial image, and its row in the ledger."""
        row = {"id": "fox-a", "key": self.initial.key, "sha256": "0" * 64, "status": "ok"}
        row["file"] = f"demo/images/{self.initial.image_set}/{SHARD}/fox-a-{self.initial.key[:16]}.jpg"
        assert names_own_image(row)
        file = self.results / row["file"]
        file.parent.mkdir(parents=True, exist_ok=True)
        file.touch()
        Ledger(self.ledger).add(row)
        return file

    def make_latents(self, *ks):
        for k in ks:
            file = latents_file(self.folder, self.initial, k)
            file.parent.mkdir(exist_ok=True)
            file.touch()

    def steps(self) -> int:
        """Denoising steps of DetailScribe's candidates, all of which are missing."""
        shard = SimpleNamespace(
            estimate=SimpleNamespace(study=self.study, results=self.results),
            folder=self.folder,
            ledger=lambda name: Ledger(self.folder / "ledgers" / name / f"{SHARD}.jsonl"),
        )
        requests = requests_from_critiques(RECORDS, CRITIQUES, ImageRecipes(self.parameters["refine-detailscribe"]))
        return denoising_steps(requests, first_steps_of(shard)(requests))


@pytest.mark.parametrize("batch", ["candidates", "image"])
def test_steps_that_latents_save(tmp_path, monkeypatch, batch):
    monkeypatch.chdir(tmp_path)
    plan = Plan(tmp_path, reuse_first_steps=True, batch=batch)
    assert plan.steps() == 102  # the plan generates the initial image too, with its latents
    image = plan.make_initial_image()
    assert plan.steps() == 107
    plan.make_latents(4)
    assert plan.steps() == 105
    plan.make_latents(1, 2)
    assert plan.steps() == 102
    image.unlink()
    assert plan.steps() == 102


def test_steps_without_the_option(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    plan = Plan(tmp_path)
    assert plan.steps() == 107
    plan.make_initial_image()
    plan.make_latents(1, 2, 4)
    assert plan.steps() == 107
