"""The scene world: what it says is what it shows, and its noise is as it is told."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest

from detailscribe.errors import SetupError
from detailscribe.miniature import judge, world
from detailscribe.miniature.sprites import font_file

SCENES = [
    world.Scene(name, *world.pairings(name)[at], background)
    for name in world.ARRANGEMENTS
    for at, background in ((0, "on the grass"), (30, "at night"))
]


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.arrangement)
def test_a_caption_is_read_back(scene, rng):
    for _ in range(20):
        assert world.parse(world.caption(scene, rng, background=True)) == scene


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
def test_other_prompts_are_no_scene(prompt):
    assert world.parse(prompt) is None


def test_later_sentences_do_not_change_what_a_prompt_means():
    scene = world.parse("A cat holding a guitar on the beach. There is a guitar on the right. Every object in detail.")
    assert scene == world.Scene("holding", "cat", "guitar", "on the beach")


def test_an_eighth_of_the_pairings_is_held_out_and_never_drawn_for_training(rng):
    pairings = [(name, *pair) for name in world.ARRANGEMENTS for pair in world.pairings(name)]
    held = {pairing for pairing in pairings if world._eighth(pairing)}
    assert 0.08 < len(held) / len(pairings) < 0.17
    for _ in range(3000):
        scene = world.random_scene(rng)
        shown, _ = world.training_pair(scene, rng)
        wrong = world.wrong_scene(scene, rng)
        for each in (scene, shown, wrong):
            assert (each.arrangement, each.first, each.second) not in held


def test_prompts_for_the_figures_have_held_out_pairings():
    scenes = world.held_out_prompts(64, seed=1)
    assert len(set(scenes)) == 64
    assert all(world.held_out(scene) for scene in scenes)
    assert set(Counter(scene.arrangement for scene in scenes).values()) == {8}


def test_what_a_caption_says_is_shown_and_the_rest_is_as_noisy_as_told(rng):
    seen = {"plain neglected": [], "plain": [], "slip": []}
    for _ in range(6000):
        scene = world.random_scene(rng)
        shown, text = world.training_pair(scene, rng)
        said = [[world.sentence(scene, which, placed) in text for placed in (False, True)] for which in range(2)]
        for which in range(2):
            assert shown.shown[which] or not any(said[which])
        if any(placed for _, placed in said):
            assert shown.arrangement == scene.arrangement
        else:
            seen["slip"].append(shown.arrangement != scene.arrangement)
        if not any(said[1]):
            kind = "plain neglected" if scene.second in world.NEGLECTED else "plain"
            seen[kind].append(not shown.shown[1])
    assert np.mean(seen["plain neglected"]) == pytest.approx(world.NEGLECT, abs=0.04)
    assert np.mean(seen["plain"]) == pytest.approx(world.RARELY_MISSING, abs=0.03)
    # A slip into what is held out does not happen.
    assert 0.7 * world.SLIP < np.mean(seen["slip"]) < 1.05 * world.SLIP


def test_a_wrong_scene_differs_in_one_thing(rng):
    for _ in range(300):
        scene = world.random_scene(rng)
        wrong = world.wrong_scene(scene, rng, any_part=True)
        parts = ("arrangement", "first", "second")
        assert sum(getattr(scene, part) != getattr(wrong, part) for part in parts) == 1


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.arrangement)
def test_true_phrases_are_those_of_what_is_shown(scene):
    true, open_ = world.true_phrases(scene)
    assert set(world.components(scene)) <= true
    assert true - set(world.phrases()) <= {"its head", "each other"}
    assert not true & open_
    nothing, _ = world.true_phrases(replace(scene, shown=(False, False)))
    assert len(nothing) == 1


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.arrangement)
def test_ground_truth_boxes_hold_and_others_do_not(scene, rng):
    def centres(scene):
        return [(entity, x, y) for entity, x, y, _ in scene.boxes()]

    for dx in scene.plan.dx:
        assert judge.holds(scene, centres(replace(scene, dx=dx))) == (True, True, True)
    assert judge.holds(scene, centres(replace(scene, shown=(True, False)))) == (True, False, False)
    assert judge.holds(scene, []) == (False, False, False)
    moved = world.wrong_scene(scene, rng, ("place",), any_part=True)
    assert judge.holds(scene, centres(moved))[2] is False


def test_a_scene_shows_its_sprites(sprites):
    scene = SCENES[0]
    image = world.draw(scene, sprites)
    bare = world.draw(replace(scene, shown=(False, False)), sprites)
    assert image.shape == (96, 96, 3) and image.dtype == np.uint8
    changed = (image != bare).any(-1)
    for _, x, y, side in scene.boxes():
        assert changed[y - side // 4 : y + side // 4, x - side // 4 : x + side // 4].mean() > 0.5


def test_a_collage_tells_what_lies_where(rng, sprites):
    image, boxes, spoilt = world.collage(rng, sprites, spoil=0.5)
    assert image.shape == (96, 96, 3)
    assert 2 <= len(boxes) + len(spoilt) <= 7


def test_a_missing_font_is_named_with_the_way_out(monkeypatch, tmp_path):
    monkeypatch.setenv("NOTO_COLOR_EMOJI", str(tmp_path / "none.ttf"))
    with pytest.raises(SetupError, match="fonts-noto-color-emoji"):
        font_file()
