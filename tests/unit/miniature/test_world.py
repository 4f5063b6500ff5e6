"""Scene world: captions, splits, phrases and drawings agree with each other."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from detailscribe.errors import SetupError
from detailscribe.miniature.judge import check_scene
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.captions import parse_prompt, random_caption
from detailscribe.miniature.world.drawing import draw_scene, random_collage
from detailscribe.miniature.world.facts import fact_phrases, fact_sentences, phrases_to_ask
from detailscribe.miniature.world.noise import training_pair, wrong_scene
from detailscribe.miniature.world.phrases import known_phrases, true_phrases
from detailscribe.miniature.world.scenes import (
    Scene,
    held_out_scenes,
    is_held_out,
    is_held_out_pairing,
    pairings,
    random_scene,
)
from detailscribe.miniature.world.sprites import font_file

SCENES = [
    Scene(name, *pairings(name)[at], background)
    for name in ARRANGEMENTS
    for at, background in ((0, "on the grass"), (30, "at night"))
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.arrangement)
def test_a_caption_is_parsed_back(scene, rng):
    for _ in range(20):
        assert parse_prompt(random_caption(scene, rng, background=True)) == scene


@pytest.mark.parametrize(
    "prompt",
    [
        "A raccoon kneads dough.",
        "A cat holding a cat.",
        "A guitar holding a cat.",
        "",
        "A cat riding guitars at night.",
    ],
)
def test_other_prompts_are_not_parsed(prompt):
    assert parse_prompt(prompt) is None


def test_later_sentences_do_not_change_what_a_prompt_means():
    scene = Scene("holding", "cat", "guitar", "on the beach")
    for added in (*fact_sentences(scene), "There is a guitar on the right.", "Every object in detail."):
        assert parse_prompt(f"A cat holding a guitar on the beach. {added} It is all at night.") == scene


def test_an_eighth_of_the_pairings_is_held_out_from_training(rng):
    every = [(name, *pair) for name in ARRANGEMENTS for pair in pairings(name)]
    held = {pairing for pairing in every if is_held_out_pairing(*pairing)}
    assert 0.08 < len(held) / len(every) < 0.17
    for _ in range(3000):
        scene = random_scene(rng)
        shown, _ = training_pair(scene, rng)
        wrong = wrong_scene(scene, rng)
        for each in (scene, shown, wrong):
            assert (each.arrangement, each.first, each.second) not in held


def test_prompts_for_the_figures_have_held_out_pairings():
    scenes = held_out_scenes(64, seed=1)
    assert len(set(scenes)) == 64
    assert all(is_held_out(scene) for scene in scenes)
    assert set(Counter(scene.arrangement for scene in scenes).values()) == {8}


def test_a_wrong_scene_differs_in_one_thing(rng):
    for _ in range(300):
        scene = random_scene(rng)
        wrong = wrong_scene(scene, rng, any_split=True)
        parts = ("arrangement", "first", "second")
        assert sum(getattr(scene, part) != getattr(wrong, part) for part in parts) == 1


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.arrangement)
def test_true_phrases_are_those_of_what_is_shown(scene):
    true, undecided = true_phrases(scene)
    prompt = random_caption(scene, np.random.default_rng(0), background=True)
    assert {asked for phrase in fact_phrases(scene) for asked, _ in phrases_to_ask(prompt, phrase)} <= true
    assert true - set(known_phrases()) <= {"its head", "each other"}
    assert not true & undecided
    nothing, _ = true_phrases(replace(scene, shown=(False, False)))
    assert len(nothing) == 1


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.arrangement)
def test_the_judge_accepts_ground_truth_boxes_only(scene, rng):
    def centres(scene):
        return [(entity, x, y) for entity, x, y, _ in scene.boxes()]

    for dx in scene.layout.dx:
        assert check_scene(scene, centres(replace(scene, dx=dx))) == (True, True, True)
    assert check_scene(scene, centres(replace(scene, shown=(True, False)))) == (True, False, False)
    assert check_scene(scene, []) == (False, False, False)
    moved = wrong_scene(scene, rng, ("place",), any_split=True)
    assert check_scene(scene, centres(moved))[2] is False


def test_a_scene_shows_its_sprites(sprites):
    scene = SCENES[0]
    image = draw_scene(scene, sprites)
    bare = draw_scene(replace(scene, shown=(False, False)), sprites)
    assert image.shape == (96, 96, 3) and image.dtype == np.uint8
    changed = (image != bare).any(-1)
    for _, x, y, side in scene.boxes():
        assert changed[y - side // 4 : y + side // 4, x - side // 4 : x + side // 4].mean() > 0.5


def test_a_collage_returns_its_boxes(rng, sprites):
    image, boxes, spoilt = random_collage(rng, sprites, corrupted_share=0.5)
    assert image.shape == (96, 96, 3)
    assert 2 <= len(boxes) + len(spoilt) <= 7


def test_a_missing_font_is_named_with_a_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTO_COLOR_EMOJI", str(tmp_path / "none.ttf"))
    with pytest.raises(SetupError, match="fonts-noto-color-emoji"):
        font_file()
