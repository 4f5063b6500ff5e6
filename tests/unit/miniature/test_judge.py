"""What the judge sees of drawn scenes: the background, and each fact that the world says is true."""

import io
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from detailscribe.miniature.judge import background_of
from detailscribe.miniature.stand_in_seeing import Seen, entities_of, facts_shown, look, look_at_file, relation_stands
from detailscribe.miniature.vlm.lessons import failed_scene
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.facts import FACTS, true_facts
from detailscribe.miniature.world.noise import CONFUSED_WITH
from detailscribe.miniature.world.scenes import Scene, pairings, random_scene
from detailscribe.miniature.world.vocabulary import BACKGROUNDS

DRAWN = 60  # scenes of each arrangement
# As meant and as drawn: what the judge takes for something else than the world does, which is known. Four pieces of a
# row are too few for a circle, which has eight; and what is left of a confused relation may stand where it is meant to.
OTHERWISE = {
    *(("circle", "row", fact) for fact in ("second", "relation")),
    *(("holding", "balancing", "relation"), ("facing", "standing", "relation")),
}


def saved(image: np.ndarray, quality: int) -> np.ndarray:
    """An image as it comes out of a JPEG file; unchanged at quality 0."""
    if not quality:
        return image
    data = io.BytesIO()
    Image.fromarray(image).save(data, "JPEG", quality=quality)
    return np.asarray(Image.open(data))


@pytest.mark.parametrize("quality", [0, 95, 60, 30])
@pytest.mark.parametrize("background", BACKGROUNDS)
def test_the_background_of_every_scene_is_recognised(sprites, background, quality):
    for name, layout in ARRANGEMENTS.items():
        for dx, dy in {(dx, dy) for dx in layout.dx for dy in layout.dy}:
            for first, second in pairings(name)[::29]:
                image = draw_scene(Scene(name, first, second, background, dx, dy), sprites)
                assert background_of(saved(image, quality)) == background, (name, first, second)


@pytest.mark.parametrize("meant", ARRANGEMENTS)
def test_the_judge_sees_the_facts_that_the_world_states(sprites, meant):
    rng = np.random.default_rng(3)
    agree: dict[tuple[str, str], list[bool]] = {}
    for _ in range(DRAWN):
        scene = random_scene(rng, arrangements=(meant,))
        drawn = failed_scene(scene, rng)
        seen = look(Image.fromarray(draw_scene(drawn, sprites)), 0.0)
        first, second, _, background = facts_shown(scene, seen)
        found = first, second, relation_stands(scene, seen), background
        for fact, is_true, is_seen in zip(FACTS, true_facts(drawn, scene), found, strict=True):
            agree.setdefault((drawn.arrangement, fact), []).append(is_true == is_seen)
    assert len(agree) == (4 if CONFUSED_WITH[meant] == meant else 8)
    for (drawn_as, fact), each in agree.items():
        assert np.mean(each) >= 0.95 or (meant, drawn_as, fact) in OTHERWISE, (meant, drawn_as, fact)


MEANT = Scene("riding", "cat", "book", "in the snow")


@pytest.mark.parametrize(
    ("changes", "facts", "stands"),
    [
        ({}, (True, True, True, True), True),
        ({"background": "at night"}, (True, True, True, False), True),
        ({"arrangement": "balancing"}, (True, True, False, True), False),
        ({"shown": (True, False)}, (True, False, False, True), True),
        ({"shown": (False, True)}, (False, True, False, True), True),
        ({"arrangement": "balancing", "shown": (False, True)}, (False, True, False, True), False),
        ({"shown": (False, False)}, (False, False, False, True), True),
        ({"second": "ball"}, (True, False, False, True), True),
    ],
)
def test_a_relation_needs_both_entities_or_what_is_left_in_its_place(sprites, changes, facts, stands):
    seen = look(Image.fromarray(draw_scene(replace(MEANT, **changes), sprites)), 0.0)
    assert facts_shown(MEANT, seen) == facts
    assert relation_stands(MEANT, seen) is stands


def test_an_image_of_another_size_is_seen_as_well(sprites, tmp_path):
    image = Image.fromarray(draw_scene(MEANT, sprites))
    large = image.resize((288, 288), Image.Resampling.BICUBIC)
    large.save(tmp_path / "large.png")
    for seen in (look(large, 0.0), look_at_file(tmp_path / "large.png", 0.0)):
        assert facts_shown(MEANT, seen) == (True, True, True, True)
        assert entities_of(seen) == ["book", "cat"]


def test_nothing_is_seen_twice():
    assert entities_of(Seen([("fox", 1, 1), ("cat", 50, 50), ("fox", 80, 9)], "at night")) == ["cat", "fox"]
