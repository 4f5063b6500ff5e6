"""Facts of a prompt: phrases and sentences of each scene, what is true of a drawn one, and the room of a prompt."""

from dataclasses import replace
from itertools import permutations

import pytest

from detailscribe.miniature.models.sd3_text import T5_TOKENS, t5_tokenizer
from detailscribe.miniature.stand_in_words import can_check
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.captions import parse_prompt, second_phrase
from detailscribe.miniature.world.facts import (
    FACTS,
    ROOM_TOKENS,
    fact_phrases,
    fact_sentences,
    is_known,
    phrases_to_ask,
    sentence_of,
    sentences_read,
    true_facts,
)
from detailscribe.miniature.world.phrases import known_phrases
from detailscribe.miniature.world.scenes import Scene, pairings
from detailscribe.miniature.world.vocabulary import BACKGROUNDS, with_article

SCENES = [
    Scene(name, *pairings(name)[at], background)
    for name in ARRANGEMENTS
    for at in (0, 9, -1)  # with each article
    for background in BACKGROUNDS
]
MEANT = Scene("holding", "cat", "guitar", "on the beach")
ROW = Scene("row", "cat", "cakes", "on the beach")
STANDING = Scene("standing", "cat", "dog", "at night")
ALL, NONE = (True, True, True, True), (False, False, True, True)


def captions(scene: Scene) -> list[str]:
    """Every caption of a scene that names its background."""
    texts = [text.format(a=with_article(scene.first), b=second_phrase(scene)) for text in scene.layout.templates]
    return [each for text in texts for each in (f"{text} {scene.background}.", f"{scene.background}, {text}.")]


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: f"{scene.arrangement} {scene.background}")
def test_phrases_of_any_caption_lead_to_their_sentences_and_to_questions(scene):
    phrases, sentences = fact_phrases(scene), fact_sentences(scene)
    assert len({*phrases}) == len({*sentences}) == len(FACTS)
    for prompt in (text[0].upper() + text[1:] for text in captions(scene)):
        assert fact_phrases(parse_prompt(prompt)) == phrases
        assert [sentence_of(prompt, phrase) for phrase in phrases] == [*sentences]
        full = " ".join([prompt, *sentences])
        assert parse_prompt(full) == scene and can_check(full), "a judge reads a prompt with all its sentences"
        for phrase in phrases:
            assert is_known(prompt, phrase) and can_check(phrase)
            asked = phrases_to_ask(prompt, phrase)
            assert {phrase for pair in asked for phrase in pair} <= set(known_phrases())
            assert len(asked) == (2 if phrase == phrases[2] else 1)


@pytest.mark.parametrize(
    ("prompt", "phrase", "known"),
    [
        ("A cat holding a guitar on the beach.", "a dog", True),  # a thing of this world, and no fact of this prompt
        ("A cat holding a guitar on the beach.", "at night", False),
        ("A cat holding a guitar on the beach.", "paw holds guitar", False),
        ("A beaver cuts a log.", "a cat", True),
        ("A beaver cuts a log.", "beaver cuts log", False),
    ],
)
def test_other_phrases_have_no_sentence(prompt, phrase, known):
    assert sentence_of(prompt, phrase) is None
    assert is_known(prompt, phrase) is known


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("name", ARRANGEMENTS)
def test_the_room_ends_after_two_sentences(name, background):
    for scene in (each for each in SCENES if (each.arrangement, each.background) == (name, background)):
        for caption in captions(scene):
            for sentences in permutations(fact_sentences(scene)):
                read = sentences_read(caption, list(sentences))
                assert read[:2] == [True, True] and read[3] is False
                assert read[2] is fits(scene, caption, sentences), (caption, sentences)


def fits(scene: Scene, caption: str, sentences: tuple[str, ...]) -> bool:
    """Whether a third sentence has room: the shortest three after the shortest captions do."""
    left_out = fact_sentences(scene).index(sentences[3])
    is_short = len(caption.split()) == 7 and "," not in caption and scene.background == "at night"
    return is_short and FACTS[left_out] in ("first", "second")


@pytest.mark.parametrize("scene", SCENES[::5], ids=lambda scene: scene.arrangement)
def test_the_room_is_counted_in_tokens_of_the_image_model(scene):
    assert T5_TOKENS == ROOM_TOKENS
    for caption in captions(scene):
        for sentences in permutations(fact_sentences(scene), 3):
            read = sentences_read(caption, list(sentences))
            for count, is_read in enumerate(read, 1):
                ids = t5_tokenizer()(" ".join([caption, *sentences[:count]])).input_ids
                assert is_read is (len(ids) <= T5_TOKENS)
                assert t5_tokenizer().unk_token_id not in ids


@pytest.mark.parametrize(
    ("meant", "changes", "expected"),
    [
        (MEANT, {}, ALL),
        (MEANT, {"dx": 8, "dy": -8}, ALL),
        (MEANT, {"shown": (False, True)}, (False, True, True, True)),
        (MEANT, {"shown": (True, False)}, (True, False, True, True)),
        (MEANT, {"shown": (False, False)}, NONE),
        (MEANT, {"arrangement": "balancing"}, (True, True, False, True)),
        (MEANT, {"arrangement": "balancing", "shown": (True, False)}, (True, False, False, True)),
        (MEANT, {"background": "in the snow"}, (True, True, True, False)),
        (MEANT, {"first": "dog"}, (False, True, True, True)),
        (MEANT, {"second": "ball", "background": "at night"}, (True, False, True, False)),
        (ROW, {"few": True}, (True, False, True, True)),
        (ROW, {"arrangement": "zigzag"}, (True, True, False, True)),
        (ROW, {"arrangement": "zigzag", "few": True}, (True, False, False, True)),
        (STANDING, {"first": "dog", "second": "cat"}, (True, True, False, True)),
        (STANDING, {"first": "dog", "second": "cat", "shown": (False, True)}, (True, False, False, True)),
        (STANDING, {"first": "dog", "second": "cat", "shown": (True, False)}, (False, True, False, True)),
    ],
)
def test_facts_that_are_true_of_a_drawn_scene(meant, changes, expected):
    assert true_facts(replace(meant, **changes), meant) == expected
