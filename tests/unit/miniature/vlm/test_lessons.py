"""Lessons of the small vision-language model: answers that are true of the drawn scenes, and not to be told without."""

import re
from collections import Counter

import numpy as np
import pytest

from detailscribe.methods.reply_parsing import last_brackets
from detailscribe.miniature.stand_in_pairs import pair_mark
from detailscribe.miniature.vlm.lessons import (
    ALL_SEEN,
    PARTS_ASKED,
    Lesson,
    failed_scene,
    mark,
    part_turns,
    random_lesson,
)
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.facts import FACTS, fact_phrases, fact_sentences, true_facts
from detailscribe.miniature.world.phrases import true_phrases
from detailscribe.miniature.world.scenes import is_held_out, random_scene
from detailscribe.scores.judges.remarks import remarks_of

LESSONS = [random_lesson(np.random.default_rng(seed)) for seed in range(1500)]
ASKED = re.compile(r"(?P<task>critique|mark|compare): (?P<caption>[^.]+\.)(?: parts: (?P<parts>.*))?")


def of(task: str) -> list[tuple[Lesson, re.Match, str]]:
    """Lessons of a task: each with its question, read, and its answer."""
    found = [lesson for lesson in LESSONS if lesson.turns[0][0].startswith(f"{task}:")]
    assert len(found) > 100
    assert all(len(lesson.turns) == 1 for lesson in found)
    return [(lesson, ASKED.fullmatch(lesson.turns[0][0]), lesson.turns[0][1]) for lesson in found]


def test_no_lesson_shows_a_held_out_scene():
    assert not any(is_held_out(scene) for lesson in LESSONS for scene in lesson.scenes)


def test_a_critique_names_what_is_wrong_and_adds_its_sentences():
    with_parts = []
    for lesson, asked, answer in of("critique"):
        meant = parse_prompt(asked["caption"])
        right = true_facts(lesson.scenes[0], meant)
        wrong = [i for i, is_right in enumerate(right) if not is_right]
        assert [each.partition(":")[0] for each in remarks_of(answer)] == [fact_phrases(meant)[i] for i in wrong]
        refined = " ".join([asked["caption"], *(fact_sentences(meant)[i] for i in wrong)])
        assert last_brackets(answer) == refined
        assert (ALL_SEEN in answer) is (not wrong)
        with_parts.append(asked["parts"] is not None)
        assert asked["parts"] in (None, "; ".join(fact_phrases(meant)))
    assert 0.5 < np.mean(with_parts) < 0.8


def test_a_mark_is_five_less_the_wrong_facts():
    marks = Counter()
    for lesson, asked, answer in of("mark"):
        wrong = true_facts(lesson.scenes[0], parse_prompt(asked["caption"])).count(False)
        assert answer == str(5 - wrong)
        marks[answer] += 1
    assert set(marks) >= {"2", "3", "4", "5"} and max(marks.values()) < 0.6 * marks.total()


def test_a_comparison_prefers_the_image_with_fewer_wrong_facts():
    answers = Counter()
    for lesson, asked, answer in of("compare"):
        meant = parse_prompt(asked["caption"])
        wrong, other = (true_facts(scene, meant).count(False) for scene in lesson.scenes)
        assert np.sign(int(answer) - 3) == np.sign(wrong - other)
        assert abs(int(answer) - 3) == min(2, abs(wrong - other))
        answers[answer] += 1
    assert set(answers) == {"1", "2", "3", "4", "5"}


@pytest.mark.parametrize(
    ("first", "second", "answer"), [(5, 5, 3), (5, 4, 2), (5, 3, 1), (5, 1, 1), (2, 3, 4), (1, 3, 5), (1, 5, 5)]
)
def test_marks_two_apart_are_clearly_apart(first, second, answer):
    assert pair_mark(first, second) == answer and pair_mark(second, first) == 6 - answer


def test_a_mark_of_nothing_right_is_the_lowest():
    assert [mark([True] * n + [False] * (4 - n)) for n in range(5)] == [1, 2, 3, 4, 5]


def test_about_half_of_the_questions_about_parts_are_true():
    rng, said = np.random.default_rng(2), []
    for _ in range(400):
        meant = random_scene(rng)
        drawn = failed_scene(meant, rng)
        facts, (true, undecided) = true_facts(drawn, meant), true_phrases(drawn)
        of_facts = dict(zip(fact_phrases(meant), facts, strict=True))
        turns = part_turns(drawn, meant, rng)
        assert len(turns) == PARTS_ASKED
        assert len(dict(turns)) == len(set(turns)), "no question has two answers"
        for question, answer in turns:
            phrase = question.removeprefix("part: ")
            if phrase in of_facts:
                assert answer == ("yes" if of_facts[phrase] else "no")
            elif not drawn.few:  # of a pattern with too few pieces, facts of a scene like it are asked about
                assert answer == ("yes" if phrase in true else "no") and phrase not in undecided
            said.append(answer)
        assert set(of_facts) <= {question.removeprefix("part: ") for question, _ in turns}
    assert set(said) == {"yes", "no"} and np.mean([each == "yes" for each in said]) == pytest.approx(0.5, abs=0.15)


def test_each_fact_is_wrong_about_as_often_as_right():
    rng, right = np.random.default_rng(3), []
    for _ in range(3000):
        meant = random_scene(rng)
        right.append(true_facts(failed_scene(meant, rng), meant))
    shares = dict(zip(FACTS, 1 - np.mean(right, 0), strict=True))
    assert all(0.1 < share < 0.6 for share in shares.values()), shares
    whole = np.all(right, 1).mean()
    assert 0.05 < whole < 0.4, "nothing to find is an answer, too"
