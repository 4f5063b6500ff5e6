"""What a report shows of each prompt."""

from dataclasses import replace

import pytest

from detailscribe.report.before_after import before_after, best_of, first_choice, headline_choice
from detailscribe.report.prompt_story import folded, page_values, word_diff
from detailscribe.report.score_rows import same_images, score_lines, score_rows, texts_of_images
from tests.unit.report.small_scenario import METHODS, PROMPTS


def test_a_method_shows_its_headline_selection(scenario):
    id = PROMPTS[0]["id"]
    assert headline_choice(scenario, METHODS[0], "clip_score", id) == (0.5, "original-1")
    assert headline_choice(scenario, METHODS[2], "clip_score", id) == (0.8, "detailscribe-k1")
    by_judge = {**METHODS[2], "headline": "by:judge-main"}
    assert headline_choice(scenario, by_judge, "clip_score", PROMPTS[1]["id"]) == (0.6, "detailscribe-k0")
    assert headline_choice(scenario, {**METHODS[2], "headline": "mean"}, "clip_score", id) == (0.75, None)


def test_a_method_with_an_unscored_candidate_shows_nothing(scenario):
    method = {"name": "both", "candidates": ["original-1", "hosted"], "headline": "oracle"}
    assert headline_choice(scenario, method, "clip_score", PROMPTS[2]["id"]) == (None, None)


def test_people_count_as_a_metric_once_there_are_ratings(scenario):
    assert scenario.metrics == ["clip_score", "judge-main", "people"]
    assert scenario.score("people", PROMPTS[0]["id"], "original-1") == 3.5
    assert scenario.score("people", PROMPTS[1]["id"], "original-1") is None
    assert replace(scenario, ratings=[]).metrics == ["clip_score", "judge-main"]


def test_the_image_that_is_shown_first_is_the_pick_of_the_selector_and_not_the_best_of_each_metric(scenario):
    first, second = (prompt["id"] for prompt in PROMPTS[:2])
    assert first_choice(scenario, first)[:3] == ("detailscribe", "detailscribe-k1", "by:clip_score")
    by_judge = replace(scenario, oracle_settings={"selector": "judge-main"})
    assert first_choice(by_judge, second)[1] == "detailscribe-k0", "the judge gives it 5, and the other one 4"
    assert first_choice(scenario, second)[1] == "detailscribe-k1", "though the judge prefers the other one"
    configured = [*METHODS[:2], {**METHODS[2], "headline": "by:judge-main"}]
    assert first_choice(replace(scenario, methods=configured), second)[1:3] == ("detailscribe-k0", "by:judge-main")
    assert first_choice(replace(scenario, critics={}), first) is None
    unscored = first_choice(replace(scenario, scores={"judge-main": {}}), first)
    assert unscored[1:] == ("detailscribe-k0", "single", "Chosen first: the first candidate with an image.")


def test_the_slider_offers_all_images_with_scores_and_marks_the_best(scenario):
    slider = before_after(scenario, PROMPTS[0]["id"])
    assert [(option["image_set"], option["group"]) for option in slider["options"]] == [
        ("detailscribe-k0", "detailscribe"),
        ("detailscribe-k1", "detailscribe"),
        ("hosted", ""),
    ]
    assert slider["picked_by"] == ["clip_score"] and "CLIP" not in slider["reason"]
    assert slider["options"][0]["scores"] == {"clip_score": 0.7, "judge-main": 2, "people": None}
    rows = {row["metric"]: row for row in slider["rows"]}
    assert rows["clip_score"]["best"] == 0.8 and rows["judge-main"]["best"] == 3 and rows["people"]["best"] is None
    assert rows["judge-main"]["before"] == 3
    scenario.images["original-1"][PROMPTS[0]["id"]]["file"] = None
    assert before_after(scenario, PROMPTS[0]["id"]) is None


@pytest.mark.parametrize(
    ("values", "best"), [([1, 2, None], 2), ([2, 2], None), ([None, 3], None), ([], None), ([0.1, 0.1, 0.2], 0.2)]
)
def test_only_what_is_better_than_another_is_the_best(values, best):
    assert best_of(values) == best


def test_images_with_equal_scores_share_a_row_and_texts_are_named_once(scenario):
    id = PROMPTS[0]["id"]
    assert [row["image_sets"] for row in score_rows(scenario, id)] == [[name] for name in scenario.images]
    for metric in scenario.scores:
        scenario.scores[metric][id, "detailscribe-k1"] = scenario.scores[metric][id, "detailscribe-k0"]
    rows = score_rows(scenario, id)
    assert [row["image_sets"] for row in rows][1] == ["detailscribe-k0", "detailscribe-k1"]
    assert not rows[1]["same_image"] and not rows[0]["same_image"]
    scenario.images["detailscribe-k1"][id]["sha256"] = scenario.images["detailscribe-k0"][id]["sha256"]
    assert score_rows(scenario, id)[1]["same_image"]
    assert same_images(scenario, id) == {"detailscribe-k1": "detailscribe-k0"}
    assert score_lines(scenario, id)["original-1"] == [
        ("clip_score", "0.500", False),
        ("judge-main", "3", True),
        ("people's ratings", "3.500", False),
    ]
    assert score_lines(scenario, id)["detailscribe-k0"][0] == ("clip_score", "0.700", True)
    assert texts_of_images(scenario, id) == [(PROMPTS[0]["prompt"], list(scenario.images))]
    missing = score_rows(scenario, PROMPTS[2]["id"])[-1]
    assert missing["image_sets"] == ["hosted"] and missing["status"] == "refused"


@pytest.mark.parametrize(
    ("reply", "pieces"),
    [
        ("Good. <4>", [("text", "Good. "), ("mark", "4")]),
        (
            "1. a rung\n<Two badgers carry a ladder.>",
            [("text", "1. a rung\n"), ("long", "Two badgers carry a ladder.")],
        ),
        ("no brackets, 3 < 4", [("text", "no brackets, 3 < 4")]),
        ("<> and <a", [("text", "<>"), ("text", " and <a")]),
    ],
)
def test_brackets_of_raw_replies_are_folded(reply, pieces):
    assert folded(reply) == pieces


def test_other_seeds_are_apart_from_other_methods(scenario):
    images = scenario.images | {"original-2": scenario.images["hosted"]}
    values = page_values(replace(scenario, images=images), PROMPTS[0])
    assert values["seeds"] == ["original-2"] and values["baselines"] == ["hosted"]


def test_a_word_diff_contains_both_texts():
    before, after = "Two badgers carry a ladder.", "Two tired badgers carry a long ladder."
    pieces = word_diff(before, after)
    assert "".join(text for kind, text in pieces if kind != "new") == before
    assert "".join(text for kind, text in pieces if kind != "gone") == after
    assert ("new", " tired") in pieces and ("same", " badgers carry a") in pieces
