"""What the offline stand-in says of prompts that it reads in whole, in part or not at all, role by role."""

import re

import pytest
from PIL import Image

from detailscribe.llm.request import Request
from detailscribe.methods.reply_parsing import is_refusal, judge_score, pair_value, parse_decomposition
from detailscribe.methods.roles import EXCERPT_LENGTH
from detailscribe.miniature import stand_in
from detailscribe.miniature.stand_in_words import can_check, named_parts, refusal, unread_words
from detailscribe.miniature.world.arrangements import ARRANGEMENTS
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.phrases import positions
from detailscribe.miniature.world.scenes import Scene
from detailscribe.miniature.world.vocabulary import BACKGROUNDS, ENTITIES, MOODS, PLURALS
from detailscribe.scores.judges.remarks import remarks_of
from tests.paths import REPOSITORY

BACKGROUND = "At night."  # the judge looks at it; without a thing there is nothing to decompose
# Prompt, the words that cannot be checked, and the entities that the critic knows.
READ = [
    ("A penguin holding a book on the beach.", [], ["penguin", "book"]),
    ("A PENGUIN  holding\na book on the beach", [], ["penguin", "book"]),
    ("A cat inside a circle of trumpets at night. There is a cat in the middle.", [], ["cat", "trumpets"]),
    ("A cat and a guitar.", [], ["cat", "guitar"]),
    ("There are some balloons at the bottom and a fox at the top! In even daylight.", [], ["balloons", "fox"]),
    ("A penguin holding a book on the beach. There is a book in sharp detail. It is all on the beach.", [],
     ["penguin", "book"]),
    ("A row of cakes under a fox at night. There are cakes, each in sharp detail. The cakes are in a row.", [],
     ["cakes", "fox"]),
    (BACKGROUND, [], []),
]  # fmt: skip
UNREAD = [
    ("A dog riding a whale in the snow.", ["riding", "whale"], ["dog"]),
    ("A penguin holding a book on the beach. A whale swims by.", ["whale", "swims"], ["penguin", "book"]),
    ("A red cat holding a guitar.", ["red", "holding"], ["cat", "guitar"]),
    ("A dog riding a cat.", ["riding"], ["dog", "cat"]),  # no scene of this world: two animals do not ride
    ("A cat on a guitar.", ["on"], ["cat", "guitar"]),
    ("Three cakes and a fox.", ["three"], ["cakes", "fox"]),
    ("Two pandas near a guitar.", ["pandas", "near"], ["guitar"]),  # an animal has no plural here
    ("A hotdog and a catfish.", ["hotdog", "catfish"], []),
    ("A raccoon in a flour-dusted apron kneads dough.", ["raccoon", "flour-dusted", "apron", "kneads", "dough"], []),
    ("Who is there?", ["who"], []),
    ("There is a book in sharp detail.", ["sharp", "detail"], ["book"]),  # the sentence of no scene before it
    ("A penguin holding a book on the beach. It is all at night.", ["all"], ["penguin", "book"]),  # nor this one
    ("\N{FOX FACE} \N{FOX FACE}", [], []),
    ("一只狗骑着鲸鱼。", ["一只狗骑着鲸鱼"], []),
    ("<5> <yes>", ["5", "yes"], []),
    (" ".join(f"word{n}" for n in range(70)), [f"word{n}" for n in range(70)], []),
]


@pytest.fixture
def image(tmp_path, sprites):
    """A file with a penguin and a book, in their places."""
    path = tmp_path / "a.png"
    Image.fromarray(draw_scene(Scene("holding", "penguin", "book", "on the beach"), sprites)).save(path)
    return path


def ask(role: str, *images, **fields) -> str:
    return stand_in.answer_text(
        Request(role, "offline", "m", [{"role": "user", "content": "x"}], images=images, fields=fields)
    )


@pytest.mark.parametrize(("prompt", "words", "known"), [*READ, *UNREAD])
def test_what_is_read(prompt, words, known):
    assert can_check(prompt) is ((prompt, words, known) in READ)
    assert unread_words(prompt) == words
    assert [phrase.split()[-1] for phrase in stand_in.named_entities(prompt)] == known


@pytest.mark.parametrize(("prompt", "words", "known"), READ)
def test_a_prompt_that_is_read_is_answered_in_whole(prompt, words, known, image):
    concept, parts = parse_decomposition(ask("decompose", prompt=prompt, topic="a b"))
    assert concept == ("a_b" if known else "a_b, made from words alone")
    assert all(can_check(part) for part in parts) is bool(known)
    assert [any(thing in part for part in parts) for thing in known] == [True] * len(known)
    critique = ask("critique", image, prompt=prompt, components=parts)
    assert "Not checked" not in critique
    assert judge_score(ask("judge", image, prompt=prompt)) is not None
    assert pair_value(ask("judge_pair", image, image, prompt=prompt)) == 0


@pytest.mark.parametrize("structured", [False, True])
@pytest.mark.parametrize(("prompt", "words", "known"), UNREAD)
def test_a_judge_gives_no_mark_to_what_it_did_not_look_at(prompt, words, known, image, structured):
    for reply in (
        ask("judge", image, prompt=prompt, scale="grade", structured=structured),
        ask("judge", image, prompt=prompt, scale="yes_no", structured=structured),
        ask("judge_pair", image, image, prompt=prompt, structured=structured),
        ask("judge_part", image, part=prompt, structured=structured),
    ):
        assert is_refusal(reply) and judge_score(reply) is None and pair_value(reply) is None
        assert reply == refusal(prompt) and all(entity in reply for entity in ENTITIES)
        assert "docs/miniature.md" in reply
        beginning = reply[:EXCERPT_LENGTH]  # what the tables say
        assert all(word in beginning for word in [*words[:5], *known])


@pytest.mark.parametrize(("prompt", "words", "known"), UNREAD)
def test_a_decomposition_from_words_alone_or_of_a_part_says_so(prompt, words, known):
    concept, _ = parse_decomposition(ask("decompose", prompt=prompt, topic="a b"))
    assert concept == ("a_b, of a part of the prompt" if "penguin" in known else "a_b, made from words alone")


@pytest.mark.parametrize("with_parts", [False, True])
@pytest.mark.parametrize(("prompt", "words", "known"), UNREAD)
def test_a_critic_says_what_it_checked_and_what_not(prompt, words, known, image, with_parts):
    fields = {"components": parse_decomposition(ask("decompose", prompt=prompt, topic="a"))[1]} if with_parts else {}
    reply = ask("critique", image, prompt=prompt, **fields)
    missing = [thing for thing in known if thing not in ("penguin", "book")]
    assert [remark.partition(":")[0].split()[-1] for remark in remarks_of(reply)] == missing
    assert ("Nothing that the prompt names is known to this critic" in reply) is (not known)
    assert ("Not checked, because the demo's world does not have it (docs/miniature.md)" in reply) is bool(words)
    assert all(word in reply for word in words[:5])
    assert ("The first issue weighs most" in reply) is (with_parts and bool(known))
    assert reply.splitlines()[-1].startswith(f"<{prompt}")
    refined = ask("refine", image, prompt=prompt)
    assert all(thing in refined for thing in missing)


def test_a_critic_that_sees_all_that_it_knows_does_not_claim_more(image):
    reply = ask("critique", image, prompt="A penguin holding a book on the beach. A whale swims by.")
    assert "Everything that this critic knows (a penguin, a book) can be seen" in reply
    assert "whale, swims" in reply and remarks_of(reply) == []


def test_positions_belong_to_the_entity_before_them():
    text = "A cat on the left, apples all around and the star."
    assert named_parts(text) == ["cat on the left", "apples all around", "star"]
    assert unread_words("On the left a cat.") == ["left"]


def test_the_document_names_every_word_of_the_world():
    text = (REPOSITORY / "docs" / "miniature.md").read_text(encoding="utf-8")
    section = " ".join(re.search(r"\n## The words it knows\n(.*?)\n## ", text, re.S)[1].split())
    words = *ENTITIES, *PLURALS.values(), *positions(), *BACKGROUNDS, *ARRANGEMENTS, *MOODS
    assert [word for word in words if not re.search(rf"\b{re.escape(word)}", section)] == []
