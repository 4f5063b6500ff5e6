"""The miniature: its shipped weights are those told of, and what is built of them loads as the real models do."""

import hashlib
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip
from detailscribe.engines.load import load_engine
from detailscribe.files.digests import file_sha256
from detailscribe.miniature import WEIGHTS, about, assembly, clip, detector, judge, sd3, training, vqa, world


def contents(folder: Path) -> dict[str, str]:
    files = [file for file in folder.rglob("*") if file.is_file()]
    return {str(file.relative_to(folder)): hashlib.sha256(file.read_bytes()).hexdigest() for file in files}


@pytest.fixture
def engine(miniature):
    model = {
        "pipeline": "StableDiffusion3Pipeline",
        "path": str(miniature / "sd3"),
        "revision": "",
        "precision": "fp32",
        "offload": "none",
        "size_px": 96,
        "max_sequence_length": 32,
        "compile": "none",
        "batch": "image",
        "call": {},
    }
    return load_engine(model, {"steps": 28, "guidance": 4.5, "swap_pooled": False})


def test_the_shipped_weights_are_those_told_of():
    told = about()
    assert told["files"] == {path.name: file_sha256(path) for path in sorted(WEIGHTS.glob("*.safetensors"))}
    assert told["bytes"] == sum(path.stat().st_size for path in WEIGHTS.glob("*.safetensors")) <= 16_000_000
    assert len(told["commit"]) == 40
    assert told["autoencoder"]["psnr_db"] >= 30
    assert told["autoencoder"]["entities_found"] >= 0.97


def test_another_process_builds_the_same_bytes(miniature, tmp_path):
    code = "import sys, pathlib; from detailscribe.miniature.assembly import build; build(pathlib.Path(sys.argv[1]))"
    # Hash order and the number of threads are what changes between processes and machines.
    different = os.environ | {"PYTHONHASHSEED": "7", "RAYON_NUM_THREADS": "1", "OMP_NUM_THREADS": "2"}
    again = tmp_path / "deeper" / "again"
    subprocess.run([sys.executable, "-c", code, again], check=True, cwd=WEIGHTS.parents[2], env=different)
    assert contents(again) == contents(miniature)
    assert [path.name for path in again.parent.iterdir()] == ["again"]


def test_building_leaves_other_random_numbers_alone_and_replaces_a_folder(tmp_path):
    folder = tmp_path / "miniature"
    folder.mkdir()
    (folder / "old").write_text("")
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    assembly.build(folder)
    assert torch.equal(torch.rand(1), expected)
    assert sorted(path.name for path in folder.iterdir()) == ["blip_vqa", "clip", "image_reward", "sd3"]


def test_a_build_that_fails_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setattr(assembly, "_write_clip", lambda folder: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        assembly.build(tmp_path / "miniature")
    assert list(tmp_path.iterdir()) == []


def test_weights_of_other_code_are_refused(tmp_path, monkeypatch):
    from safetensors.torch import save_file

    save_file({"other": torch.zeros(1)}, tmp_path / "reward.safetensors")
    monkeypatch.setattr(assembly, "WEIGHTS", tmp_path)
    with pytest.raises(ValueError, match="not of this code"):
        assembly.trained.__wrapped__("reward")


FULL_PROMPTS = [
    "A fox holding a balloon on the beach. There is a fox on the left. There is a balloon on the right.",
    "A circle of stars around a dog on the beach. There is a dog in the middle. There are stars all around.",
    "A row of cakes under a monkey at night. There is a monkey at the top. There are cakes at the bottom.",
    "A dog facing a frog on the grass. There is a dog on the left. There is a frog on the right.",
]


def test_pictures_show_what_a_full_prompt_says(engine):
    seen = []
    for prompt in FULL_PROMPTS:
        images = [engine.generate(prompt, seed) for seed in range(3)]
        seen += [all(judge.holds(world.parse(prompt), found)) for found in judge.look(images)]
    assert sum(seen) >= 9, seen


def test_pictures_follow_the_seed_and_any_text_gives_one(engine):
    first, other = (np.asarray(engine.generate(FULL_PROMPTS[0], seed), float) for seed in (1, 2))
    assert np.abs(first - other).mean() > 2
    assert engine.generate("Quizzical zebras, 42: ¿qué?", 1).size == (96, 96)


def test_any_text_can_be_read(engine):
    tokenizers = [engine.pipe.tokenizer, engine.pipe.tokenizer_2, engine.pipe.tokenizer_3]
    for tokenizer in tokenizers:
        ids = tokenizer("Quizzical zebras, 42 of them: ¿qué?").input_ids
        assert len(ids) > 10
        assert max(ids) < len(tokenizer)
        assert tokenizer.decode(tokenizer("a beaver").input_ids, skip_special_tokens=True).strip() == "a beaver"
    assert [tokenizer.pad_token for tokenizer in tokenizers] == ["<|endoftext|>", "!", "<pad>"]


def test_the_pipeline_reads_what_was_trained(engine):
    """The pipeline's text, over CLIP's whole vocabulary, is the trained one's over the small vocabulary."""
    text = "A circle of apples around a pig at night. There are apples all around."
    read, _, pooled, _ = engine.pipe.encode_prompt(text, None, None, max_sequence_length=sd3.T5_TOKENS)
    drawer = assembly.trained("sd3")
    ids = sd3.tokens([text])
    with torch.no_grad():
        first = drawer.first(ids[0], output_hidden_states=True)
        second = drawer.second(ids[1], output_hidden_states=True)
        third = drawer.third(ids[2]).last_hidden_state
    assert torch.allclose(pooled, torch.cat([first.text_embeds, second.text_embeds], -1), atol=1e-5)
    expected = torch.cat([torch.cat([first.hidden_states[-2], second.hidden_states[-2]], -1), third], 1)
    assert torch.allclose(read, expected, atol=1e-4)


def test_the_widened_clip_agrees_with_the_trained_one():
    import open_clip

    wide = open_clip.CLIP(**clip.CONFIG).eval()
    wide.load_state_dict(clip.normalising(clip.full(assembly.trained("clip"))))
    texts = ["A photo depicts A cat holding a guitar.", "There are apples at the top."]
    images = torch.rand(2, 3, 96, 96) * 2 - 1
    with torch.no_grad():
        seen = assembly.trained("clip").encode_image(images)
        assert torch.allclose(seen, wide.encode_image(training.normalised(images)), atol=1e-4)
        said = assembly.trained("clip").encode_text(clip.small_ids(texts))
        assert torch.allclose(said, wide.encode_text(clip.tokenizer()(texts)), atol=1e-4)


def test_questions_are_read_as_berts_tokenizer_reads_them():
    text = "a guitar on the right?"
    assert list(vqa.ids(text, 12))[:8] == vqa.tokenizer()(text).input_ids


def test_patches_show_what_lies_over_their_centres():
    there = vqa.covered([("cat", 24, 24, 48), ("guitar", 80, 8, 24)]).reshape(6, 6, -1)
    cat, guitar = (world.ENTITIES.index(entity) for entity in ("cat", "guitar"))
    assert there[:3, :3, cat].all()
    assert there[0, 4:, guitar].all()
    assert there.sum() == 9 + 2


def test_blip_begins_with_what_clip_sees():
    """Its patches, before the first layer, are CLIP's there up to the spread that CLIP takes out of each."""
    model, seeing = vqa.build(), assembly.trained("clip").visual
    vqa.begin(model, assembly.trained("clip"))
    images = training.pixels([(255 * world.background(name)).astype(np.uint8) for name in world.BACKGROUNDS], "cpu")
    with torch.no_grad():
        patches = seeing.conv1(images).flatten(2).transpose(1, 2) + seeing.positional_embedding[1:]
        expected = seeing.ln_pre(patches)
        found = model.model.vision_model.embeddings(training.normalised(images))[:, 1:]
    assert torch.nn.functional.cosine_similarity(found, expected, dim=-1).min() > 0.99
    first = model.model.vision_model.encoder.layers[0].mlp.fc1.weight
    assert torch.equal(first, seeing.transformer.resblocks[0].mlp.c_fc.weight)


def test_image_reward_sees_with_blips_eyes():
    ours, theirs = assembly.trained("reward").model["vision"], assembly.trained("vqa").model.vision_model
    for name, tensor in theirs.state_dict().items():
        assert torch.equal(ours.state_dict()[name], tensor)


def test_the_judges_numpy_is_its_training_network():
    torch.manual_seed(0)
    network = detector.build().train()
    images = torch.rand(4, 3, 96, 96) * 2 - 1
    network(images)  # moves the running means away from where they begin
    network.eval()
    raw = np.random.default_rng(0).integers(0, 256, (2, 96, 96, 3), np.uint8)
    with torch.no_grad():
        expected = network(training.pixels(list(raw), torch.device("cpu"))).numpy()
    weights = {name: tensor.numpy() for name, tensor in detector.folded(network).items()}
    assert np.allclose(judge.logits(weights, raw), expected, atol=1e-4)


def test_the_judge_finds_the_things_of_a_scene(sprites):
    rng = np.random.default_rng(5)
    scenes = [world.random_scene(rng, held=True) for _ in range(40)]
    found = judge.look([world.draw(scene, sprites) for scene in scenes])
    assert sum(all(judge.holds(scene, each)) for scene, each in zip(scenes, found, strict=True)) >= 38
    empty = judge.look([world.draw(replace(scene, shown=(False, False)), sprites) for scene in scenes])
    assert sum(map(len, empty)) <= 2


def test_training_goes_on_where_it_stopped(tmp_path, monkeypatch):
    monkeypatch.setattr(training.shutil, "which", lambda name: None)  # without a compiler, which takes its time
    monkeypatch.setattr(training, "CHECKPOINT_S", 0)

    class Loss:
        def __call__(self, model, rng, batch):
            return ((model(torch.from_numpy(rng.normal(size=(batch, 3))).float()) - 1) ** 2).mean()

    def run(folder, *stops, steps=12, rounds=2):
        plan = training.Plan(steps=steps, rounds=rounds, batch=4, rate=0.1, warm_up=2, falls=0.25, average=0.9)
        for stop in (*stops, None):
            torch.manual_seed(1)
            model = torch.nn.Linear(3, 1)
            try:
                kept = training.train("x", model, Stopping(stop), plan, folder, torch.device("cpu"))
            except KeyboardInterrupt:
                continue
        return kept.weight

    class Stopping(Loss):
        def __init__(self, stop):
            self.left = stop

        def __call__(self, model, rng, batch):
            if self.left is not None:
                self.left -= 1
                if self.left < 0:
                    raise KeyboardInterrupt
            return super().__call__(model, rng, batch)

    whole = run(tmp_path / "a")
    assert torch.equal(run(tmp_path / "b", 5, 3), whole)
    assert not torch.equal(run(tmp_path / "c", steps=6, rounds=1), whole)
    assert torch.equal(run(tmp_path / "c"), whole)


def test_a_longer_plan_begins_as_a_shorter_one():
    short, long = (training.Plan(steps=steps, batch=1, rate=1.0, falls=0.5) for steps in (400, 800))
    assert [training.rate(short, step) for step in range(200)] == [training.rate(long, step) for step in range(200)]
    assert training.rate(short, 399) == pytest.approx(1 / 200)
