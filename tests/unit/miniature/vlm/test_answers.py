"""Answers of the trained vision-language model on unseen scenes, their probabilities, and when the rules answer."""

import asyncio
import re
import sys

import numpy as np
import pytest
from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.llm.openai_api.token_probabilities import token_probabilities
from detailscribe.llm.request import Answer, Request
from detailscribe.methods.reply_parsing import is_refusal, judge_score, last_brackets, pair_value, yes_or_no
from detailscribe.miniature import stand_in
from detailscribe.miniature.stand_in_provider import OfflineProvider
from detailscribe.miniature.vlm.answers import answer, answers
from detailscribe.miniature.vlm.lessons import failed_scene, mark
from detailscribe.miniature.vlm.requests import MODEL, SERVED
from detailscribe.miniature.vlm.tokens import MARKS, critique_question, mark_question, pair_question, part_question
from detailscribe.miniature.world.captions import random_caption
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.facts import FACTS, fact_phrases, true_facts
from detailscribe.miniature.world.scenes import Scene, random_scene
from detailscribe.scores.judges.remarks import remarks_of

MEANT = Scene("riding", "cat", "book", "in the snow")
PROMPT = "A cat riding a book in the snow."
SCENES = 24
FIELDS = {"prompt": PROMPT, "topic": "t"}


@pytest.fixture(scope="module")
def drawn(sprites) -> list[tuple[str, Scene, tuple[bool, ...], Image.Image]]:
    """Captions, scenes as meant, which facts are right, and images; none of them was trained on."""
    rng, found = np.random.default_rng(8), []
    for _ in range(SCENES):
        meant = random_scene(rng, held_out=True)
        shown = failed_scene(meant, rng)
        caption = random_caption(meant, rng, True)
        found.append((caption, meant, true_facts(shown, meant), Image.fromarray(draw_scene(shown, sprites))))
    return found


@pytest.fixture
def image(tmp_path, sprites):
    path = tmp_path / "a.png"
    Image.fromarray(draw_scene(MEANT, sprites)).save(path)
    return path


PROBABILITIES = {"logprobs": True, "top_logprobs": 20}


def ask(role: str, *images, model: str = MODEL, options: dict = PROBABILITIES, **fields) -> Answer:
    fields = FIELDS | ({"part": "a cat"} if role == "judge_part" else {}) | fields
    request = Request(role, "o", model, [{"role": "user", "content": "x"}], images, options, fields=fields)
    return asyncio.run(OfflineProvider("o", {"kind": "offline"}).answer(request))


def test_critiques_of_unseen_scenes_are_mostly_right(drawn):
    asked = [critique_question(caption, fact_phrases(meant) if at % 2 else ()) for at, (caption, meant, *_) in
             enumerate(drawn)]  # fmt: skip
    texts = [text for text, _ in answers(asked, [[image] for *_, image in drawn])]
    right = []
    for text, (caption, meant, facts, _) in zip(texts, drawn, strict=True):
        wrong = {remark.partition(":")[0] for remark in remarks_of(text)}
        right.append([(phrase in wrong) is not fact for phrase, fact in zip(fact_phrases(meant), facts, strict=True)])
        assert last_brackets(text).startswith(caption)
    shares = dict(zip(FACTS, np.mean(right, 0), strict=True))
    assert np.mean(right) >= 0.8 and min(shares.values()) > 0.6, shares


def test_yes_and_no_about_parts_are_mostly_right(drawn):
    phrases = [(phrase, image) for _, meant, _, image in drawn for phrase in fact_phrases(meant)]
    facts = [fact for _, _, of_scene, _ in drawn for fact in of_scene]
    said = [text for text, _ in answers([part_question(each) for each, _ in phrases], [[each] for _, each in phrases])]
    assert set(said) == {"yes", "no"}
    right = np.mean([(text == "yes") is fact for text, fact in zip(said, facts, strict=True)])
    assert right >= 0.75


def test_marks_and_comparisons_follow_the_wrong_facts(drawn):
    images, truths = [[each] for *_, each in drawn], [mark(facts) for _, _, facts, _ in drawn]
    marks = [text for text, _ in answers([mark_question(caption) for caption, *_ in drawn], images)]
    assert set(marks) <= {*MARKS}
    off = np.abs(np.subtract([*map(int, marks)], truths)).mean()
    related = np.corrcoef([*map(int, marks)], truths)[0, 1]
    orders = answers([pair_question(caption) for caption, *_ in drawn], [each * 2 for each in images])
    apart = np.abs(np.subtract([int(text) for text, _ in orders], 3)).mean()
    assert off < 0.7 and related > 0.5 and apart < 0.7, (off, related, apart)


@pytest.mark.parametrize(
    ("role", "pictures", "pattern"),
    [
        ("judge", 1, r"▁?[1-5]"),
        ("judge_part", 1, r"▁?(yes|no)"),
        ("judge_pair", 2, r"▁?[1-5]"),
        ("critique", 1, r"▁?1"),
    ],
)
def test_an_answer_comes_with_the_probabilities_of_its_tokens(image, role, pictures, pattern):
    answered = ask(role, *[image] * pictures)
    assert (answered.status, answered.served_model) == ("ok", SERVED)
    assert answered.finish_reason == "stop" and answered.text == answered.body["choices"][0]["message"]["content"]
    tokens, problem = token_probabilities(answered.body)
    assert problem == "" and "".join(token.text for token in tokens).strip() == answered.text
    assert re.fullmatch(pattern, answered.body["choices"][0]["logprobs"]["content"][0]["token"])
    for token in tokens:
        probabilities = [each for _, each in token.alternatives]
        assert probabilities == sorted(probabilities, reverse=True) and 0 < sum(probabilities) <= 1 + 1e-4
        assert token.alternatives[0][0] == token.text, "the most probable token is said"
    entry = answered.body["choices"][0]["logprobs"]["content"][0]["top_logprobs"]
    assert len(entry) == 10 and all(each["logprob"] <= 0 for each in entry)
    usage = answered.body["usage"]
    assert answered.usage == {"input_tokens": usage["prompt_tokens"], "output_tokens": usage["completion_tokens"]}
    assert usage["completion_tokens"] == len(tokens) + 1 and usage["prompt_tokens"] > 36 * pictures


def test_replies_are_marks_alone_and_a_refined_prompt_in_brackets(image):
    assert judge_score(f"<{ask('judge', image).text}>") in (1, 2, 3, 4, 5)
    assert yes_or_no(f"<{ask('judge_part', image).text}>") in (0.0, 1.0)
    assert pair_value(f"<{ask('judge_pair', image, image).text}>") in (-1, -0.5, 0, 0.5, 1)
    assert last_brackets(ask("critique", image, components=list(fact_phrases(MEANT))).text).startswith(PROMPT)


@pytest.mark.parametrize(("role", "pictures"), [("judge", 1), ("judge_part", 1), ("judge_pair", 2)])
def test_a_judge_that_reads_no_probabilities_gets_its_mark_in_brackets(image, role, pictures):
    bare, sampled = (ask(role, *[image] * pictures, options=options).text for options in (PROBABILITIES, {}))
    assert sampled == f"<{bare}>"


def test_the_same_question_has_the_same_answer(image):
    assert ask("critique", image) == ask("critique", image)


@pytest.mark.parametrize(
    ("role", "fields"),
    [
        ("critique", {"prompt": "A beaver cuts a log."}),
        ("critique", {"prompt": f"{PROMPT} There is a cat in sharp detail."}),
        *((role, {}) for role in ("decompose", "refine", "rewrite")),
    ],
)
def test_what_is_no_task_of_it_is_answered_by_the_rules(image, role, fields):
    answered, by_rules = ask(role, image, **fields), ask(role, image, model="offline-stand-in", **fields)
    assert answered == by_rules
    assert (answered.status, answered.served_model, answered.body) == ("ok", stand_in.MODEL, None)


@pytest.mark.parametrize(
    ("role", "fields", "named"),
    [
        ("judge", {"prompt": "A beaver cuts a log."}, "cannot check beaver, cuts, log"),
        ("judge", {"structured": True}, ""),
        ("judge", {"scale": "yes_no"}, ""),
        ("judge_pair", {"prompt": "A cat and a whale."}, "cannot check whale"),
        ("judge_part", {"part": "a whale"}, "cannot check whale"),
        ("judge_remark", {"remark": "a whale: not in the image."}, "cannot check whale"),
    ],
)
def test_no_rule_judges_in_its_place(image, role, fields, named):
    answered = ask(role, image, image, **fields) if role == "judge_pair" else ask(role, image, **fields)
    assert (answered.status, answered.served_model, answered.text, answered.body) == ("refused", SERVED, "", None)
    assert named in answered.reason and is_refusal(answered.reason)


def test_answers_of_a_batch_are_those_of_single_questions(drawn):
    """Padding stands before the questions and changes no word."""
    asked, images = [], []
    for caption, meant, _, image in drawn[:3]:
        asked += [mark_question(caption), critique_question(caption, fact_phrases(meant)), pair_question(caption)]
        images += [[image], [image], [image, image]]
    for (text, body), question, shown in zip(answers(asked, images), asked, images, strict=True):
        alone, alone_body = answer(question, shown)
        assert text == alone and body["usage"] == alone_body["usage"]
        logs, alone_logs = (
            [token["logprob"] for token in each["choices"][0]["logprobs"]["content"]] for each in (body, alone_body)
        )
        assert np.allclose(logs, alone_logs, atol=1e-3)


def test_a_planted_critic_is_served_under_its_name(image):
    answered = ask("critique", image, model="planted-critic-100", components=list(fact_phrases(MEANT)))
    assert answered.served_model == "planted-critic-100" and remarks_of(answered.text) == []


def test_an_unreadable_image_is_a_failure(tmp_path):
    (tmp_path / "a.png").write_bytes(b"\x89PNG\r\n\x1a\n but no more")
    for model in (MODEL, "planted-critic-80", "offline-stand-in"):
        answered = ask("critique", tmp_path / "a.png", model=model)
        assert answered.status == "failed" and "could not be read" in answered.reason


def test_without_its_packages_it_names_the_remedy(image, monkeypatch):
    monkeypatch.setitem(sys.modules, "detailscribe.miniature.vlm.answers", None)
    with pytest.raises(SetupError, match="--software-deployment-method"):
        ask("judge", image)
