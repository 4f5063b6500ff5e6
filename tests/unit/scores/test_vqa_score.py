"""VQAScore against second implementations, by hand, and the models that it refuses."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from detailscribe.errors import SetupError
from detailscribe.files.ledger import Ledger
from detailscribe.scores import vqa_score
from detailscribe.scores.metric_facts import environment_of, score_ranges
from detailscribe.scores.model_weights import hub_weights
from detailscribe.scores.scoring import score_images
from detailscribe.scores.truncation import metric_readers
from tests import tiny_vision_language
from tests.hub_server import REPOSITORY, HubServer
from tests.paths import REPOSITORY as PACKAGE
from tests.qwen2_vl_by_definition import Qwen2VL
from tests.sample_images import smooth_image
from tests.unit.study.configured import configured_study

PROMPTS = ["a fox and a parrot on a branch", 'A "circle" of {sunflowers} {text}.', "", "Zwölf Hasen 🦊\n"]
SIZES = [(56, 84), (84, 28), (100, 61), (500, 400)]  # the last two are scaled
PAPER = 'Does this figure show "{}"? Please answer yes or no.'


def entry(folder, **changes) -> dict:
    return {"module": "vqa_score", "model": f"local-dir:{folder}", "revision": "", "precision": "fp32", **changes}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    path = tmp_path_factory.mktemp("qwen2_vl")
    tiny_vision_language.save_qwen2_vl(path)
    return path


@pytest.fixture(scope="module")
def scorer(folder):
    return vqa_score.load(entry(folder))


def scaled(image):
    """The image in multiples of 28 pixels, at most 64 squares of them: torchvision on 8-bit tensors, as Qwen2-VL."""
    from torchvision.transforms import InterpolationMode
    from torchvision.transforms.v2.functional import pil_to_tensor, resize

    sides = [round(side / 28) * 28 for side in image.size]
    if sides[0] * sides[1] > 64 * 28 * 28:
        shrink = (image.width * image.height / (64 * 28 * 28)) ** 0.5
        sides = [int(side / shrink / 28) * 28 for side in image.size]
    tensor = resize(pil_to_tensor(image), sides[::-1], InterpolationMode.BICUBIC, antialias=True)
    return Image.fromarray(tensor.permute(1, 2, 0).numpy())


def probabilities(folder, question: str, image) -> dict[str, float]:
    """Probability of each answer by its letters in lower case, from the definition of Qwen2-VL in float64."""
    from transformers import AutoTokenizer

    words, shown = AutoTokenizer.from_pretrained(folder), scaled(image)
    squares = shown.width * shown.height // 28**2
    text = (
        "<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n<|vision_start|>"
        f"{'<|image_pad|>' * squares}<|vision_end|>{question}<|im_end|>\n<|im_start|>assistant\n"
    )
    model = Qwen2VL(load_file(folder / "model.safetensors"))
    states = model.states(words(text).input_ids, shown, words.convert_tokens_to_ids("<|image_pad|>"))
    shares = (states[-1] @ model.tensor("lm_head.weight").T).softmax(-1)
    found = {"yes": 0.0, "no": 0.0}
    for number, share in enumerate(shares.tolist()):
        letters = words.decode([number]).strip().lower()
        if letters in found:
            found[letters] += share
    return found


def test_score_is_the_published_formula(scorer, folder):
    images = [smooth_image(*size, seed=seed) for seed, size in enumerate(SIZES)]
    pairs = list(itertools.product(PROMPTS, images))
    scores = scorer.score(*zip(*pairs, strict=True))
    shares = [probabilities(folder, PAPER.replace("{}", prompt), image) for prompt, image in pairs]
    assert scores == pytest.approx([each["yes"] for each in shares], rel=1e-4, abs=1e-6)
    assert len({round(score, 6) for score in scores}) == len(pairs)
    normalised = vqa_score.load(entry(folder, normalised=True))
    expected = [each["yes"] / (each["yes"] + each["no"]) for each in shares]
    answered = [n for n, each in enumerate(shares) if each["yes"] + each["no"] > vqa_score.LEAST_MASS]
    found = normalised.score(*zip(*[pairs[n] for n in answered], strict=True))
    assert len(answered) > 3
    assert found == pytest.approx([expected[n] for n in answered], abs=1e-5)


def test_another_question_is_asked_as_it_is_written(folder):
    image = smooth_image(56, 56)
    [score] = vqa_score.load(entry(folder, question="Is {text} here? {text}!")).score(["a {fox}"], [image])
    expected = probabilities(folder, "Is a {fox} here? a {fox}!", image)["yes"]
    assert score == pytest.approx(expected, abs=1e-6)


def test_another_architecture_is_read_by_its_own_processor(tmp_path):
    """LLaVA against its own generation of one token, from a text and an image that this test prepares."""
    from transformers import AutoTokenizer

    from tests.blip_by_definition import prepared

    network = tiny_vision_language.save_llava(tmp_path)
    words = AutoTokenizer.from_pretrained(tmp_path)
    images = [smooth_image(32, 32, seed=seed) for seed in range(3)]
    scores = vqa_score.load(entry(tmp_path)).score(PROMPTS[:3], images)
    for prompt, image, score in zip(PROMPTS, images, scores, strict=False):
        text = f"{'<|image_pad|>' * 16}\n{PAPER.replace('{}', prompt)}<|im_end|>\n<|im_start|>assistant\n"
        text = f"<|im_start|>system\nYou are a helpful assistant.<|im_end|>\n<|im_start|>user\n{text}"
        made = network.generate(
            input_ids=torch.tensor([words(text).input_ids]),
            pixel_values=torch.from_numpy(prepared(image, 32, crop=True))[None],
            max_new_tokens=1,
            do_sample=False,
            output_logits=True,
            return_dict_in_generate=True,
        )
        shares = made.logits[0][0].double().softmax(-1).tolist()
        yes = sum(share for number, share in enumerate(shares) if words.decode([number]).strip().lower() == "yes")
        assert score == pytest.approx(yes, abs=1e-6)
    assert len({round(score, 5) for score in scores}) == 3


class Answers(torch.nn.Module):
    """A network whose last logits are the logarithms of given probabilities."""

    dtype, device = torch.float32, torch.device("cpu")

    def __init__(self, shares: dict[int, float], words: int):
        super().__init__()
        self.shares = torch.full((words,), 1e-9)
        for number, share in shares.items():
            self.shares[number] = share
        self.config = SimpleNamespace(get_text_config=lambda: SimpleNamespace(max_position_embeddings=300))

    def forward(self, input_ids, use_cache=None, **_):
        return SimpleNamespace(logits=self.shares.log()[None, None].expand(1, input_ids.shape[1], -1))


@pytest.mark.parametrize(
    ("shares", "yes", "normalised"),
    [
        ({"Yes": 0.5, "no": 0.25, " fox": 0.25}, 0.5, 2 / 3),
        ({"Yes": 0.3, " yes": 0.2, "yes": 0.1, "No": 0.1, " No": 0.1, " fox": 0.2}, 0.6, 0.75),
        ({"No": 1.0}, 0.0, 0.0),
        ({"Yes": 0.004, "No": 0.004, " fox": 0.992}, 0.004, None),
    ],
)
def test_readings_equal_those_by_hand(scorer, shares, yes, normalised):
    processor = scorer._processor
    numbers = {processor.tokenizer.encode(word)[0]: share for word, share in shares.items()}
    network = Answers(numbers, len(processor.tokenizer))
    pair = ["a fox"], [smooth_image(28, 28)]
    assert vqa_score.Scorer(network, processor, vqa_score.QUESTION, False, {}).score(*pair)[0] == pytest.approx(
        yes, abs=1e-6
    )
    scorer = vqa_score.Scorer(network, processor, vqa_score.QUESTION, True, {})
    if normalised is None:
        with pytest.raises(ValueError, match=r"yes and no together have the probability 0\.008"):
            scorer.score(*pair)
    else:
        assert scorer.score(*pair)[0] == pytest.approx(normalised, abs=1e-6)


def test_scores_do_not_depend_on_batch_or_order_and_weights_have_a_digest(scorer, folder, tmp_path):
    images = [smooth_image(*size, seed=seed) for seed, size in enumerate(SIZES)]
    together = scorer.score(PROMPTS, images)
    assert scorer.score(PROMPTS[::-1], images[::-1])[::-1] == together
    assert [scorer.score([p], [i])[0] for p, i in zip(PROMPTS, images, strict=True)] == together
    assert scorer.score([], []) == []
    with pytest.raises(ValueError):
        scorer.score(PROMPTS, images[:2])
    assert vqa_score.load(entry(folder)).weights == scorer.weights and len(scorer.weights) == 64
    shutil.copytree(folder, tmp_path / "copy")
    template = tmp_path / "copy" / "chat_template.jinja"
    template.write_text(template.read_text().replace("helpful", "careful"))
    assert vqa_score.load(entry(tmp_path / "copy")).weights != scorer.weights


def test_bf16_is_the_default_and_gives_the_same_bytes_again(folder, scorer):
    parameters = {key: value for key, value in entry(folder).items() if key != "precision"}
    images = [smooth_image(56, 84, seed=seed) for seed in range(3)]
    scores = vqa_score.load(parameters).score(PROMPTS[:3], images)
    assert vqa_score.load(parameters | {"precision": "bf16"}).score(PROMPTS[:3], images) == scores
    exact = scorer.score(PROMPTS[:3], images)
    assert scores == pytest.approx(exact, rel=0.5) and scores != exact


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "RGBA", "CMYK", "HSV", "I"])
def test_every_mode_is_scored_as_the_image_it_shows(scorer, mode):
    image = smooth_image(56, 56, mode="L" if mode == "I" else "RGB").convert(mode)
    assert scorer.score(["a fox"], [image]) == scorer.score(["a fox"], [image.convert("RGB")])


def test_a_question_that_does_not_fit_is_refused_and_never_cut(scorer):
    processor = scorer._processor
    scorer = vqa_score.Scorer(Answers({}, len(processor.tokenizer)), processor, vqa_score.QUESTION, False, {})
    with pytest.raises(ValueError, match="have 402 tokens, and the model reads 300"):
        scorer.score(["fox " * 300], [smooth_image(28, 28)])


def test_a_prompt_with_the_models_own_marks_is_a_row_without_a_score(folder, tmp_path):
    images = {}
    for id in "ab":
        path = tmp_path / f"{id}.png"
        smooth_image(56, 56).save(path)
        images[id] = {"status": "ok", "reason": "", "path": path, "sha256": id}
    records = {"a": {"id": "a", "prompt": "a fox"}, "b": {"id": "b", "prompt": "a <|image_pad|> fox"}}
    ledger = Ledger(tmp_path / "ledger.jsonl")
    rows = score_images(records, {"x": images}, entry(folder), "", vqa_score, ledger, fingerprints=tmp_path)
    assert [row["status"] for row in rows] == ["ok", "failed"] and 0 < rows[0]["score"] < 1
    [recipe] = [json.loads(path.read_text()) for path in tmp_path.glob("*.json")]
    assert recipe["metric"] == "vqa_score" and recipe["libraries"].keys() >= {"torchvision", "transformers"}


THINKING = tiny_vision_language.TEMPLATE.replace("assistant\n", "assistant\n<think>\n")
SWITCH = "{% if enable_thinking is not defined or enable_thinking %}<think>\n{% endif %}"
HYBRID = tiny_vision_language.TEMPLATE.replace("assistant\n{% endif %}", f"assistant\n{SWITCH}{{% endif %}}")
DATED = "{% if not date_string is defined %}{% set date_string = strftime_now('%d') %}{% endif %}{{ date_string }}"
DATED += tiny_vision_language.TEMPLATE


@pytest.mark.parametrize(
    ("words", "template", "options", "message"),
    [
        (["No", "no"], tiny_vision_language.TEMPLATE, {}, "writes 'Yes' as 3 tokens"),
        (["Yes"], tiny_vision_language.TEMPLATE, {}, "writes 'No' as 2 tokens"),
        (tiny_vision_language.WORDS, THINKING, {}, "thinks before it answers"),
        (tiny_vision_language.WORDS, HYBRID, {}, "set template_options: {enable_thinking: false}"),
        (tiny_vision_language.WORDS, HYBRID, {"enable_thinking": False}, ""),
        (tiny_vision_language.WORDS, DATED, {}, "writes today's date"),
        (tiny_vision_language.WORDS, DATED, {"date_string": "26 Jul 2024"}, ""),
        (tiny_vision_language.WORDS, "", {}, "has no chat template: name an instruct model"),
    ],
)
def test_a_model_whose_first_token_is_no_answer_is_refused(tmp_path, words, template, options, message):
    tiny_vision_language.save_qwen2_vl(tmp_path, words, template or tiny_vision_language.TEMPLATE)
    if not template:
        (tmp_path / "chat_template.jinja").unlink()
    parameters = entry(tmp_path, template_options=options)
    if not message:
        assert 0 < vqa_score.load(parameters).score(["a fox"], [smooth_image(56, 56)])[0] < 1
        return
    with pytest.raises(SetupError) as caught:
        vqa_score.load(parameters)
    assert message in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"model": "local-dir:/nowhere"}, "no model folder at '/nowhere'"),
        ({"model": "lab/absent"}, "connect to the network"),
        ({"question": "Is it good?"}, "has no {text}, where the prompt goes"),
        ({"precision": "nf4"}, "'nf4' of vqa_score is neither bf16 nor fp32"),
    ],
)
def test_wrong_settings_are_a_set_up_error(folder, changes, message, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(SetupError) as caught:
        vqa_score.load(entry(folder, **changes))
    assert message in str(caught.value) and "\n" not in str(caught.value)


def test_a_model_of_another_kind_or_without_weights_is_refused(folder, miniature, tmp_path):
    with pytest.raises(SetupError, match="could not be loaded"):
        vqa_score.load(entry(miniature / "clip"))
    shutil.copytree(folder, tmp_path / "bare")
    (tmp_path / "bare" / "model.safetensors").unlink()
    with pytest.raises(SetupError, match="could not be loaded as a vision-language model"):
        vqa_score.load(entry(tmp_path / "bare"))


def test_the_study_knows_range_environment_readers_and_weights(folder):
    local, hub = entry(folder), {"module": "vqa_score", "model": "lab/seeing", "revision": "main"}
    study = configured_study(metrics={"local": local, "hub": hub})
    assert score_ranges(study)["local"] == [0, 1] and environment_of(study, "hub") == "scores"
    assert set(hub_weights(study)) == {"score-hub"}
    [source] = vqa_score.weights(hub)
    assert (source["repository"], source["revision"]) == ("lab/seeing", "main") and vqa_score.weights(local) == []
    assert "*.safetensors" in source["files"] and "*.py" not in source["files"]
    tokens, read = metric_readers({"local": local})["local"]({"prompt": "fox " * 500})
    assert tokens == read > 500, "no prompt is cut"


@pytest.mark.slow
def test_weights_from_a_hub_are_recorded_and_score_as_those_in_a_folder(folder, scorer, tmp_path):
    images = tmp_path / "image.png"
    smooth_image(56, 84).save(images)
    parameters = {"module": "vqa_score", "model": REPOSITORY, "revision": "main", "precision": "fp32"}
    fetch = f"from detailscribe.scores import model_weights as m; print(m.fetch_model_weights({parameters!r}))"
    score = (
        "from PIL import Image\nfrom detailscribe.scores import vqa_score\n"
        f"scorer = vqa_score.load({parameters!r})\n"
        f"print(scorer.weights, *scorer.score(['a fox'], [Image.open({str(images)!r})]))"
    )
    with HubServer(folder) as server:
        environment = {"HF_ENDPOINT": server.address, "HF_HOME": str(tmp_path / "home"), "HF_HUB_OFFLINE": "0"}
        environment = {**os.environ, **environment, "PYTHONPATH": str(PACKAGE)}
        outputs = []
        for code in (fetch, score):  # the second one finds the record
            run = subprocess.run(
                [sys.executable, "-c", code], cwd=tmp_path, env=environment, capture_output=True, text=True
            )
            assert run.returncode == 0, run.stderr[-900:]
            outputs.append(run.stdout)
    record = json.loads(next((tmp_path / "resources" / "weights").glob("*.json")).read_text())
    assert {"model.safetensors", "tokenizer.json", "chat_template.jinja"} <= set(record["files"])
    digest, found = outputs[1].split()
    assert digest == scorer.weights
    assert float(found) == scorer.score(["a fox"], [smooth_image(56, 84)])[0] and np.isfinite(float(found))
