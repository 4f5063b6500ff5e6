"""HPSv3 against a second implementation from the authors' definition, and against figures of their package."""

import hashlib
import itertools
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from detailscribe.errors import SetupError
from detailscribe.scores.metric_facts import environment_of, score_ranges
from detailscribe.scores.model_weights import hub_weights
from detailscribe.scores.preference import hps_v3
from detailscribe.scores.truncation import metric_readers
from tests import tiny_vision_language
from tests.qwen2_vl_by_definition import Qwen2VL
from tests.sample_images import smooth_image
from tests.unit.study.configured import configured_study

PROMPTS = ["a fox", "a fox and {text_prompt} {0}", "", "A parrot"]
SIZES = [(256, 256), (300, 170), (60, 500), (2000, 1000)]


def entry(folder, **changes) -> dict:
    place = f"local-dir:{folder}"
    return {"module": "preference.hps_v3", "model": place, "vocabulary": place, "precision": "fp32", **changes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("hps_v3")
    tiny_vision_language.save_hps_v3(path)
    return path


@pytest.fixture(scope="module")
def scorer(folder):
    return hps_v3.load(entry(folder))


@pytest.fixture(scope="module")
def images():
    return [smooth_image(*size, seed=seed) for seed, size in enumerate(SIZES)]


def scaled_size(width: int, height: int) -> tuple[int, int]:
    """Multiples of 28 whose area is 200704 pixels or, after rounding that way, just beside it."""
    area, sides = 200704, [max(28, 28 * round(side / 28)) for side in (width, height)]
    if sides[0] * sides[1] == area:
        return sides[0], sides[1]
    exact = [side * (area / (width * height)) ** 0.5 / 28 for side in (width, height)]
    down = sides[0] * sides[1] > area
    units = [max(1, int(each) if down else -int(-each // 1)) for each in exact]
    return 28 * units[0], 28 * units[1]


def by_definition(folder, prompt: str, image) -> float:
    """The head's first output at the mark, of the text that the authors' template writes, in float64."""
    from transformers import AutoTokenizer

    words = AutoTokenizer.from_pretrained(folder)
    words.add_tokens(["<|Reward|>"], special_tokens=True)
    shown = image.resize(scaled_size(*image.size))
    squares = shown.width * shown.height // 28**2
    head, tail = hps_v3.QUESTION.split("{text_prompt}")
    text = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
        f"{'<|image_pad|>' * squares}<|vision_end|>{head}{prompt}{tail}<|im_end|>\n<|im_start|>assistant\n"
    )
    ids = words(text).input_ids
    model = Qwen2VL(load_file(folder / "HPSv3.safetensors"), rounded=torch.bfloat16)
    states = model.states(ids, shown, words.convert_tokens_to_ids("<|image_pad|>"), flat=True)
    state = states[ids.index(len(words) - 1)]
    for layer in (0, 3):
        state = model.linear(f"rm_head.{layer}", state).clamp(min=0)
    return float(model.linear("rm_head.5", state)[0])


def test_score_is_the_published_formula(scorer, folder, images):
    scores = scorer.score(PROMPTS, images)
    expected = [by_definition(folder, *pair) for pair in zip(PROMPTS, images, strict=True)]
    assert scores == pytest.approx(expected, abs=2e-6), "in fp32, of about 900 tokens"
    pairs = itertools.product(PROMPTS, images)
    assert len({round(score, 4) for score in scorer.score(*zip(*pairs, strict=True))}) > 12


def test_score_is_that_of_the_authors_package(scorer, images):
    """Figures of hpsv3 1.0.0 with transformers 4.45.2 and torch 2.13.0 on a CPU, from the same files.

    Its network was converted to fp32 after it had been rounded to bfloat16, since its own mixture needs a GPU.
    """
    assert scorer.score(PROMPTS, images) == pytest.approx(PACKAGE, abs=2e-6)


PACKAGE = [-0.4332540, -0.3647144, -0.3230422, -0.3857455]


def test_the_instruction_is_that_of_the_weights():
    published = "f6ee57479d4e9eee76b49c00dc962e1e696a5a2b3cc32cebd9b1fa76fe27502c"
    assert hashlib.sha256(hps_v3.QUESTION.encode()).hexdigest() == published
    assert hps_v3.QUESTION.count("{text_prompt}") == hps_v3.QUESTION.count("<|Reward|>") == 1


@pytest.mark.parametrize("size", [*SIZES, (448, 448), (28, 28), (5, 900), (1024, 1024), (460, 440), (447, 449)])
def test_images_are_scaled_to_an_area(size):
    assert hps_v3.resized_size(*size) == scaled_size(*size)


def test_scores_do_not_depend_on_order_and_weights_have_a_digest(scorer, folder, images):
    together = scorer.score(PROMPTS, images)
    assert scorer.score(PROMPTS[::-1], images[::-1])[::-1] == together
    assert scorer.score([], []) == []
    assert hps_v3.load(entry(folder)).weights == scorer.weights and len(scorer.weights) == 64
    with pytest.raises(ValueError):
        scorer.score(PROMPTS, images[:2])


def test_bf16_is_the_default_and_gives_the_same_bytes_again(folder, scorer, images):
    parameters = {key: value for key, value in entry(folder).items() if key != "precision"}
    scores = hps_v3.load(parameters).score(PROMPTS, images)
    assert hps_v3.load(parameters | {"precision": "bf16"}).score(PROMPTS, images) == scores
    exact = scorer.score(PROMPTS, images)
    assert scores == pytest.approx(exact, abs=0.1) and scores != exact


@pytest.mark.parametrize(
    ("prompt", "size", "message"),
    [
        ("the <|Reward|> of a fox", (56, 56), "has the mark of the reward 2 times"),
        ("a fox", (3, 900), "too narrow"),
    ],
)
def test_what_cannot_be_scored_is_refused(scorer, prompt, size, message):
    with pytest.raises(ValueError, match=message):
        scorer.score([prompt], [smooth_image(*size)])


def test_the_study_knows_range_environment_readers_and_weights(folder):
    hub = {"module": "preference.hps_v3", "model": "MizzenAI/HPSv3", "revision": "main"}
    study = configured_study(metrics={"local": entry(folder), "hub": hub})
    assert score_ranges(study)["hub"] is None and environment_of(study, "hub") == "scores"
    assert set(hub_weights(study)) == {"score-hub"} and hps_v3.weights(entry(folder)) == []
    own, vocabulary = hps_v3.weights(hub)
    assert own == {"repository": "MizzenAI/HPSv3", "revision": "main", "files": ["HPSv3.safetensors"]}
    assert vocabulary["repository"] == "Qwen/Qwen2-VL-7B-Instruct"
    assert not any("safetensors" in name for name in vocabulary["files"]), "its weights are not used"
    tokens, read = metric_readers({"local": entry(folder)})["local"]({"prompt": "a fox"})
    assert tokens == read == 2


def test_a_folder_over_the_hub_needs_no_vocabulary_of_its_own(folder, tmp_path, monkeypatch):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    parameters = {key: value for key, value in entry(folder).items() if key != "vocabulary"}
    with pytest.raises(SetupError, match="Qwen/Qwen2-VL-7B-Instruct could not be loaded"):
        hps_v3.load(parameters)


def without(name: str):
    return lambda state: {key: tensor for key, tensor in state.items() if key != name}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("rm_head.0.weight"), "is not the checkpoint of HPSv3: it has no rm_head.0.weight"),
        (without("rm_head.3.bias"), "missing 3.bias"),
        (without("model.norm.weight"), "language_model.norm.weight is missing, unknown or of another shape"),
        (lambda state: state | {"model.more": torch.zeros(1)}, "language_model.more is missing, unknown"),
        (lambda state: state | {"model.norm.weight": torch.zeros(3)}, "of another shape"),
        (lambda state: state | {"model.embed_tokens.weight": torch.zeros(100, 48)}, "has more words than the 100"),
        (None, "has no file HPSv3.safetensors"),
    ],
)
def test_another_checkpoint_is_refused(folder, tmp_path, change, message):
    for file in folder.iterdir():
        if file.suffix != ".safetensors":
            shutil.copy(file, tmp_path)
    if change:
        save_file(change(load_file(folder / "HPSv3.safetensors")), tmp_path / "HPSv3.safetensors")
    with pytest.raises(SetupError, match=message) as caught:
        hps_v3.load(entry(tmp_path))
    assert "\n" not in str(caught.value)
