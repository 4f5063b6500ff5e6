"""Rule-based mock of the hosted models: parseable, deterministic answers."""

import json
import sys
from dataclasses import replace

import pytest
from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.images.image_reader import UnreadableImage
from detailscribe.llm.request import Request, image_format
from detailscribe.methods import reply_parsing
from detailscribe.miniature import stand_in
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.facts import fact_phrases, fact_sentences
from detailscribe.miniature.world.vocabulary import MOODS
from detailscribe.scores.judges.remarks import remarks_of

PROMPTS = [
    "An anime of a beaver assembling a chair with wooden sticks and leaves.",
    "A fox and a parrot perch on a narrow branch, balancing perfectly while exchanging curious glances.",
    "circle",
    "Who is there?",
    "word " * 62 + "end.",
]


def make_request(role, image=None, draw=0, **fields) -> Request:
    images = (image,) if image else ()
    return Request(role, "offline", "m", [{"role": "user", "content": "x"}], images=images, draw=draw, fields=fields)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(placeholder_png("a fox"))
    return path


@pytest.mark.parametrize("prompt", PROMPTS)
def test_decomposition_has_a_concept_and_two_to_four_parts(prompt):
    reply = stand_in.answer_text(make_request("decompose", prompt=prompt, topic="assemble chair_2"))
    concept, parts = reply_parsing.parse_decomposition(reply)
    assert concept == "assemble_chair_2, made from words alone"
    assert 2 <= len(parts) <= 4


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("parts", [None, ["paw holds stick", "stick on chair"]])
def test_critique_keeps_the_prompt_as_first_sentence(prompt, parts, image):
    fields = {"prompt": prompt, "topic": "t"} | ({"components": parts} if parts else {})
    reply = stand_in.answer_text(make_request("critique", image, **fields))
    refined = reply_parsing.last_brackets(reply)
    assert reply.startswith("1. ")
    assert refined.startswith(prompt)
    assert len(refined.split()) <= 70


def test_a_scene_is_decomposed_into_its_facts():
    reply = stand_in.answer_decompose("A cat holding a guitar on the beach.", "hold guitar")
    parts = ["a cat", "a guitar", "a cat holding a guitar", "on the beach"]
    assert reply_parsing.parse_decomposition(reply) == ("hold_guitar", parts)


@pytest.mark.parametrize(
    ("changes", "faults", "without_parts"),
    [
        ({}, (), ""),
        ({"shown": (True, False)}, (1,), "There is a guitar in sharp detail."),
        ({"arrangement": "balancing"}, (2,), ""),
    ],
    ids=["whole", "missing", "rearranged"],
)
def test_the_critic_asks_for_what_is_not_visible(sprites, changes, faults, without_parts):
    """BLIP-VQA finds a relation if what is there is in its place; without the parts only things are looked for."""
    prompt = "A cat holding a guitar on the beach."
    scene = parse_prompt(prompt)
    image = Image.fromarray(draw_scene(replace(scene, **changes), sprites))
    reply = stand_in.answer_critique(prompt, list(fact_phrases(scene)), image)
    assert reply_parsing.last_brackets(reply) == " ".join([prompt, *(fact_sentences(scene)[each] for each in faults)])
    named = [remark.partition(":")[0] for remark in remarks_of(reply)]
    assert named == [fact_phrases(scene)[each] for each in faults]
    blind = f"{prompt} {without_parts}".strip()
    assert reply_parsing.last_brackets(stand_in.answer_critique(prompt, None, image)) == blind
    assert stand_in.answer_refine(prompt, image) == (blind if without_parts else f"{prompt} {MOODS[0]}")


def test_a_critic_without_its_packages_names_the_remedy(sprites, monkeypatch):
    monkeypatch.setitem(sys.modules, "detailscribe.miniature.critic", None)
    with pytest.raises(SetupError, match="--software-deployment-method"):
        stand_in.answer_critique("A cat.", ["a cat at the top"], Image.new("RGB", (96, 96)))


def test_refine_and_rewrite_give_prompts(image):
    refined = stand_in.answer_text(make_request("refine", image, prompt=PROMPTS[0]))
    assert refined.startswith(PROMPTS[0])
    assert "<" not in refined
    rewritten = reply_parsing.last_brackets(stand_in.answer_text(make_request("rewrite", prompt=PROMPTS[0])))
    assert rewritten not in (None, PROMPTS[0], refined)


@pytest.mark.parametrize(
    ("changes", "grade"),
    [
        ({}, 5),
        ({"background": "at night"}, 4),
        ({"arrangement": "balancing"}, 4),
        ({"arrangement": "balancing", "background": "at night"}, 3),
        ({"shown": (True, False)}, 3),  # no relation without both
        ({"shown": (False, True)}, 3),
        ({"second": "ball", "background": "at night"}, 2),
        ({"shown": (False, False)}, 2),
        ({"shown": (False, False), "background": "at night"}, 1),
    ],
)
def test_the_judge_grades_by_the_number_of_wrong_facts(sprites, changes, grade):
    prompt = "A panda holding a balloon in the desert."
    image = Image.fromarray(draw_scene(replace(parse_prompt(prompt), **changes), sprites))
    for text in (prompt, " ".join([prompt, *fact_sentences(parse_prompt(prompt))])):
        assert reply_parsing.judge_score(stand_in.answer_judge(text, image)) == grade
    reply = json.loads(stand_in.answer_judge(prompt, image, scale="yes_no", structured=True))
    assert reply["score"] == ("yes" if grade == 5 else "no")


@pytest.mark.parametrize(
    ("prompt", "grade"),
    [
        ("A panda with a guitar.", 3),
        ("A panda and a balloon.", 5),
        ("A panda on the left and a balloon on the right.", 5),
        ("A panda on the right and a balloon on the left.", 1),
        ("A panda and some balloons in the desert.", 4),  # several are at least three
        ("A panda and some balloons at night.", 2),
        ("In the desert.", 5),
        ("At night.", 1),
        ("A panda holding a balloon in the desert. There is a cake.", 4),
        ("A panda holding a balloon in the desert. With natural colours.", 5),
    ],
)
def test_the_judge_grades_by_all_that_a_prompt_names(sprites, prompt, grade):
    scene = parse_prompt("A panda holding a balloon in the desert.")
    image = Image.fromarray(draw_scene(scene, sprites))
    assert reply_parsing.judge_score(stand_in.answer_judge(prompt, image)) == grade


def test_unreadable_image_is_not_judged(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    with pytest.raises(UnreadableImage):
        stand_in.answer_text(make_request("judge", tmp_path / "a.png", prompt="a"))


@pytest.mark.parametrize("kind", ["functional", "compositional", "multi_subject"])
def test_written_prompts_differ_between_draws(kind):
    texts = {
        stand_in.answer_text(make_request("write_prompts", topic="tie-knot", kind=kind, draw=draw)) for draw in range(5)
    }
    assert len(texts) > 1
    assert all("tie knot" in reply_parsing.last_brackets(text) for text in texts)


def test_placeholder_is_a_png_that_depends_on_its_prompt(tmp_path):
    images = {placeholder_png("a fox"), placeholder_png("an owl"), placeholder_png("a fox", 1)}
    assert len(images) == 3
    assert placeholder_png("a fox") in images
    (tmp_path / "x").write_bytes(placeholder_png("a fox"))
    assert image_format((tmp_path / "x").read_bytes()) == "png"
    assert Image.open(tmp_path / "x").size == (256, 256)


def test_unknown_role_is_named():
    with pytest.raises(ValueError, match="translate"):
        stand_in.answer_text(make_request("translate"))
