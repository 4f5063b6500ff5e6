"""Critics of planted skill: right as often as their names say, and nested."""

from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from PIL import Image

from detailscribe.errors import InputError
from detailscribe.llm.request import Request
from detailscribe.methods.reply_parsing import last_brackets
from detailscribe.miniature import planted_critic
from detailscribe.miniature.vlm.lessons import failed_scene
from detailscribe.miniature.world.captions import random_caption
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.facts import FACTS, fact_phrases, fact_sentences
from detailscribe.miniature.world.scenes import Scene, random_scene
from detailscribe.scores.judges.remarks import remarks_of

SKILLS = (50, 60, 80, 95)
SCENES = 120
MEANT = Scene("riding", "cat", "book", "in the snow")
PROMPT = "A cat riding a book in the snow."
PARTS = fact_phrases(MEANT)


def ask(model: str, image, prompt: str = PROMPT, parts=PARTS) -> str:
    fields = {"prompt": prompt, "topic": "t"} | ({"components": list(parts)} if parts else {})
    request = Request("critique", "offline", model, [{"role": "user", "content": "x"}], (image,), fields=fields)
    assert planted_critic.is_planted(request)
    return planted_critic.answer(request)


@pytest.fixture
def drawn(tmp_path, sprites):
    """A function that draws the scene with changes into a file."""

    def draw(name: str = "a.png", **changes):
        Image.fromarray(draw_scene(replace(MEANT, **changes), sprites)).save(tmp_path / name)
        return tmp_path / name

    return draw


def named(reply: str) -> set[str]:
    """The parts that a critique finds wrong."""
    return {remark.partition(":")[0] for remark in remarks_of(reply)}


@pytest.fixture(scope="module")
def answers(sprites) -> dict[int, np.ndarray]:
    """By skill: whether each part of each scene is said to be wrong; (scenes, 4), bool."""
    rng, found = np.random.default_rng(4), {skill: [] for skill in (*SKILLS, 100)}
    for _ in range(SCENES):
        scene = random_scene(rng)
        image, prompt = Image.fromarray(draw_scene(failed_scene(scene, rng), sprites)), random_caption(scene, rng, True)
        parts = fact_phrases(scene)
        criticise = partial(planted_critic.criticise, prompt, list(parts), image)
        for skill, rows in found.items():
            wrong = named(criticise(skill / 100))
            rows.append([part in wrong for part in parts])
    return {skill: np.array(rows) for skill, rows in found.items()}


@pytest.mark.parametrize("skill", SKILLS)
def test_the_share_of_right_answers_is_the_skill(answers, skill):
    right, share = answers[skill] == answers[100], skill / 100
    assert right.mean() == pytest.approx(share, abs=3 * np.sqrt(share * (1 - share) / right.size))
    for is_wrong in (True, False):  # it misses faults as often as it invents them
        some = right[answers[100] == is_wrong]
        assert some.mean() == pytest.approx(share, abs=3.5 * np.sqrt(share * (1 - share) / some.size))
    assert np.abs(right.mean(0) - share).max() < 4 * np.sqrt(share * (1 - share) / SCENES)


@pytest.mark.parametrize(("less", "more"), [(50, 60), (60, 80), (80, 95)])
def test_a_more_skilled_critic_is_right_wherever_a_less_skilled_one_is(answers, less, more):
    right, also = (answers[skill] == answers[100] for skill in (less, more))
    assert also[right].all() and also.sum() > right.sum()


@pytest.mark.parametrize(
    ("changes", "wrong"),
    [
        ({}, ()),
        ({"shown": (False, True)}, ("first",)),
        ({"shown": (True, False)}, ("second",)),
        ({"arrangement": "balancing"}, ("relation",)),
        ({"background": "at night"}, ("background",)),
        ({"arrangement": "balancing", "background": "at night"}, ("relation", "background")),
        ({"shown": (False, False), "background": "at night"}, ("first", "second", "background")),
    ],
)
def test_a_perfect_critic_names_what_is_wrong_and_adds_its_sentences(drawn, changes, wrong):
    places = [FACTS.index(fact) for fact in wrong]
    reply = ask("planted-critic-100", drawn(**changes))
    assert named(reply) == {PARTS[place] for place in places}
    assert last_brackets(reply) == " ".join([PROMPT, *(fact_sentences(MEANT)[place] for place in places)])


def test_an_answer_depends_on_the_pixels_alone(drawn):
    images = drawn(), drawn("b.png"), drawn("c.png", dx=8)
    replies = [[ask("planted-critic-50", image, parts=(part,)) for part in PARTS] for image in images]
    assert replies[0] == replies[1] != replies[2]


def test_parts_are_those_of_the_prompt_without_a_decomposition(drawn):
    reply = ask("planted-critic-100", drawn(shown=(True, False), background="at night"), parts=())
    assert named(reply) == {"a book"}  # it looks for things alone, as the critic by rule


def test_prompts_of_other_worlds_are_answered_too(drawn):
    reply = ask("planted-critic-100", drawn(), "A cat and a whale.", ("whale near cat",))
    assert named(reply) == set() and "Not checked" in reply


@pytest.mark.parametrize("model", ["planted-critic", "planted-critic-", *(f"planted-critic-{n}" for n in
                                   ("0", "49", "101", "1000", "-80", "80%", "80.5", "perfect", "80 "))])  # fmt: skip
def test_a_name_without_a_skill_says_what_to_write(drawn, model):
    with pytest.raises(InputError, match="write planted-critic- and the share .* such as planted-critic-80") as error:
        ask(model, drawn())
    assert repr(model) in str(error.value)


@pytest.mark.parametrize(("role", "model"), [("judge", "planted-critic-80"), ("critique", "m"), ("refine", "m")])
def test_other_requests_are_not_for_them(role, model):
    assert not planted_critic.is_planted(Request(role, "offline", model, []))
