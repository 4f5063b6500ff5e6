"""Words of the small vision-language model: one token each, and texts that come back as they were."""

import re

import numpy as np
import pytest

from detailscribe.miniature.vlm.lessons import random_lesson
from detailscribe.miniature.vlm.network import IGNORED, token_batch
from detailscribe.miniature.vlm.processor import processor
from detailscribe.miniature.vlm.tokens import (
    END,
    IMAGE,
    IMAGE_TOKENS,
    MARKS,
    PAD,
    UNKNOWN,
    critique_question,
    mark_question,
    pair_question,
    part_question,
    tokenizer,
    vocabulary,
)
from detailscribe.miniature.world.captions import world_words

LESSONS = [random_lesson(np.random.default_rng(seed)) for seed in range(250)]


def ids_of(text: str) -> list[int]:
    return tokenizer()(text, add_special_tokens=False).input_ids


def test_ids_are_places_in_the_vocabulary():
    pieces = list(vocabulary())
    assert len(set(pieces)) == len(pieces) == len(tokenizer())
    assert tokenizer().convert_tokens_to_ids(pieces) == list(range(len(pieces)))
    assert pieces[:4] == [PAD, END, UNKNOWN, IMAGE]
    assert (tokenizer().pad_token, tokenizer().eos_token) == (PAD, END)


@pytest.mark.parametrize("text", [*MARKS, "yes", "no"])
def test_a_mark_or_an_answer_is_one_token(text):
    (token,) = ids_of(text)
    assert vocabulary()[token] == f"▁{text}" and tokenizer().decode([token]) == text


def test_every_word_of_the_world_is_one_token_with_its_capital_or_without():
    words = [form for word in world_words() if word.isalpha() for form in (word, word.capitalize())]
    assert ids_of(" ".join(words)) == [vocabulary().index(f"▁{word}") for word in words]


def test_every_text_of_a_lesson_comes_back_word_by_word():
    for question, answer in (turn for lesson in LESSONS for turn in lesson.turns):
        for text in (question, answer):
            ids = ids_of(text)
            assert tokenizer().decode(ids) == text
            assert len(ids) == len(re.findall(r"\w+|[^\w ]", text)), tokenizer().convert_ids_to_tokens(ids)
            assert vocabulary().index(UNKNOWN) not in ids


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A zebra, 42 of them: <Why?>", "A zebra, 42 of them: <Why?>"),
        ("two lines\nof it", "two lines\nof it"),
        ("CAT", "CAT"),
        ("¿qué?", "<unk>qu<unk>?"),
    ],
)
def test_other_text_is_read_letter_by_letter(text, shown):
    assert tokenizer().decode(ids_of(text)) == shown


def test_questions_of_different_tasks_begin_differently():
    prompt = "A cat holding a guitar at night."
    asked = [critique_question(prompt), part_question("a cat"), mark_question(prompt), pair_question(prompt)]
    assert len({ids_of(text)[0] for text in asked}) == 4
    assert critique_question(prompt, ("a cat", "at night")) == f"critique: {prompt} parts: a cat; at night"


@pytest.mark.parametrize("lesson", [*LESSONS[:40]], ids=lambda lesson: lesson.turns[0][0].partition(":")[0])
def test_a_lesson_is_written_as_the_chat_template_writes_a_request(lesson):
    """Otherwise the model would be asked in another form than it was taught."""
    question, answer = lesson.turns[0]
    content = [*({"type": "image"} for _ in lesson.scenes), {"type": "text", "text": question}]
    text = processor().apply_chat_template([{"role": "user", "content": content}], add_generation_prompt=True)
    images = [np.zeros((96, 96, 3), np.uint8)] * len(lesson.scenes)
    asked = processor()(text=text, images=images).input_ids[0]
    ids, mask, answers = (each[0].tolist() for each in token_batch([lesson]))
    assert ids[: len(asked)] == list(asked) and set(answers[: len(asked)]) == {IGNORED}
    assert ids.count(vocabulary().index(IMAGE)) == IMAGE_TOKENS * len(lesson.scenes)
    said = [*ids_of(answer), vocabulary().index(END)]
    assert answers[len(asked) : len(asked) + len(said)] == ids[len(asked) : len(asked) + len(said)] == said
    assert set(mask) == {1}
