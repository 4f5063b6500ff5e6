"""CLIPScore against a second implementation from the paper's definition, and pictures and captions of every kind."""

import itertools
import json
import sys

import numpy as np
import pytest
import torch
from PIL import Image

from detailscribe.errors import InputError, SetupError
from detailscribe.scores import clip_score, load_metric
from detailscribe.scores.preparation import cropped
from tests import clip_by_definition
from tests.blip_by_definition import prepared
from tests.pictures import picture

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


def by_definition(folder, caption, image, side=96, heads=(4, 4), activation=torch.nn.functional.gelu):
    """2.5 max(cos, 0), written without the module, torchvision preparing the picture; heads of picture and text."""
    import open_clip
    from safetensors.torch import load_file

    state = load_file(folder / "open_clip_model.safetensors")
    seen = clip_by_definition.picture(state, prepared(image, side, crop=True), heads[0], activation).numpy()
    said = clip_by_definition.text(
        state, open_clip.tokenize(["A photo depicts " + caption])[0], heads[1], activation
    ).numpy()
    return 2.5 * max(0.0, float(seen @ said / np.sqrt((seen**2).sum() * (said**2).sum())))


@pytest.mark.slow
def test_score_is_the_published_formula_at_full_size(tmp_path):
    from detailscribe.engines import torch_setup  # noqa: F401 - before open_clip, which imports torchvision

    import open_clip  # isort: skip
    from safetensors.torch import save_file

    config = open_clip.get_model_config("ViT-B-32-quickgelu")
    with torch.random.fork_rng():
        torch.manual_seed(0)
        model = open_clip.CLIP(**config)
    # Random towers of this depth give nearly one direction; wider weights tell captions and pictures apart.
    for name, parameter in model.named_parameters():
        if parameter.ndim > 1 and "embedding" not in name:
            parameter.data *= 2
    model.visual.proj.data *= -1  # towards the captions, from which this seed's pictures point away
    (tmp_path / "open_clip_config.json").write_text(json.dumps({"model_cfg": config}))
    save_file({k: v.contiguous() for k, v in model.state_dict().items()}, tmp_path / "open_clip_model.safetensors")
    scorer = clip_score.load({"model": f"local-dir:{tmp_path}", "pretrained": "", "revision": ""})
    images = [picture(500, 431, seed=seed) for seed in range(len(CAPTIONS))]
    scores = scorer.score(CAPTIONS, images)
    expected = [
        by_definition(tmp_path, *pair, 224, (12, 8), clip_by_definition.quick_gelu)
        for pair in zip(CAPTIONS, images, strict=True)
    ]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert max(scores) > 0.01


@pytest.mark.parametrize("size", [(32, 32), (64, 64), (101, 47), (47, 101), (33, 32), (20, 31)])
def test_score_is_the_published_formula(scorer, miniature, size):
    images = [picture(*size, seed=seed) for seed in range(len(CAPTIONS))]
    captions, images = zip(*itertools.product(CAPTIONS, images), strict=True)
    scores = scorer.score(captions, images)
    expected = [by_definition(miniature / "clip", *pair) for pair in zip(captions, images, strict=True)]
    assert scores == pytest.approx(expected, abs=1e-5)
    assert len({round(score, 3) for score in scores}) > 4


def test_negative_agreement_scores_zero(scorer, monkeypatch):
    encode = scorer._model.encode_image
    image = picture(64, 64)
    (score,) = scorer.score(["a fox"], [image])
    assert score > 0
    monkeypatch.setattr(scorer._model, "encode_image", lambda *a, **k: -encode(*a, **k))
    assert scorer.score(["a fox"], [image]) == [0.0]


def test_captions_end_at_77_tokens(scorer):
    image = picture(64, 64)
    # "a photo depicts" is 3 tokens and start and end are 2, so 72 one-token words of a caption are read.
    read, beyond, shorter = (" ".join(["fox"] * n + end) for n, end in ((72, []), (72, ["owl"] * 50), (71, ["owl"])))
    scores = scorer.score([read, beyond, shorter], [image] * 3)
    assert scores[0] == scores[1]
    assert abs(scores[0] - scores[2]) > 1e-4


def test_scores_do_not_depend_on_batch_or_order(scorer):
    images = [picture(40 + 9 * seed, 64, seed=seed) for seed in range(5)]
    together = scorer.score(CAPTIONS, images)
    assert scorer.score(CAPTIONS[::-1], images[::-1])[::-1] == together
    assert [scorer.score([c], [i])[0] for c, i in zip(CAPTIONS, images, strict=True)] == together
    assert scorer.score([], []) == []
    with pytest.raises(ValueError):
        scorer.score(CAPTIONS, images[:2])


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_every_mode_is_scored_as_the_picture_it_shows(scorer, mode):
    image = picture(64, 64, mode="L" if mode in ("I", "F") else "RGB").convert(mode)
    assert scorer.score(["a fox"], [image]) == scorer.score(["a fox"], [image.convert("RGB")])


def test_sixteen_bits_of_grey_are_not_cut_off(scorer):
    grey = picture(64, 64, mode="L")
    deep = Image.fromarray(np.asarray(grey).astype(np.uint16) * 257)
    assert deep.mode == "I;16"
    assert scorer.score(["a fox"], [deep]) == scorer.score(["a fox"], [grey])


@pytest.mark.parametrize("size", [(1, 1), (8000, 100), (100, 8000), (2, 1), (224, 224)])
def test_every_size_is_scored(scorer, size):
    (score,) = scorer.score(["a fox"], [picture(*size)])
    assert 0 <= score <= 2.5


def test_wide_pictures_are_cropped_to_their_middle(scorer):
    wide = Image.new("RGB", (300, 100), "red")
    wide.paste(picture(100, 100), (100, 0))
    middle = cropped(wide, 224)
    assert middle.shape == (3, 224, 224)
    assert middle.dtype == np.float32
    # Away from the edges, where the filter reads across the border of the pasted part.
    assert np.abs(middle - cropped(picture(100, 100), 224))[:, :, 5:-5].max() < 1e-6


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
    ("changes", "sentence"),
    [
        ({"model": "local-dir:/nowhere"}, "could not be loaded"),
        ({"model": "ViT-B-32-quickgelu", "pretrained": ""}, "pretrained is empty"),
        ({"model": "ViT-B-32-quickgelu", "pretrained": "no-such-file.pt"}, "could not be loaded"),
        ({"model": "ViT-B-32-quickgelu", "pretrained": "openai"}, "connect to the network"),
        ({"model": "ViT-B-32-quickgelu", "pretrained": "openai", "revision": "v1"}, "connect to the network"),
    ],
)
def test_weights_that_cannot_be_had(parameters, changes, sentence, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SetupError, match=sentence) as caught:
        clip_score.load(parameters | changes)
    assert "\n" not in str(caught.value)


def test_metrics_are_found_by_name(tmp_path, monkeypatch):
    assert load_metric("clip_score") is clip_score
    monkeypatch.syspath_prepend(tmp_path)
    own = "ALGORITHM = 1\nLIBRARIES = ()\ndef load(parameters): ...\n"
    (tmp_path / "own_metric.py").write_text(own)
    (tmp_path / "half_metric.py").write_text("ALGORITHM = 1\n")
    (tmp_path / "needy_metric.py").write_text("import a_package_of_nobody\n" + own)
    assert load_metric("own_metric").ALGORITHM == 1
    with pytest.raises(InputError, match="half_metric lacks LIBRARIES, load"):
        load_metric("half_metric")
    with pytest.raises(InputError, match=r"no metric module 'some\.metric'"):
        load_metric("some.metric")
    with pytest.raises(SetupError, match="needs the package a_package_of_nobody"):
        load_metric("needy_metric")


def test_importing_a_metric_is_cheap():
    import subprocess

    code = "import sys, detailscribe.scores.clip_score; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
