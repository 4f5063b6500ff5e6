"""Latents of first steps on disk: used if intact, otherwise computed again to the same bytes."""

import contextlib
import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from detailscribe.files.digests import canonical_json
from detailscribe.files.rows import read_rows
from detailscribe.images.generate import ImageGenerator, denoising_steps
from detailscribe.images.recipes import ImageRecipes
from detailscribe.methods.generate import requests_from_text
from tests.refining import requests_from_critiques
from tests.small_sd3 import entry, share_pipelines

KS = [0, 1, 2, 4]
RECORDS = [{"id": id, "prompt": f"{id} fox on a branch"} for id in ("a", "b")]
CRITIQUES = {id: {"status": "ok", "reason": "", "refined_prompt": "A fox and a parrot, whole."} for id in ("a", "b")}
SETS = {f"mine-k{k}": k for k in KS}


@pytest.fixture(autouse=True)
def shared_pipelines(monkeypatch):
    share_pipelines(monkeypatch)


class SmallStudy:
    """The generate and the refine stage of two prompts, in a folder."""

    def __init__(self, folder, miniature, batch="candidates", precision="fp32", reuse=True, steps=28):
        self.folder = folder
        folder.mkdir(exist_ok=True)
        model = entry(miniature / "sd3", precision=precision, size_px=32, max_sequence_length=32)
        self.machine = {"offload": model.pop("offload"), "batch": batch}
        del model["batch"]
        if reuse:
            self.machine["first_steps"] = {"image_set": "original-7", "ks": KS[1:]}
        generation = {"steps": steps, "guidance": 4.5, "swap_pooled": False, "format": "png"}
        self.first = {"algorithm": 1, "model": model, "generation": generation, "seed": 7}
        self.refined = self.first | {"candidates": SETS, "batch": batch}
        if reuse and batch == "candidates":
            self.refined["reuse_first_steps"] = True

    def run(self, stage) -> ImageGenerator:
        parameters = {"generate": self.first, "refine": self.refined}[stage]
        recipes, generator = ImageRecipes(parameters), ImageGenerator(parameters, self.machine)
        if stage == "generate":
            requests = requests_from_text(RECORDS, None, "original-7", recipes)
        else:
            requests = requests_from_critiques(RECORDS, CRITIQUES, recipes)
        sets = ["original-7"] if stage == "generate" else list(SETS)
        with contextlib.chdir(self.folder):
            generator.generate_shard("s", "000-of-001", sets, requests, lambda: None)
        return generator

    def latents(self) -> dict:
        return {file.name: file for file in sorted(self.folder.glob("results/s/latents/*"))}

    def candidates(self) -> dict[tuple[str, int], bytes]:
        rows = [row for path in self.folder.glob("results/s/images/mine-*/*.jsonl") for row in read_rows(path)]
        return {(row["id"], row["k"]): (self.folder / "results" / row["file"]).read_bytes() for row in rows}

    def refine_again(self) -> ImageGenerator:
        for image in self.folder.glob("results/s/images/mine-*/*/*.png"):
            image.unlink()
        return self.run("refine")


def damage(how, file):
    if how == "missing":
        file.unlink()
    elif how == "cut":
        file.write_bytes(file.read_bytes()[:-8])
    elif how == "empty":
        file.write_bytes(b"")
    elif how == "one bit":
        data = bytearray(file.read_bytes())
        data[-1] ^= 1
        file.write_bytes(data)
    else:
        from safetensors import safe_open

        with safe_open(file, framework="pt") as opened:
            metadata, tensors = opened.metadata(), load_file(file)
        if how == "another tensor":
            tensors = {"latents": tensors["latents"] + 1}
        elif how == "another name":
            tensors = {"other": tensors["latents"]}
        origin = json.loads(metadata["origin"])
        if how == "another key":
            origin["key"] = "0" * 64
        elif how == "another machine":
            origin["made_by"]["gpu"] = "another"
        tensors = {name: tensor.clone() for name, tensor in tensors.items()}
        save_file(tensors, file, {"origin": canonical_json(origin)})


DAMAGES = [
    *("missing", "cut", "empty", "one bit"),
    *("another tensor", "another name", "another key", "another machine"),
]


@pytest.mark.slow
@pytest.mark.parametrize("batch", ["candidates", "image"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_same_bytes_with_and_without_files(tmp_path, miniature, batch, precision):
    study = SmallStudy(tmp_path / "with", miniature, batch, precision)
    first = study.run("generate")
    assert len(study.latents()) == 2 * 3
    assert first.engine.counts["transformer_rows"] == 2 * 2 * 28
    refined = study.run("refine")
    assert refined.engine.counts["transformer_rows"] == 2 * 2 * 102
    assert refined.speeds.count("step") == 2 * 102
    images, intact = study.candidates(), {name: file.read_bytes() for name, file in study.latents().items()}
    assert len(images) == 8

    other = SmallStudy(tmp_path / "without", miniature, batch, precision)
    computed = other.run("refine")
    assert computed.engine.counts["transformer_rows"] == 2 * 2 * 107
    assert computed.speeds.count("step") == 2 * 107
    assert other.candidates() == images
    assert {name: file.read_bytes() for name, file in other.latents().items()} == intact


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "precision"), [("candidates", "fp32"), ("image", "bf16")])
def test_damaged_files(tmp_path, miniature, batch, precision):
    study = SmallStudy(tmp_path, miniature, batch, precision, steps=8)
    study.run("generate")
    study.run("refine")
    images, intact = study.candidates(), {name: file.read_bytes() for name, file in study.latents().items()}
    for how in DAMAGES:
        damaged = [file for name, file in study.latents().items() if name.startswith("a-")][1]  # k2: three steps
        damage(how, damaged)
        steps = 2 * (8 + 6 + 5 + 3) + 3
        assert study.refine_again().engine.counts["transformer_rows"] == 2 * steps, how
        assert study.candidates() == images, how
        assert {name: file.read_bytes() for name, file in study.latents().items()} == intact, how


@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_unbatched_candidates_are_those_of_a_study_without_reuse(tmp_path, miniature, precision):
    reusing = SmallStudy(tmp_path / "reusing", miniature, "image", precision, steps=8)
    plain = SmallStudy(tmp_path / "plain", miniature, "image", precision, reuse=False, steps=8)
    for study in (reusing, plain):
        study.run("generate")
        study.run("refine")
    assert reusing.candidates() == plain.candidates()
    assert not plain.latents()
    for image_set in ["original-7", *SETS]:  # also in name and key, so that the option can be set at any time
        one, other = (
            read_rows(study.folder / f"results/s/images/{image_set}/000-of-001.jsonl") for study in (reusing, plain)
        )
        assert one == other


def test_batched_candidates_have_keys_of_their_own(tmp_path, miniature):
    keys = [
        {request.key for request in requests_from_critiques(RECORDS, CRITIQUES, ImageRecipes(study.refined))}
        for study in (SmallStudy(tmp_path, miniature), SmallStudy(tmp_path, miniature, reuse=False))
    ]
    assert len(keys[0] | keys[1]) == 16


def test_an_image_that_was_there_before_the_option(tmp_path, miniature):
    SmallStudy(tmp_path, miniature, reuse=False, steps=8).run("generate")
    study = SmallStudy(tmp_path, miniature, steps=8)
    assert study.run("generate").speeds.count("step") == 0
    assert not study.latents()
    study.run("refine")
    assert len(study.latents()) == 6
    assert study.refine_again().engine.counts["transformer_rows"] == 2 * 2 * (8 + 6 + 5 + 3)


@pytest.mark.parametrize("where", ["file", "folder"])
def test_latents_that_cannot_be_written_cost_the_reuse_alone(tmp_path, miniature, where):
    study = SmallStudy(tmp_path, miniature, steps=8)
    study.run("generate")
    study.run("refine")
    images, file = study.candidates(), next(iter(study.latents().values()))
    if where == "file":
        file.unlink()
        file.mkdir()
    else:
        shutil.rmtree(file.parent)
        file.parent.touch()
    assert study.refine_again().engine.counts["transformer_rows"] > 2 * 2 * (8 + 6 + 5 + 3)
    assert study.candidates() == images


def test_latents_are_small_and_exact(tmp_path, miniature):
    study = SmallStudy(tmp_path, miniature, precision="bf16", steps=8)
    study.run("generate")
    for file in study.latents().values():
        latents = load_file(file)["latents"]
        assert (latents.dtype, tuple(latents.shape)) == (torch.bfloat16, (1, 16, 4, 4))
        assert file.stat().st_size < 2 * 16 * 4 * 4 + 4000


def test_steps_of_some_candidates():
    recipe = {"generation": {"steps": 28}, "prompt": "p0", "refined_prompt": "p1"}

    class Request:
        def __init__(self, k):
            self.k, self.recipe, self.drawn_by = k, recipe | {"k": k}, None

    some = [Request(k) for k in KS]
    assert denoising_steps(some) == 107
    assert denoising_steps(some, 0) == 102
    assert denoising_steps(some, 3) == 105
