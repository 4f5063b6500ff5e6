"""Training of all parts of the miniature: their order, one step of a part, and packing beside shipped parts."""

import logging
import shutil
from dataclasses import replace

import numpy as np
import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip
from detailscribe.files.digests import file_sha256
from detailscribe.miniature import WEIGHTS, __main__, shipped, weights_info
from detailscribe.miniature.models import training
from detailscribe.miniature.models.sd3_latents import all_scenes, visible_scene
from detailscribe.miniature.shipped import FROZEN, INITIALISED_FROM, MODULES, TIED, load_part, pack_weights
from detailscribe.miniature.vlm import network
from detailscribe.miniature.world.noise import training_pair
from detailscribe.miniature.world.scenes import random_scene


@pytest.fixture
def weights(tmp_path, monkeypatch):
    """A folder that holds the shipped weights for this test."""
    folder = shutil.copytree(WEIGHTS, tmp_path / "weights")
    for module in (shipped, __main__):
        monkeypatch.setattr(module, "WEIGHTS", folder)
    return folder


def test_every_part_is_trained_after_what_it_starts_from():
    assert sorted(__main__.ORDER) == sorted(MODULES)
    for name, source in INITIALISED_FROM.items():
        assert __main__.ORDER.index(source) < __main__.ORDER.index(name)
        assert hasattr(MODULES[name], "initialise_from")
    assert {*FROZEN} <= {*INITIALISED_FROM} and {*TIED} <= {*MODULES}


@pytest.mark.parametrize("name", MODULES)
def test_a_plan_can_be_divided_into_its_rounds(name):
    plan = MODULES[name].PLAN
    assert plan.steps % plan.rounds == 0 and 0 < plan.falls <= 1
    rates = [training.learning_rate(plan, step) for step in range(0, plan.steps, 50)]
    assert max(rates) <= plan.rate and training.learning_rate(plan, plan.steps - 1) < plan.rate / 50
    assert len({MODULES[each].PLAN.seed for each in MODULES}) == len(MODULES)


def test_every_scene_that_may_be_drawn_has_its_latents():
    rows, rng = {visible_scene(scene) for scene in all_scenes()}, np.random.default_rng(0)
    for held_out in (False, True):
        for _ in range(3000):
            scene = random_scene(rng, held_out)
            drawn, _ = training_pair(scene, rng)
            assert visible_scene(drawn) in rows and visible_scene(scene) in rows


def test_packed_weights_are_loaded_again_in_half_precision(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "WEIGHTS", tmp_path)
    torch.manual_seed(1)
    model = network.build()
    pack_weights({"vlm": model}, tmp_path, {})
    loaded = load_part.__wrapped__("vlm")
    state = model.model.state_dict()
    for name, tensor in loaded.model.state_dict().items():
        assert torch.equal(tensor, state[name].half().float()), name
    assert loaded.model.lm_head.weight is loaded.model.model.language_model.embed_tokens.weight
    assert not loaded.training and not hasattr(loaded.model, "entity_there")


def test_packing_more_than_the_limit_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(shipped, "LIMIT_BYTES", 1000)
    with pytest.raises(ValueError, match="more than the limit of 1,000"):
        pack_weights({"detector": MODULES["detector"].build()}, tmp_path, {})


@pytest.mark.usefixtures("sprites")
def test_one_part_is_trained_and_packed_beside_the_shipped_ones(tmp_path, weights, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(network, "PLAN", replace(network.PLAN, steps=2, rounds=1, batch=4, half=False, average=0.5))
    monkeypatch.setattr(__main__, "weights_info", weights_info_of(weights))
    monkeypatch.setattr(__main__, "HELD_OUT_SCENES", 64)
    before = {path.name: file_sha256(path) for path in weights.glob("*.safetensors")}
    folder = tmp_path / "training"
    trainer = __main__.Trainer(folder, torch.device("cpu"), shipped=True)
    trainer.train("vlm")
    assert [path.name for path in folder.iterdir()] == ["vlm.pt"]
    trainer.pack()
    after = {path.name: file_sha256(path) for path in weights.glob("*.safetensors")}
    assert {name for name in after if before.get(name) != after[name]} == {"vlm.safetensors"}
    info = weights_info_of(weights)()
    assert info["files"] == after and info["plans"]["vlm"]["steps"] == 2
    assert {*info["plans"]} == {*MODULES} and info["trained_at"]["vlm"] == info["commit"]
    assert info["scaling_factor"] == weights_info()["scaling_factor"]
    assert info["plans"]["clip"] == weights_info()["plans"]["clip"]


def weights_info_of(folder):
    """A function that reads the description of the weights in a folder."""
    import json

    return lambda: json.loads((folder / "weights.json").read_text(encoding="utf-8"))
