"""The stand-in's answers about parts and faults: from what is drawn; it declines where it does not know the words."""

from dataclasses import replace

import pytest
from PIL import Image

from detailscribe.llm.request import Request
from detailscribe.methods.reply_parsing import is_refusal, yes_or_no
from detailscribe.miniature import stand_in
from detailscribe.miniature.stand_in_questions import is_shown
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.captions import scene_components
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.scenes import Scene, held_out_scenes
from detailscribe.miniature.world.sprites import load_sprites
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


def things(scene: Scene) -> list[str]:
    places = (scene.layout.first_position, scene.layout.second_position)
    return [part.removesuffix(place).strip() for part, place in zip(scene_components(scene), places, strict=True)]


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize("shown", [(True, True), (True, False), (False, True), (False, False)])
def test_a_part_is_shown_exactly_where_it_is_drawn(drawn, shown, structured):
    right = total = 0
    for scene in SCENES:
        image = drawn(replace(scene, shown=shown))
        for part, is_there in zip([*scene_components(scene), *things(scene)], [*shown, *shown], strict=True):
            right += yes_or_no(ask("judge_part", image, structured, part=part, kind="entity")) == float(is_there)
            total += 1
    assert right >= 0.97 * total  # the detector is trained, not perfect


def test_a_part_in_another_place_is_not_shown(drawn):
    scene = next(scene for scene in SCENES if scene.arrangement == "holding")
    image, (thing, _) = drawn(scene), things(scene)
    answers = {
        place: yes_or_no(ask("judge_part", image, part=f"{thing} {place}")) for place in ("on the left", "on the right")
    }
    assert answers == {"on the left": 1.0, "on the right": 0.0}


def test_a_fault_is_there_where_the_part_is_missing(drawn):
    scene = SCENES[0]
    part = scene_components(scene)[1]
    remark = f"{part}: not in the image; to be shown clearly."
    for shown in (True, False):
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
    part = things(scene)[0]
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
        ("at night", [], None),
    ],
)
def test_places_and_numbers(part, detections, shown):
    assert is_shown(part, detections) is shown
