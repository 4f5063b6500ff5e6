"""CLIPScore against a second implementation from the paper's definition, and images and captions of every kind."""

import itertools
import json

import numpy as np
import pytest
import torch
from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.scores import clip_score
from tests import clip_by_definition
from tests.blip_by_definition import prepared
from tests.sample_images import smooth_image

CAPTIONS = [
    "a fox and a parrot on a branch",
    "A circle of sunflowers around a cat at night.",
    "",
    "Zwölf Hasen & <b>tags</b>",
    "one  two\nthree",
]


@pytest.fixture(scope="module")
def parameters(miniature):
    return {"model": f"local-dir:{miniature / 'clip'}", "pretrained": "", "revision": ""}


@pytest.fixture(scope="module")
def scorer(parameters):
    return clip_score.load(parameters)


def by_definition(folder, captions, images, side=96, heads=(4, 4), activation=torch.nn.functional.gelu):
    """(captions, images): 2.5 max(cos, 0), without the module; torchvision prepares the images.

    Args:
        heads: Of the image and of the text tower.
    """
    import open_clip
    from safetensors.torch import load_file

    state = load_file(folder / "open_clip_model.safetensors")
    pixels = [prepared(image, side, crop=True) for image in images]
    tokens = open_clip.tokenize(["A photo depicts " + caption for caption in captions])
    image = torch.stack([clip_by_definition.image_embedding(state, each, heads[0], activation) for each in pixels])
    text = torch.stack([clip_by_definition.text_embedding(state, each, heads[1], activation) for each in tokens])
    norms = torch.outer(text.norm(dim=1), image.norm(dim=1))
    return 2.5 * (text @ image.T / norms).clamp(min=0).numpy()


@pytest.mark.slow
def test_score_is_the_published_formula_at_full_size(tmp_path):
    from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip, which imports torchvision

    import open_clip  # isort: skip
    from safetensors.torch import save_file

    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.CLIP(**config)
    # Random towers of this depth give nearly one direction; larger weights separate captions and images.
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "embedding" not in name:
            parameter.data *= 2
    model.visual.proj.data *= -1  # towards the captions; with this seed the images point away
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "open_clip_model.safetensors")
    scorer = clip_score.load({"model": f"local-dir:{tmp_path}", "pretrained": "", "revision": ""})
    images = [smooth_image(500, 431, seed=seed) for seed in range(len(CAPTIONS))]
    scores = scorer.score(CAPTIONS, images)
    expected = by_definition(tmp_path, CAPTIONS, images, 224, (12, 8), clip_by_definition.quick_gelu)
    assert scores == pytest.approx(np.diag(expected), abs=1e-5)
    assert max(scores) > 0.01


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (101, 47), (47, 101), (33, 32), (20, 31)])
def test_score_is_the_published_formula(scorer, miniature, size):
    images = [smooth_image(*size, seed=seed) for seed in range(len(CAPTIONS))]
    pairs = itertools.product(CAPTIONS, images)
    scores = scorer.score(*zip(*pairs, strict=True))
    assert scores == pytest.approx(by_definition(miniature / "clip", CAPTIONS, images).ravel(), abs=1e-5)
    assert len({round(score, 3) for score in scores}) > 4


def test_negative_agreement_scores_zero(scorer, monkeypatch):
    encode = scorer._model.encode_image
    image = smooth_image(64, 64)
    (score,) = scorer.score(["a fox"], [image])
    assert score > 0
    monkeypatch.setattr(scorer._model, "encode_image", lambda *a, **k: -encode(*a, **k))
    assert scorer.score(["a fox"], [image]) == [0.0]


def test_captions_end_at_77_tokens(scorer):
    image = smooth_image(64, 64)
    # "a photo depicts" is 3 tokens and start and end are 2, so 72 one-token words of a caption are read.
    read, beyond, shorter = (" ".join(["fox"] * n + end) for n, end in ((72, []), (72, ["owl"] * 50), (71, ["owl"])))
    scores = scorer.score([read, beyond, shorter], [image] * 3)
    assert scores[0] == scores[1]
    assert abs(scores[0] - scores[2]) > 1e-4


def test_scores_do_not_depend_on_batch_or_order(scorer):
    images = [smooth_image(40 + 9 * seed, 64, seed=seed) for seed in range(5)]
    together = scorer.score(CAPTIONS, images)
    assert scorer.score(CAPTIONS[::-1], images[::-1])[::-1] == together
    assert [scorer.score([c], [i])[0] for c, i in zip(CAPTIONS, images, strict=True)] == together
    assert scorer.score([], []) == []
    with pytest.raises(ValueError):
        scorer.score(CAPTIONS, images[:2])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I"])
def test_every_mode_is_scored_as_the_image_it_shows(scorer, mode):
    image = smooth_image(64, 64, mode="L" if mode == "I" else "RGB").convert(mode)
    assert scorer.score(["a fox"], [image]) == scorer.score(["a fox"], [image.convert("RGB")])


def test_sixteen_bit_grey_is_not_clipped(scorer):
    grey = smooth_image(64, 64, mode="L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert scorer.score(["a fox"], [deep]) == scorer.score(["a fox"], [grey])


@pytest.mark.parametrize("size", [(1, 1), (8000, 100), (100, 8000), (2, 1), (224, 224)])
def test_every_size_is_scored(scorer, size):
    (score,) = scorer.score(["a fox"], [smooth_image(*size)])
    assert 0 <= score <= 2.5


def test_weights_are_named_by_their_content(scorer, parameters, miniature, tmp_path):
    from safetensors.torch import load_file, save_file

    assert clip_score.load(parameters).weights == scorer.weights
    assert len(scorer.weights) == 64
    state = load_file(miniature / "clip" / "open_clip_model.safetensors")
    state["visual.proj"][0, 0] += 1e-3
    save_file(state, tmp_path / "open_clip_model.safetensors")
    (tmp_path / "open_clip_config.json").write_text((miniature / "clip" / "open_clip_config.json").read_text())
    assert clip_score.load(parameters | {"model": f"local-dir:{tmp_path}"}).weights != scorer.weights


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "local-dir:/nowhere"}, "could not be loaded"),
        ({"model": "ViT-B-32-quickgelu", "pretrained": ""}, "pretrained is empty"),
        ({"model": "ViT-B-32-quickgelu", "pretrained": "no-such-file.pt"}, "could not be loaded"),
        ({"model": "ViT-B-32-quickgelu", "pretrained": "openai"}, "connect to the network"),
        ({"model": "ViT-B-32-quickgelu", "pretrained": "openai", "revision": "v1"}, "connect to the network"),
    ],
)
def test_unavailable_weights_are_a_set_up_error(parameters, changes, message, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SetupError, match=message) as caught:
        clip_score.load(parameters | changes)
    assert "\n" not in str(caught.value)


def test_clip_names_the_repository_of_its_weights():
    known = {"model": "ViT-B-32-quickgelu", "pretrained": "openai", "revision": "abc"}
    [entry] = clip_score.weights(known)
    assert entry["repository"].count("/") == 1
    assert (entry["revision"], entry["files"]) == ("abc", ["open_clip_model.safetensors"])
    assert clip_score.weights(known | {"pretrained": "/a/file.safetensors"}) == []
