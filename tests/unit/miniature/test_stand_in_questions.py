"""The stand-in's answers about parts and faults: from what is drawn; it declines where it does not know the words."""

from dataclasses import replace
from itertools import product

import pytest
from PIL import Image

from detailscribe.llm.request import Request
from detailscribe.methods.reply_parsing import is_refusal, yes_or_no
from detailscribe.miniature import stand_in
from detailscribe.miniature.stand_in_questions import is_shown
from detailscribe.miniature.stand_in_seeing import Seen
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.facts import fact_phrases
from detailscribe.miniature.world.scenes import Scene, held_out_scenes
from detailscribe.miniature.world.sprites import load_sprites
from detailscribe.miniature.world.vocabulary import BACKGROUNDS
from detailscribe.scores.judges.remarks import remarks_of

SCENES = held_out_scenes(2 * len(ARRANGEMENTS), 3)


def ask(role: str, image, structured: bool = False, draw: int = 0, **fields) -> str:
    values = {"structured": structured, **fields}
    request = Request(role, "offline", "m", [{"role": "user", "content": "x"}], (image,), draw=draw, fields=values)
    return stand_in.answer_text(request)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory):
    """A function that draws a scene into a file."""
    folder, sprites = tmp_path_factory.mktemp("scenes"), load_sprites()

    def draw(scene: Scene):
        path = folder / f"{abs(hash(scene))}.png"
        Image.fromarray(draw_scene(scene, sprites)).save(path)
        return path

    return draw


def placed(scene: Scene) -> list[str]:
    """Both entities with their places."""
    places = (scene.layout.first_position, scene.layout.second_position)
    return [f"{thing} {place}" for thing, place in zip(fact_phrases(scene)[:2], places, strict=True)]


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("shown", [(True, True), (True, False), (False, True), (False, False)])
def test_a_part_is_shown_exactly_where_it_is_drawn(drawn, shown, structured):
    right = total = 0
    for scene in SCENES:
        image = drawn(replace(scene, shown=shown))
        for part, is_there in zip(
            [*placed(scene), *fact_phrases(scene)], [*shown, *shown, all(shown), True], strict=True
        ):
            right += yes_or_no(ask("judge_part", image, structured, part=part, kind="entity")) == float(is_there)
            total += 1
    assert right >= 0.97 * total  # the detector is trained, not perfect


def test_a_background_is_shown_where_it_is_drawn(drawn):
    for background in BACKGROUNDS:
        image = drawn(replace(SCENES[0], background=background))
        answers = {part: yes_or_no(ask("judge_part", image, part=part)) for part in BACKGROUNDS}
        assert answers == {part: float(part == background) for part in BACKGROUNDS}
        remark = f"{background}: not in the image; to be shown clearly."
        assert yes_or_no(ask("judge_remark", image, remark=remark)) == 0.0
        assert yes_or_no(ask("judge_remark", drawn(elsewhere(background)), remark=remark)) == 1.0


def elsewhere(background: str) -> Scene:
    """A scene before another background."""
    return replace(SCENES[0], background=next(each for each in BACKGROUNDS if each != background))


def test_a_relation_is_shown_by_both_entities_in_their_places(drawn):
    scene = next(scene for scene in SCENES if scene.arrangement == "riding")
    answers = {
        name: yes_or_no(ask("judge_part", drawn(replace(scene, arrangement=name)), part=fact_phrases(scene)[2]))
        for name in ("riding", "balancing", "holding")
    }
    assert answers == {"riding": 1.0, "balancing": 0.0, "holding": 0.0}


def test_a_part_in_another_place_is_not_shown(drawn):
    scene = next(scene for scene in SCENES if scene.arrangement == "holding")
    image, thing = drawn(scene), fact_phrases(scene)[0]
    answers = {
        place: yes_or_no(ask("judge_part", image, part=f"{thing} {place}")) for place in ("on the left", "on the right")
    }
    assert answers == {"on the left": 1.0, "on the right": 0.0}


def test_a_fault_is_there_where_the_part_is_missing(drawn):
    scene = SCENES[0]
    for part, shown in product((placed(scene)[1], *fact_phrases(scene)[1:3]), (True, False)):
        remark = f"{part}: not in the image; to be shown clearly."
        image = drawn(replace(scene, shown=(True, shown)))
        assert yes_or_no(ask("judge_remark", image, remark=remark)) == float(not shown)


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize(
    ("role", "field", "text", "words"),
    [
        ("judge_part", "part", "paw holds rolling pin", "paw, holds, rolling, pin"),
        ("judge_part", "part", "a brush", "brush"),
        ("judge_part", "part", "a dog riding a whale", "riding, whale"),
        ("judge_remark", "remark", "a brush: not in the image; to be shown clearly.", "brush"),
        ("judge_remark", "remark", "The fur looks odd.", "fur, looks, odd"),
        ("judge_remark", "remark", "The cat.", "this"),
    ],
)
def test_a_judge_declines_what_it_cannot_check(drawn, role, field, text, words, structured):
    reply = ask(role, drawn(SCENES[0]), structured, **{field: text})
    assert reply.startswith(f"I cannot check {words}; ")
    assert is_refusal(reply) and yes_or_no(reply) is None


def test_a_critic_that_knows_nothing_names_no_fault(drawn):
    image = drawn(SCENES[0])
    critique = stand_in.answer_critique("A hen paints a fence.", ["hen paints fence"], Image.open(image).convert("RGB"))
    assert remarks_of(critique) == []
    recorded = "This critic knows nothing of what the prompt names; the prompt stays as it is."
    assert yes_or_no(ask("judge_remark", image, remark=recorded)) == 0.0


def test_a_changed_file_is_looked_at_again(drawn):
    scene = SCENES[0]
    path = drawn(replace(scene, shown=(False, False)))
    part = fact_phrases(scene)[0]
    assert yes_or_no(ask("judge_part", path, part=part)) == 0.0
    Image.fromarray(draw_scene(scene, load_sprites())).save(path)
    assert yes_or_no(ask("judge_part", path, part=part)) == 1.0


@pytest.mark.parametrize(
    ("part", "detections", "shown"),
    [
        ("The cat", [("cat", 80, 80)], True),
        ("a cat on the left", [("cat", 20, 50)], True),
        ("a cat on the left", [("cat", 70, 50)], False),
        ("an apple at the bottom", [("apple", 50, 70)], True),
        ("apples", [("apple", 10, 10)], False),
        ("apples", [("apple", 10 * n, 10) for n in range(3)], True),
        ("apples all around", [("apple", 10 * n, 10) for n in range(5)], False),
        ("apples all around", [("apple", 10 * n, 10) for n in range(6)], True),
        ("a cat in the middle", [("cat", 40, 55)], True),
        ("a cat in the middle", [("cat", 20, 55)], False),
        ("a cat holding a ball", [("cat", 28, 56), ("ball", 70, 56)], True),
        ("a cat holding a ball", [("cat", 70, 56), ("ball", 28, 56)], False),
        ("a cat on the left and a ball", [("cat", 28, 56), ("ball", 70, 56)], True),
        ("a cat on the left and a ball", [("cat", 28, 56)], False),
        ("a whisk", [("cat", 1, 1)], None),
        ("a cat and a whisk", [("cat", 1, 1)], None),
        ("two cats", [("cat", 1, 1), ("cat", 50, 1)], None),
        ("at night", [], False),
        ("in the snow", [], True),
        ("a cat at night", [("cat", 1, 1)], False),
        ("a cat in the snow", [("cat", 1, 1)], True),
        ("in the snow or at night", [], None),
        ("in the rain", [], None),
        ("a row", [("apple", 12 + 24 * n, 76) for n in range(3)], True),
        ("the row", [("apple", 12 + 24 * n, 76) for n in range(2)], False),
        ("a row", [("apple", 12, 76), ("cake", 36, 76), ("star", 60, 76)], False),  # pieces of three kinds
        ("a zigzag", [("apple", 12 + 24 * n, 76) for n in range(4)], False),
        ("row", [("apple", 12 + 24 * n, 76) for n in range(3)], None),
    ],
)
def test_places_and_numbers(part, detections, shown):
    assert is_shown(part, Seen(detections, "in the snow")) is shown
