"""Image generator: keys of the image requests, and the calls of the engine."""

import contextlib

import pytest
from PIL import Image

from detailscribe.files.rows import read_rows
from detailscribe.images.generate import ImageGenerator, denoising_steps
from detailscribe.images.recipes import ImageRecipes
from tests.refining import requests_from_critiques
from tests.small_sd3 import share_pipelines

KS = [0, 1, 4]
CRITIQUE = {"a": {"status": "ok", "reason": "", "refined_prompt": "p1"}}
RECORDS = [{"id": "a", "prompt": "p0"}]


class RecordingEngine:
    """Records its calls."""

    def __init__(self):
        self.calls = []

    def prepare(self, texts):
        self.calls.append(("prepare", sorted(texts)))

    def generate(self, prompt, seed):
        self.calls.append(("generate", prompt))
        return Image.new("RGB", (8, 8))

    def refine(self, prompt, refined_prompt, seed, ks):
        self.calls.append(("refine", prompt, refined_prompt, ks))
        return {k: Image.new("RGB", (8, 8), (k, 0, 0)) for k in ks}


def stage_recipes(folder, batch, ks=KS, **model) -> ImageRecipes:
    (folder / "model").mkdir(exist_ok=True)
    entry = {"path": str(folder / "model"), "revision": "", "precision": "fp32", "compile": "none"} | model
    generation = {"steps": 28, "swap_pooled": False}
    stage = {"algorithm": 1, "model": entry, "generation": generation, "seed": 7, "batch": batch}
    return ImageRecipes(stage | {"candidates": {f"mine-k{k}": k for k in ks}})


def keys(recipes: ImageRecipes) -> dict[int, str]:
    return {request.k: request.key for request in requests_from_critiques(RECORDS, CRITIQUE, recipes)}


def recording_generator(recipes: ImageRecipes) -> ImageGenerator:
    generator = ImageGenerator(recipes.parameters, {"offload": "none", "batch": recipes.parameters["batch"]})
    generator.engine = RecordingEngine()
    return generator


def test_a_new_k_changes_the_keys_of_its_batch_and_no_others(tmp_path):
    alone, more = keys(stage_recipes(tmp_path, "image")), keys(stage_recipes(tmp_path, "image", [0, 1, 2, 4]))
    assert alone == {k: key for k, key in more.items() if k != 2}
    together, more = (
        keys(stage_recipes(tmp_path, "candidates")),
        keys(stage_recipes(tmp_path, "candidates", [0, 1, 2, 4])),
    )
    assert not set(together.values()) & set(more.values())
    assert not set(together.values()) & set(alone.values())
    assert keys(stage_recipes(tmp_path, "candidates", [4, 0, 1])) == together


def test_only_an_unbatched_candidate_has_the_key_of_a_plain_run(tmp_path):
    for batch, same in [("image", True), ("candidates", False)]:
        recipes = stage_recipes(tmp_path, batch)
        assert (recipes.from_noise_request("a", "x", "p1").key == keys(recipes)[0]) is same


@pytest.mark.parametrize("change", [{"compile": "regions"}, {"precision": "bf16"}])
def test_precision_and_compilation_are_in_the_key(tmp_path, change):
    before, after = keys(stage_recipes(tmp_path, "image")), keys(stage_recipes(tmp_path, "image", **change))
    assert not set(before.values()) & set(after.values())


def test_a_batch_runs_in_full_when_one_image_is_missing(tmp_path):
    recipes = stage_recipes(tmp_path, "candidates")
    generator = recording_generator(recipes)
    requests = [request for request in requests_from_critiques(RECORDS, CRITIQUE, recipes) if request.k == 1]
    generator.prepare(requests)
    [image] = generator.render(requests)
    assert image.getpixel((0, 0)) == (1, 0, 0)
    assert generator.engine.calls == [("prepare", ["p0", "p1"]), ("refine", "p0", "p1", KS)]


def test_unbatched_images_run_alone(tmp_path):
    recipes = stage_recipes(tmp_path, "image")
    generator = recording_generator(recipes)
    first, _, last = requests_from_critiques(RECORDS, CRITIQUE, recipes)
    assert len({first.group, last.group}) == 2
    generator.render([last])
    generator.render([first])
    assert generator.engine.calls == [("refine", "p0", "p1", [4]), ("generate", "p1")]


def test_equal_images_of_two_image_sets_are_drawn_once(tmp_path):
    recipes = stage_recipes(tmp_path, "image")
    generator = recording_generator(recipes)
    requests = [recipes.from_noise_request("a", image_set, "p1") for image_set in ("mine-k0", "other")]
    assert len({request.group for request in requests}) == 1
    assert len(generator.render(requests)) == 2
    assert generator.engine.calls == [("generate", "p1")]
    assert generator.speeds.count("step") == 28


def shard(folder, miniature, batch, ids) -> tuple[ImageGenerator, dict[tuple[str, int], bytes]]:
    """Generate a shard of these prompts in a folder; return the generator and the bytes of each image."""
    model = {
        "pipeline": "StableDiffusion3Pipeline",
        "path": str(miniature / "sd3"),
        "revision": "",
        "precision": "fp32",
    }
    model |= {"compile": "none", "size_px": 32, "max_sequence_length": 32, "call": {}}
    generation = {"steps": 6, "guidance": 4.5, "swap_pooled": False, "format": "png"}
    stage = {"algorithm": 1, "model": model, "generation": generation, "seed": 7, "batch": batch}
    recipes = ImageRecipes(stage | {"candidates": {f"mine-k{k}": k for k in KS}})
    generator = ImageGenerator(stage, {"offload": "none", "batch": batch})
    records = [{"id": id, "prompt": f"{id} fox on a branch"} for id in ids]
    refined = {id: {"status": "ok", "reason": "", "refined_prompt": "A fox and a parrot, whole."} for id in ids}
    sets = [f"mine-k{k}" for k in KS]
    folder.mkdir(exist_ok=True)
    with contextlib.chdir(folder):
        requests = requests_from_critiques(records, refined, recipes)
        generator.generate_shard("s", "000-of-001", sets, requests, lambda: None)
    rows = [row for path in sorted(folder.glob("results/s/images/*/*.jsonl")) for row in read_rows(path)]
    return generator, {(row["id"], row["k"]): (folder / "results" / row["file"]).read_bytes() for row in rows}


@pytest.mark.parametrize("batch", ["candidates", "image"])
def test_bytes_do_not_depend_on_the_other_prompts(tmp_path, miniature, batch, monkeypatch):
    share_pipelines(monkeypatch)
    generator, together = shard(tmp_path / "whole", miniature, batch, ["a", "b", "c"])
    # Each distinct text once per job: three prompts, one refined prompt, the empty one.
    assert generator.engine.counts["encoder_calls"] == 3 + 1 + 1
    _, alone = shard(tmp_path / "alone", miniature, batch, ["b"])
    assert alone == {key: image for key, image in together.items() if key[0] == "b"}
    for lost in (tmp_path / "whole").glob("results/s/images/mine-k[14]/*/*.png"):
        if lost.name.startswith(("a", "b")):
            lost.unlink()
    _, again = shard(tmp_path / "whole", miniature, batch, ["b", "d", "a", "c"])
    assert {key: image for key, image in again.items() if key[0] != "d"} == together


def test_equal_candidates_of_two_critics_take_their_steps_once(tmp_path):
    recipes = stage_recipes(tmp_path, "image")
    one, other = [
        [recipes.prompt_switch_request("a", f"{critic}-k{k}", "p0", "p1", k) for k in (1, 4)] for critic in ("x", "y")
    ]
    assert denoising_steps(one) == denoising_steps(one + other) == 5 + (28 - 2) + (28 - 5)
