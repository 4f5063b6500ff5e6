"""Editor: its instruction, and a tiny random FLUX.1 Kontext that edits images through the image generator."""

import json
import re
from dataclasses import replace

import PIL.Image
import pytest
import yaml

from detailscribe.engines import torch_setup  # noqa: F401 - before diffusers
from detailscribe.files.rows import read_rows
from detailscribe.images.generate import ImageGenerator
from detailscribe.images.manifest import verified_images
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.refine import refinement_requests
from detailscribe.methods.refiners import editor
from detailscribe.study.refinements import Refinement
from tests.paths import REPOSITORY
from tests.small_sd3 import entry
from tests.tiny_pipelines import editing
from tests.unit.study.configured import configured_study

SIZE_PX = 32


@pytest.mark.parametrize(
    ("template", "instruction"),
    [
        ("{text}", "A red fox with {one} bushy tail."),
        ("Make {{it}} show: {text} Not: {base_prompt} ({prompt})", "Make {it} show: %s Not: A red fox. (A fox.)"),
        ("Sharpen it.", "Sharpen it."),
    ],
)
def test_the_instruction_is_filled_in_and_decides_the_key(source, recipes, template, instruction):
    request = editor.request(source, "edited", {"instruction": template}, recipes)
    assert request.recipe["instruction"] == instruction.replace("%s", source.text)
    assert (request.prompt, request.seed, str(request.source)) == (source.text, 11, source.image["path"])
    changed = replace(source, image=source.image | {"sha256": "2" * 64})
    assert editor.request(changed, "edited", {"instruction": template}, recipes).key != request.key
    assert editor.request(source, "edited", {"instruction": "Other."}, recipes).key != request.key


def test_a_job_edits_the_images_of_a_shard(tmp_path, monkeypatch, source):
    name = "FluxKontextPipeline"
    editing.build(name).save_pretrained(tmp_path / "kontext")
    changes = {"batch": "image", "size_px": SIZE_PX, "max_sequence_length": 32, "call": editing.CALLS[name]}
    model = entry(tmp_path / "kontext", pipeline=name, **changes)
    generation = {"steps": 2, "guidance": 3.5, "swap_pooled": False, "format": "png"}
    parameters = {"algorithm": 1, "model": model, "generation": generation, "seed": 7}
    recipes = ImageRecipes(parameters | {"refiner": {"name": "editor", "algorithm": 1}})
    refinement = Refinement("edited", "editor", "initial", {"edited": {}}, "critic", {"instruction": "{text}"})
    monkeypatch.chdir(tmp_path)
    image = source.image | {"status": "ok", "reason": "", "prompt": "A fox.", "seed": 11}
    records = [{"id": id, "prompt": "A fox."} for id in ("a", "b", "c")]
    texts = {id: {"status": "ok", "reason": "", "refined_prompt": f"A {id} fox."} for id in ("a", "b")}
    texts["c"] = {"status": "refused", "reason": "no", "refined_prompt": None}
    requests = refinement_requests(records, refinement, texts, dict.fromkeys("abc", image), recipes)

    def job() -> ImageGenerator:
        generator = ImageGenerator(recipes.parameters, {"offload": "none", "batch": "image"})
        generator.generate_shard("mine", "000-of-001", ["edited"], requests, lambda: None)
        return generator

    first = job()
    assert "engine" not in vars(first) and first.speeds.count("step") == 4
    manifest = tmp_path / "results" / "mine" / "images" / "edited" / "000-of-001.jsonl"
    rows = {row["id"]: row for row in read_rows(manifest)}
    assert {id: row["status"] for id, row in rows.items()} == {"a": "ok", "b": "ok", "c": "skipped"}
    made = {id: (tmp_path / "results" / rows[id]["file"]).read_bytes() for id in ("a", "b")}
    assert made["a"] != made["b"]
    with PIL.Image.open(tmp_path / "results" / rows["a"]["file"]) as opened:
        assert opened.size == (SIZE_PX, SIZE_PX)
    (tmp_path / "results" / rows["a"]["file"]).unlink()
    assert "editor" in vars(job())
    assert {id: (tmp_path / "results" / rows[id]["file"]).read_bytes() for id in ("a", "b")} == made
    assert "editor" not in vars(job())
    assert verified_images(manifest)["a"]["sha256"] == rows["a"]["sha256"]
    assert json.loads(manifest.read_text().splitlines()[0])["prompt"] == "A a fox."


@pytest.mark.parametrize("name", ["kontext", "qwen_image_edit"])
def test_the_entries_that_the_study_of_methods_has_as_comments_are_valid(name):
    text = (REPOSITORY / "config" / "methods.yaml").read_text(encoding="utf-8")
    opened = re.sub(r"^( *)# (?=editor:|image_models:| +kontext:| +qwen_image_edit:)", r"\1", text, flags=re.M)
    config = yaml.safe_load(opened)
    config["refiners"]["editor"]["image_model"] = name
    study = configured_study(**config)
    assert study.other_image_models == [name] and study.graph.refinement_of("editor").image_model == name
    assert len(study.methods()) >= 9
