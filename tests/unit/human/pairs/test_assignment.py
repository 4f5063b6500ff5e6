"""Assignment of pairs: every scheduled pair once, the same for all raters, in an order of each rater's own."""

from collections import Counter

import pytest

from detailscribe.errors import InputError
from detailscribe.human.pairs.assignment import assign_pairs, compared_prompts
from detailscribe.study.judging.pair_schedule import scheduled_pairs
from tests.unit.human.pairs.sample_pairs import CANDIDATES, VALUES, shown_pairs

METHODS = list(CANDIDATES)


def dictionary(count: int) -> list[dict]:
    images = {name: f"{name}.jpg" for names in CANDIDATES.values() for name in names}
    return [{"id": f"p-{n}", "topic": "t", "prompt": f"text {n}", "images": images} for n in range(count)]


def scores(count: int, better: str = "ours-k1") -> list[dict]:
    names = CANDIDATES["ours_three"]
    return [{"id": f"p-{n}", "image_set": name, "score": float(name == better)} for n in range(count) for name in names]


def keys_of(count: int, raters=("ann", "bo"), **changes) -> dict[str, list[dict]]:
    values = {**VALUES, **changes}
    prompts = compared_prompts(dictionary(count), values, scores(count))
    return {rater: assign_pairs(rater, prompts, values, lambda file: file) for rater in raters}


@pytest.mark.parametrize(
    "schedule",
    [{"kind": "all"}, {"kind": "baseline", "baseline": "twin_two"}, {"kind": "balanced", "per_prompt": 2}],
)
def test_raters_see_every_scheduled_pair_once(schedule):
    wanted = {(f"p-{n}", frozenset(p)) for n in range(12) for p in scheduled_pairs(f"p-{n}", METHODS, schedule)}
    keys = keys_of(12, schedule=schedule)
    for key in keys.values():
        assert Counter((row["id"], frozenset((row["first"], row["second"]))) for row in key) == Counter(wanted)
        assert [row["row"] for row in key] == list(range(1, len(key) + 1))
        assert len({row["pair"] for row in key}) == len(key)
    orders = [[row["id"] for row in key] for key in keys.values()]
    assert orders[0] != orders[1] and sorted(orders[0]) == sorted(orders[1])
    assert not {row["pair"] for row in keys["ann"]} & {row["pair"] for row in keys["bo"]}


def test_either_image_comes_first_about_as_often():
    key = keys_of(400, prompts=400)["ann"]
    for one, other in (METHODS[:2], METHODS[1:], METHODS[::2]):
        of_pair = [row for row in key if {row["first"], row["second"]} == {one, other}]
        first = sum(row["first"] == one for row in of_pair)
        assert len(of_pair) == 400 and 150 < first < 250  # five standard deviations


def test_another_prompt_moves_none_of_the_others():
    before, after = keys_of(10)["ann"], keys_of(11)["ann"]
    kept = [row for row in after if row["id"] != "p-10"]
    place = ("pair", "id", "first", "second")
    assert [[row[name] for name in place] for row in kept] == [[row[name] for name in place] for row in before]


def test_the_image_of_a_method_with_several_is_the_best_by_the_metric():
    prompts = compared_prompts(dictionary(2), VALUES, scores(2))
    assert {row["image_sets"]["ours_three"] for row in prompts} == {"ours-k1"}
    prompts = compared_prompts(dictionary(2), VALUES, scores(2, better="ours-k0"))
    assert {row["images"]["ours_three"] for row in prompts} == {"ours-k0.jpg"}
    unscored = [
        row | {"score": None} if (row["id"], row["image_set"]) == ("p-0", "ours-k0") else row for row in scores(2)
    ]
    assert [row["id"] for row in compared_prompts(dictionary(2), VALUES, unscored)] == ["p-1"]


def test_images_that_look_alike_are_not_shown_and_equal_pairs_are_shown_once(sheets):
    for key in sheets.keys.values():
        same = [row for row in key if not row["pair"]]
        assert [(row["id"], {row["first"], row["second"]}, row["row"]) for row in same] == [
            ("p-0", {"plain_one", "twin_two"}, 0)
        ]
        # Ours against either twin is one pair to judge, with ours on one side.
        ours = [row for row in key if row["id"] == "p-0" and row["pair"]]
        assert len(ours) == 2 and len({row["pair"] for row in ours}) == 1 == len({row["row"] for row in ours})
        assert len({row["first"] == "ours_three" for row in ours}) == 1
        assert len(shown_pairs(key)) == 1 + 2 * 3


@pytest.mark.parametrize(
    ("methods", "sentence"),
    [
        ([], "methods: none: a pair needs two methods"),
        ([{"name": "sd", "candidates": ["original-11"]}], "methods: sd: a pair needs two methods"),
        ([{"name": "sd", "candidates": ["original-11"]}, {"name": "own", "candidates": []}], "'own' has no image"),
        (
            [{"name": "sd", "candidates": ["original-11"]}, {"name": "own", "candidates": ["own"]}],
            "no prompt has every image",
        ),
    ],
)
def test_what_cannot_be_compared_is_named(methods, sentence):
    with pytest.raises(InputError, match=sentence):
        compared_prompts(dictionary(2), {**VALUES, "methods": methods}, [])
