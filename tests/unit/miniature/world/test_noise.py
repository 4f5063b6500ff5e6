"""Noise of the training captions: what a sentence says is true, everything else fails as often as stated."""

from dataclasses import replace

import numpy as np
import pytest

from detailscribe.miniature.world import noise
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.facts import FACTS, fact_sentences, sentences_read, true_facts
from detailscribe.miniature.world.noise import CONFUSED_WITH, training_pair, with_failures
from detailscribe.miniature.world.scenes import Scene, is_held_out, pairings, random_scene
from detailscribe.miniature.world.vocabulary import BACKGROUNDS, MOODS, OBJECTS

DRAWN = 4000
NEGLECTED = min(noise.NEGLECTED & {*OBJECTS})
SHARES = [  # fact, second entity or None for any, share of images in which it is wrong
    ("first", None, noise.FIRST_MISSING),
    ("second", True, noise.NEGLECT),
    ("second", False, noise.SOMETIMES_MISSING),
    ("relation", None, noise.CONFUSED_RELATION),
    ("background", None, noise.CONFUSED_BACKGROUND),
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def read_facts(scene: Scene, text: str) -> list[int]:
    """The facts whose sentences a text adds within its room."""
    sentences = fact_sentences(scene)
    added = [each for each in sorted(sentences, key=text.find) if each in text]
    caption = text[: min([len(text), *(text.find(each) for each in (*added, *MOODS) if each in text)])].strip()
    read = sentences_read(caption, added)
    return [sentences.index(each) for each, is_read in zip(added, read, strict=True) if is_read]


def test_what_a_sentence_says_that_is_read_is_true_of_the_image(rng):
    counts = np.zeros((len(FACTS), 2), int)
    for _ in range(DRAWN):
        scene = random_scene(rng)
        drawn, text = training_pair(scene, rng)
        right, read = true_facts(drawn, scene), read_facts(scene, text)
        assert all(right[fact] for fact in read), (text, drawn)
        assert len(read) <= 3
        for fact in range(len(FACTS)):
            counts[fact] += (fact in read, fact not in read and not right[fact])
    assert counts.min() > DRAWN / 20  # each fact is both named and wrong, often enough to be learnt


def test_sentences_beyond_the_room_promise_nothing(rng):
    """Captions with all four sentences: the last ones fail as if they were not there."""
    wrong = []
    for _ in range(DRAWN):
        scene = random_scene(rng)
        drawn, text = training_pair(scene, rng)
        if all(each in text for each in fact_sentences(scene)):
            read, right = read_facts(scene, text), true_facts(drawn, scene)
            wrong += [not right[fact] for fact in range(len(FACTS)) if fact not in read]
    assert len(wrong) > 300 and np.mean(wrong) > 0.4


@pytest.mark.parametrize(("fact", "is_neglected", "share"), SHARES)
def test_a_fact_that_nothing_names_fails_as_often_as_stated(rng, monkeypatch, fact, is_neglected, share):
    monkeypatch.setattr(noise, "is_held_out", lambda scene: False)  # confusions into the other split do not happen
    others, wrong = {each for each in FACTS if each != fact}, []
    while len(wrong) < DRAWN:
        scene = random_scene(rng)
        if is_neglected in (None, scene.second in noise.NEGLECTED):
            right = true_facts(with_failures(scene, others, rng), scene)
            assert all(right[i] for i, name in enumerate(FACTS) if name in others)
            wrong.append(not right[FACTS.index(fact)])
    assert np.mean(wrong) == pytest.approx(share, abs=4 * np.sqrt(share * (1 - share) / DRAWN))


def test_half_of_the_wrong_patterns_have_half_of_their_pieces(rng):
    scene = Scene("row", "cat", NEGLECTED, "on the beach")
    drawn = [with_failures(scene, {"first", "relation", "background"}, rng) for _ in range(DRAWN)]
    wrong = [each for each in drawn if not true_facts(each, scene)[1]]
    few = [each for each in wrong if each.few]
    assert len(few) / len(wrong) == pytest.approx(noise.FEW, abs=0.04)
    assert all(each.shown[1] for each in few) and not any(each.shown[1] for each in wrong if not each.few)
    assert not any(each.few for each in drawn if each not in wrong)


@pytest.mark.parametrize("name", [name for name, layout in ARRANGEMENTS.items() if layout.is_pattern])
def test_too_few_pieces_are_every_other_one(name):
    whole = Scene(name, *pairings(name)[0], "at night")
    few = replace(whole, few=True)
    assert few.boxes()[0] == whole.boxes()[0]
    assert few.boxes()[1:] == whole.boxes()[1::2]
    assert len(few.boxes()) - 1 == (len(whole.boxes()) - 1) / 2


def test_only_patterns_have_too_few_pieces_and_no_image_is_empty(rng):
    for _ in range(DRAWN):
        drawn = with_failures(random_scene(rng), set(), rng)
        assert any(drawn.shown)
        assert not drawn.few or (drawn.layout.is_pattern and drawn.shown[1])


@pytest.mark.parametrize("held_out", [False, True])
def test_failures_draw_no_held_out_scene_unless_it_is_meant(rng, held_out):
    drawn = []
    for _ in range(DRAWN):
        scene = random_scene(rng, held_out)
        drawn.append((scene, with_failures(scene, set(), rng)))
    assert any(is_held_out(each) for _, each in drawn) is held_out
    assert {each.background for _, each in drawn} == {*BACKGROUNDS}


def test_all_facts_named_is_the_scene_itself(rng):
    for _ in range(200):
        scene = random_scene(rng)
        assert with_failures(scene, {*FACTS}, rng) == scene


def test_a_confusion_is_another_place_or_relation_of_the_same_scenario():
    assert {*CONFUSED_WITH} == {*ARRANGEMENTS, *BACKGROUNDS}
    for name, other in CONFUSED_WITH.items():
        if name in BACKGROUNDS:
            assert other in BACKGROUNDS and other != name
        else:
            assert ARRANGEMENTS[other].scenario == ARRANGEMENTS[name].scenario
            assert pairings(other) == pairings(name)


def test_two_animals_on_each_other_change_places_with_what_is_missing(rng, monkeypatch):
    monkeypatch.setattr(noise, "is_held_out", lambda scene: False)
    scene, kinds = Scene("standing", "cat", "dog", "at night"), set()
    for _ in range(300):
        drawn = with_failures(scene, {"background"}, rng)
        kinds.add((drawn.first, drawn.shown))
        for name, is_shown in zip((drawn.first, drawn.second), drawn.shown, strict=True):
            assert true_facts(drawn, scene)[0 if name == "cat" else 1] is is_shown
    assert kinds == {(name, shown) for name in ("cat", "dog") for shown in ((True, True), (True, False), (False, True))}
