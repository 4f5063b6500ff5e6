"""The stand-in answers in the form that the parsers read, always the same, and never outside its rules."""

from collections import Counter

import pytest
from PIL import Image

from detailscribe import offline, replies
from detailscribe.exchanges import Request, image_kind

PROMPTS = [
    "An anime of a beaver assembling a chair with wooden sticks and leaves.",
    "A fox and a parrot perch on a narrow branch, balancing perfectly while exchanging curious glances.",
    "circle",
    "Who is there?",
    "word " * 62 + "end.",
]


def question(role, image=None, draw=0, **fields) -> Request:
    images = (image,) if image else ()
    return Request(role, "offline", "m", [{"role": "user", "content": "x"}], images=images, draw=draw, fields=fields)


@pytest.fixture
def image(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(offline.picture("a fox"))
    return path


@pytest.mark.parametrize("prompt", PROMPTS)
def test_decomposition_has_a_concept_and_two_to_four_parts(prompt):
    reply = offline.reply(question("decompose", prompt=prompt, topic="assemble chair_2"))
    concept, parts = replies.components(reply)
    assert concept == "assemble_chair_2"
    assert 2 <= len(parts) <= 4


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("parts", [None, ["paw holds stick", "stick on chair"]])
def test_critique_keeps_the_prompt_as_first_sentence(prompt, parts, image):
    fields = {"prompt": prompt, "topic": "t"} | ({"components": parts} if parts else {})
    reply = offline.reply(question("critique", image, **fields))
    refined = replies.last_brackets(reply)
    assert reply.startswith("1. ")
    assert refined.startswith(prompt)
    assert len(refined.split()) <= 70
    assert all(part in reply for part in parts or [])


def test_critique_uses_the_parts_it_was_given(image):
    reply = offline.critique("A fox kneads dough.", ["paw holds dough"], "digest")
    assert "Paw holds dough" in replies.last_brackets(reply)


def test_refine_and_rewrite_give_prompts(image):
    refined = offline.reply(question("refine", image, prompt=PROMPTS[0]))
    assert refined.startswith(PROMPTS[0])
    assert "<" not in refined
    rewritten = replies.last_brackets(offline.reply(question("rewrite", prompt=PROMPTS[0])))
    assert rewritten not in (None, PROMPTS[0], refined)


def test_judge_uses_the_whole_scale_evenly():
    scores = Counter(replies.judge_score(offline.judge("a fox", f"image {n}")) for n in range(500))
    assert set(scores) == {1.0, 2.0, 3.0, 4.0, 5.0}
    assert min(scores.values()) > 60


def test_judge_depends_on_image_prompt_and_draw(image, tmp_path):
    def scores(path, prompt):
        return [offline.reply(question("judge", path, draw, prompt=prompt)) for draw in range(20)]

    other = tmp_path / "b.png"
    other.write_bytes(offline.picture("an owl"))
    assert scores(image, "a") == scores(image, "a")
    assert len({*scores(image, "a")}) > 1
    assert scores(image, "a") != scores(other, "a") != scores(other, "b")


def test_unreadable_image_is_not_judged(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    with pytest.raises(OSError):
        offline.reply(question("judge", tmp_path / "a.png", prompt="a"))


@pytest.mark.parametrize("kind", ["functional", "compositional", "multi_subject"])
def test_written_prompts_differ_between_draws(kind):
    texts = {offline.reply(question("write_prompts", topic="tie-knot", kind=kind, draw=draw)) for draw in range(5)}
    assert len(texts) > 1
    assert all("tie knot" in replies.last_brackets(text) for text in texts)


def test_picture_is_a_png_that_depends_on_its_prompt(tmp_path):
    pictures = {offline.picture("a fox"), offline.picture("an owl"), offline.picture("a fox", 1)}
    assert len(pictures) == 3
    assert offline.picture("a fox") in pictures
    (tmp_path / "x").write_bytes(offline.picture("a fox"))
    assert image_kind((tmp_path / "x").read_bytes()) == "png"
    assert Image.open(tmp_path / "x").size == (256, 256)


def test_unknown_role_is_named():
    with pytest.raises(ValueError, match="translate"):
        offline.reply(question("translate"))
