"""BLIP-VQA against a second implementation from its definition: one question and one image per pass."""

import math

import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from detailscribe.errors import SetupError
from detailscribe.miniature.models import blip as random_blip
from detailscribe.miniature.models.blip import authors_name
from detailscribe.scores import blip_vqa
from tests.blip_by_definition import p_yes
from tests.sample_images import smooth_image

PHRASES = [
    ["a fox", "a parrot", "a branch"],
    ["A Circle", "sunflowers"],
    ["the beaver", "two hammers", "a nail", "wood", "a fox", "paws", "cloth", "a rose", "never asked about"],
    ["a long cold dark wet old broken wooden chair made by many quiet patient animals far away from here and there"],
]


def parameters_of(folder, side=64) -> dict:
    return {"model": f"local-dir:{folder}", "revision": "", "vocabulary": f"local-dir:{folder}", "size_px": side}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A small BLIP-VQA with random weights, whose answers are less certain than a trained one's."""
    folder = tmp_path_factory.mktemp("models") / "blip_vqa"
    words = random_blip.vocabulary([" ".join(sum(PHRASES, []))])
    random_blip.save_blip_vqa(folder, words, random_blip.Sizes(128, 2, 64, 128, 2, 64))
    return folder


@pytest.fixture(scope="module")
def scorer(folder):
    return blip_vqa.load(parameters_of(folder))


def authors_state(folder) -> dict:
    """The tensors under the names of the authors' file."""
    state = {authors_name(name): tensor for name, tensor in load_file(folder / "model.safetensors").items()}
    table = "text_decoder.bert.embeddings.word_embeddings.weight"
    state.setdefault("text_decoder.cls.predictions.decoder.weight", state[table].clone())
    return state | {"text_decoder.cls.predictions.decoder.bias": state["text_decoder.cls.predictions.bias"].clone()}


def by_definition(state, words, phrases, image) -> float:
    answers = [p_yes(state, words, f"{phrase.lower()}?", image) for phrase in phrases[:8]]
    return math.prod(round(answer, 4) for answer in answers)


@pytest.mark.parametrize("size", [(64, 64), (101, 47), (20, 31)])
def test_score_is_the_published_product(scorer, folder, size):
    state, words = authors_state(folder), (folder / "vocab.txt").read_text().splitlines()
    images = [smooth_image(*size, seed=seed) for seed in range(len(PHRASES))]
    scores = scorer.score(["not read"] * len(PHRASES), images, PHRASES)
    assert scores == [by_definition(state, words, each, image) for each, image in zip(PHRASES, images, strict=True)]
    assert len({*scores}) == len(scores) and 0.3 < max(scores) < 1


def test_an_answer_does_not_depend_on_the_other_questions(scorer):
    image = smooth_image(64, 64)
    questions = [blip_vqa.question_for(phrase) for phrase in PHRASES[2]]
    together = scorer.answers(questions, image)
    assert scorer.answers(questions[::-1], image)[::-1] == pytest.approx(together, abs=1e-6)
    assert [scorer.answers([each], image)[0] for each in questions] == pytest.approx(together, abs=1e-6)
    assert len({round(answer, 4) for answer in together}) > 5


def test_each_answer_is_the_share_of_yes(scorer, folder):
    state, words = authors_state(folder), (folder / "vocab.txt").read_text().splitlines()
    image, questions = smooth_image(47, 64), [blip_vqa.question_for(phrase) for phrase in PHRASES[2]]
    expected = [p_yes(state, words, question, image) for question in questions]
    assert scorer.answers(questions, image) == pytest.approx(expected, abs=1e-5)


@pytest.mark.slow
def test_score_is_the_published_product_at_full_size(tmp_path):
    words = random_blip.vocabulary([" ".join(sum(PHRASES, []))])
    words += [f"[unused{n}]" for n in range(30522 - len(words))]
    random_blip.save_blip_vqa(tmp_path, words, random_blip.BLIP_VQA)
    state = authors_state(tmp_path)
    image = smooth_image(500, 431)
    scorer = blip_vqa.load(parameters_of(tmp_path, side=480))
    questions = [blip_vqa.question_for(phrase) for phrase in PHRASES[0]]
    expected = [p_yes(state, words, question, image) for question in questions]
    assert scorer.answers(questions, image) == pytest.approx(expected, abs=1e-5)
    assert scorer.score([""], [image], [PHRASES[0]]) == [by_definition(state, words, PHRASES[0], image)]


def test_the_authors_file_and_transformers_form_give_the_same_scores(scorer, folder, tmp_path):
    torch.save({"model": authors_state(folder)}, tmp_path / "model_base_vqa_capfilt_large.pth")
    (tmp_path / "vocab.txt").write_bytes((folder / "vocab.txt").read_bytes())
    image = smooth_image(64, 64)
    expected = scorer.score([""], [image], PHRASES[:1])
    assert blip_vqa.load(parameters_of(tmp_path)).score([""], [image], PHRASES[:1]) == expected
    address = {"model": (tmp_path / "model_base_vqa_capfilt_large.pth").as_uri()}
    torch.hub.set_dir(tmp_path / "cache")
    assert blip_vqa.load(parameters_of(tmp_path) | address).score([""], [image], PHRASES[:1]) == expected
    missing = {"model": (tmp_path / "nothing.pth").as_uri()}
    with pytest.raises(SetupError, match="could not be fetched"):
        blip_vqa.load(parameters_of(tmp_path) | missing)


def test_another_image_size_interpolates_the_positions(folder):
    (score,) = blip_vqa.load(parameters_of(folder, side=96)).score([""], [smooth_image(96, 96)], PHRASES[:1])
    assert 0 < score < 1


@pytest.mark.parametrize(
    ("phrase", "asked"),
    [
        ("A Red Cube", "a red cube?"),
        ('the "old" (wet) dog.', "the old wet dog?"),
        ("fox's tail; #1", "fox's tail 1?"),
        ("word " * 60, " ".join(["word"] * 50)),
    ],
)
def test_questions_are_asked_as_published(phrase, asked):
    assert blip_vqa.question_for(phrase) == asked


def test_a_prompt_without_phrases_has_no_score(scorer):
    with pytest.raises(ValueError, match="no noun phrase"):
        scorer.score([""], [Image.new("RGB", (8, 8))], [[]])
    assert scorer.score([], [], []) == []


def test_reader_counts_the_questions(folder):
    count = blip_vqa.reader(parameters_of(folder))
    # A word of these, a question mark, [ENC] and [SEP].
    assert count({"phrases": ["fox"] * 3}) == (12, 12)
    assert count({"phrases": ["fox"] * 10}) == (40, 32)
    assert count({"phrases": ["fox " * 40]}) == (43, 35)
    assert count({"phrases": []}) == (0, 0)


def test_a_folder_without_a_model_is_reported(tmp_path, folder):
    (tmp_path / "vocab.txt").write_bytes((folder / "vocab.txt").read_bytes())
    with pytest.raises(SetupError, match=r"has no file config\.json"):
        blip_vqa.load(parameters_of(tmp_path))
    (tmp_path / "model.pth").write_bytes(b"no weights")
    with pytest.raises(SetupError, match="cannot be read as weights"):
        blip_vqa.load(parameters_of(tmp_path))
