"""HPSv2.1 against a second implementation from the authors' definition: CLIP's towers, torchvision's preparation."""

import itertools
import json

import pytest
import torch
from safetensors.torch import load_file

from detailscribe.engines import torch_setup  # noqa: F401 - before torchvision
from detailscribe.errors import SetupError
from detailscribe.scores.metric_facts import environment_of, score_ranges
from detailscribe.scores.model_weights import hub_weights
from detailscribe.scores.preference import hps_v2
from detailscribe.scores.truncation import metric_readers
from tests import clip_by_definition
from tests.sample_images import smooth_image
from tests.unit.study.configured import configured_study

PROMPTS = ["a fox and a parrot on a branch", "A Circle of sunflowers &amp; cats.", "", "Zwölf Hasen", "fox " * 100]
SIZES = [(96, 96), (64, 64), (101, 47), (47, 301), (500, 431)]


def entry(folder, **changes) -> dict:
    return {"module": "preference.hps_v2", "model": f"local-dir:{folder}", "revision": "", **changes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory, miniature):
    """The miniature's CLIP as a checkpoint of the authors' form, with other weights of the image tower."""
    path = tmp_path_factory.mktemp("hps_v2")
    state = load_file(miniature / "clip" / "open_clip_model.safetensors")
    generator = torch.Generator().manual_seed(0)
    state["visual.proj"] = torch.randn(state["visual.proj"].shape, generator=generator)
    torch.save({"state_dict": state, "epoch": 3}, path / hps_v2.FILE)
    config = (miniature / "clip" / "open_clip_config.json").read_text()
    (path / hps_v2.SIZES).write_text(config)
    return path


@pytest.fixture(scope="module")
def scorer(folder):
    return hps_v2.load(entry(folder))


def prepared(image, side: int):
    """(3, side, side): torchvision's transforms in the order of the authors' code, on floating-point tensors."""
    from torchvision import transforms

    steps = [
        transforms.ToTensor(),
        transforms.Resize(side, transforms.InterpolationMode.BICUBIC, antialias=True),
        transforms.CenterCrop(side),
        transforms.Normalize((0.48145466, 0.4578275, 0.40821073), (0.26862954, 0.26130258, 0.27577711)),
    ]
    return transforms.Compose(steps)(image).numpy()


def by_definition(folder, prompts, images) -> list[float]:
    """100 cos(image, text) of each pair, in float64, without the module."""
    import open_clip

    state = torch.load(folder / hps_v2.FILE, weights_only=True)["state_dict"]
    scores, gelu = [], torch.nn.functional.gelu
    for prompt, image in zip(prompts, images, strict=True):
        one = clip_by_definition.image_embedding(state, prepared(image, 96), 4, gelu)
        other = clip_by_definition.text_embedding(state, open_clip.tokenize([prompt])[0], 4, gelu)
        scores.append(100 * float(one @ other / (one.norm() * other.norm())))
    return scores


def test_score_is_the_published_formula(scorer, folder):
    images = [smooth_image(*size, seed=seed) for seed, size in enumerate(SIZES)]
    pairs = list(zip(*itertools.product(PROMPTS, images), strict=True))
    scores = scorer.score(*pairs)
    assert scores == pytest.approx(by_definition(folder, *pairs), abs=5e-5), "of 100"
    assert len({round(score, 2) for score in scores}) > 20 and min(scores) < 0 < max(scores)


def test_scores_do_not_depend_on_order_and_weights_have_a_digest(scorer, folder):
    images = [smooth_image(*size, seed=seed) for seed, size in enumerate(SIZES)]
    together = scorer.score(PROMPTS, images)
    assert scorer.score(PROMPTS[::-1], images[::-1])[::-1] == together
    assert scorer.score([], []) == []
    assert hps_v2.load(entry(folder)).weights == scorer.weights and len(scorer.weights) == 64
    with pytest.raises(ValueError):
        scorer.score(PROMPTS, images[:2])


@pytest.mark.parametrize("size", [(1, 1), (2000, 50), (50, 2000), (96, 97)])
def test_every_size_and_mode_is_scored(scorer, size):
    image = smooth_image(*size)
    assert -100 <= scorer.score(["a fox"], [image])[0] <= 100
    assert scorer.score(["a fox"], [image.convert("RGBA")]) == scorer.score(["a fox"], [image])


def test_the_study_knows_range_environment_readers_and_weights(folder):
    hub = {"module": "preference.hps_v2", "model": "xswu/HPSv2", "revision": "main"}
    study = configured_study(metrics={"local": entry(folder), "hub": hub})
    assert score_ranges(study)["hub"] is None and environment_of(study, "hub") == "scores"
    assert set(hub_weights(study)) == {"score-hub"} and hps_v2.weights(entry(folder)) == []
    assert hps_v2.weights(hub) == [{"repository": "xswu/HPSv2", "revision": "main", "files": [hps_v2.FILE]}]
    assert hps_v2.weights(hub | {"file": "HPS_v2_compressed.pt"})[0]["files"] == ["HPS_v2_compressed.pt"]
    count = metric_readers({"local": entry(folder)})["local"]
    assert count({"prompt": "a fox"}) == (4, 4) and count({"prompt": "fox " * 100}) == (102, 77)


def test_without_a_configuration_of_its_own_the_weights_are_those_of_vit_h_14(folder, tmp_path):
    (tmp_path / hps_v2.FILE).write_bytes((folder / hps_v2.FILE).read_bytes())
    assert hps_v2._sizes(entry(tmp_path))["vision_cfg"]["layers"] == 32
    (tmp_path / hps_v2.SIZES).write_text(json.dumps({"nothing": 1}))
    with pytest.raises(SetupError, match="is no configuration of open_clip"):
        hps_v2.load(entry(tmp_path))


def change(state: dict) -> dict:
    return {name: tensor for name, tensor in state.items() if name != "visual.proj"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "has no file HPS_v2.1_compressed.pt"),
        (b"no weights", "cannot be read as weights"),
        (change, "is not the expected checkpoint: missing visual.proj"),
    ],
)
def test_unavailable_weights_are_a_set_up_error(folder, tmp_path, content, message):
    (tmp_path / hps_v2.SIZES).write_text((folder / hps_v2.SIZES).read_text())
    if callable(content):
        state = torch.load(folder / hps_v2.FILE, weights_only=True)["state_dict"]
        torch.save({"state_dict": content(state)}, tmp_path / hps_v2.FILE)
    elif content:
        (tmp_path / hps_v2.FILE).write_bytes(content)
    with pytest.raises(SetupError, match=message) as caught:
        hps_v2.load(entry(tmp_path))
    assert "\n" not in str(caught.value)
