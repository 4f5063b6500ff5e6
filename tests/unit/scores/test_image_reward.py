"""ImageReward against a second implementation from its definition, and against its authors' package."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import yaml

from detailscribe.errors import SetupError
from detailscribe.miniature.models import blip as random_blip
from detailscribe.scores import image_reward
from tests.blip_by_definition import image_reward as by_definition
from tests.paths import REPOSITORY
from tests.sample_images import smooth_image

PROMPTS = [
    "a fox and a parrot on a branch",
    "A circle of sunflowers, with a rose!",
    "",
    "the beaver holds the hammer " * 20,
    "quizzical zebras (42)",
]


def parameters_of(folder: Path) -> dict:
    return {"model": f"local-dir:{folder}", "revision": "", "vocabulary": f"local-dir:{folder}"}


@pytest.fixture(scope="module")
def folder(miniature):
    return miniature / "image_reward"


@pytest.fixture(scope="module")
def scorer(folder):
    return image_reward.load(parameters_of(folder))


def test_score_is_the_published_formula(scorer, folder):
    state = torch.load(folder / "ImageReward.pt", weights_only=True)
    words = (folder / "vocab.txt").read_text().splitlines()
    images = [
        smooth_image(*size, seed=n) for n, size in enumerate([(64, 64), (101, 47), (47, 101), (20, 31), (65, 64)])
    ]
    scores = scorer.score(PROMPTS, images)
    expected = [by_definition(state, words, prompt, image) for prompt, image in zip(PROMPTS, images, strict=True)]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 2) for score in scores}) == 5


@pytest.mark.slow
def test_score_is_the_published_formula_at_full_size(tmp_path):
    words = full_vocabulary()
    random_blip.save_image_reward(tmp_path, words, random_blip.IMAGE_REWARD)
    state = torch.load(tmp_path / "ImageReward.pt", weights_only=True)
    assert sum(tensor.numel() for tensor in state.values()) > 420e6
    image = smooth_image(300, 431)
    (score,) = image_reward.load(parameters_of(tmp_path)).score(PROMPTS[:1], [image])
    assert score == pytest.approx(by_definition(state, words, PROMPTS[0], image), abs=1e-5)


def full_vocabulary() -> list[str]:
    """As many words as BERT's vocabulary has."""
    words = random_blip.vocabulary(PROMPTS)
    return words + [f"[unused{n}]" for n in range(30522 - len(words))]


def test_prompts_end_at_35_word_pieces(scorer):
    image = smooth_image(64, 64)
    # Start and end are 2, so 33 one-piece words of a prompt are read.
    read, beyond, shorter = ("fox " * 33, "fox " * 33 + "owl " * 9, "fox " * 32 + "no")
    scores = scorer.score([read, beyond, shorter], [image] * 3)
    assert scores[0] == scores[1]
    assert abs(scores[0] - scores[2]) > 1e-4


def test_scores_do_not_depend_on_batch_or_order(scorer):
    images = [smooth_image(40 + 9 * seed, 64, seed=seed) for seed in range(5)]
    together = scorer.score(PROMPTS, images)
    assert scorer.score(PROMPTS[::-1], images[::-1])[::-1] == together
    assert [scorer.score([p], [i])[0] for p, i in zip(PROMPTS, images, strict=True)] == together
    assert scorer.score([], []) == []
    with pytest.raises(ValueError):
        scorer.score(PROMPTS, images[:2])


def test_reader_counts_what_the_scorer_reads(folder):
    count = image_reward.reader(parameters_of(folder))
    assert count({"prompt": "fox " * 33}) == (35, 35)
    assert count({"prompt": "fox " * 40}) == (42, 35)
    assert count({"prompt": ""}) == (2, 2)


def test_weights_are_named_by_their_content(scorer, folder, tmp_path):
    assert image_reward.load(parameters_of(folder)).weights == scorer.weights
    state = torch.load(folder / "ImageReward.pt", weights_only=True)
    state["mlp.layers.7.bias"] += 1e-3
    copied(folder, tmp_path)
    torch.save(state, tmp_path / "ImageReward.pt")
    assert image_reward.load(parameters_of(tmp_path)).weights != scorer.weights


@pytest.mark.parametrize("broken", ["missing tensor", "other shape", "not a checkpoint", "no file", "code"])
def test_an_invalid_checkpoint_is_refused(folder, tmp_path, broken):
    copied(folder, tmp_path)
    path = tmp_path / "ImageReward.pt"
    state = torch.load(path, weights_only=True)
    if broken == "missing tensor":
        del state["mlp.layers.7.bias"]
    elif broken == "other shape":
        state["mlp.layers.7.bias"] = torch.zeros(2)
    torch.save({"a": Path} if broken == "code" else state, path)
    if broken == "not a checkpoint":
        path.write_bytes(b"no zip")
    elif broken == "no file":
        path.unlink()
    with pytest.raises(SetupError, match="missing mlp.7.bias|other shapes|cannot be read|has no file") as caught:
        image_reward.load(parameters_of(tmp_path))
    assert "\n" not in str(caught.value)


def copied(folder: Path, target: Path) -> None:
    for file in folder.iterdir():
        (target / file.name).write_bytes(file.read_bytes())


# The package in a separate environment: the same checkpoint and images, and of this project only the module.
PACKAGE = """
import json, sys
from PIL import Image
from detailscribe.scores import image_reward_package
folder, files, prompts = sys.argv[1], json.loads(sys.argv[2]), json.loads(sys.argv[3])
path = f"local-dir:{folder}"
scorer = image_reward_package.load({"model": path, "revision": "", "vocabulary": path})
scores = [scorer.score([p], [Image.open(i)])[0] for p, i in zip(prompts, files, strict=True)]
print("SCORES", json.dumps([scores, scorer.weights]))
"""


@pytest.mark.slow
def test_the_package_gives_the_same_scores_at_full_size(tmp_path):
    env = yaml.safe_load((REPOSITORY / "envs" / "image_reward.yaml").read_text())
    pins = env["dependencies"][-1]["pip"]
    subprocess.run([sys.executable, "-m", "venv", tmp_path / "venv"], check=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run([python, "-m", "pip", "install", "--quiet", *pins], check=True)
    weights = tmp_path / "weights"
    weights.mkdir()
    random_blip.save_image_reward(weights, full_vocabulary(), random_blip.IMAGE_REWARD)
    files = []
    for n, size in enumerate([(512, 512), (300, 431), (431, 300), (224, 224), (640, 480)]):
        smooth_image(*size, seed=n).save(tmp_path / f"{n}.png")
        files.append(str(tmp_path / f"{n}.png"))
    run = subprocess.run(
        [python, "-c", PACKAGE, weights, json.dumps(files), json.dumps(PROMPTS)],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr[-3000:]
    theirs, _ = json.loads(run.stdout.split("SCORES ")[1])
    scorer = image_reward.load(parameters_of(weights))
    images = [
        smooth_image(*size, seed=n)
        for n, size in enumerate([(512, 512), (300, 431), (431, 300), (224, 224), (640, 480)])
    ]
    ours = [scorer.score([prompt], [image])[0] for prompt, image in zip(PROMPTS, images, strict=True)]
    print("package", theirs, "ours", ours)
    assert ours == pytest.approx(theirs, abs=1e-6)
    assert max(ours) - min(ours) > 0.1
