"""What a report shows of each prompt."""

from dataclasses import replace

from detailscribe.report.prompt_story import featured_image, headline_choice, word_diff
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


def test_the_featured_image_is_the_critics_choice_by_the_first_metric(scenario):
    assert featured_image(scenario, PROMPTS[0]["id"]) == ("detailscribe-k1", "clip_score")
    by_judge = [*METHODS[:2], {**METHODS[2], "headline": "by:judge-main"}]
    assert featured_image(replace(scenario, methods=by_judge), PROMPTS[0]["id"]) == ("detailscribe-k1", "judge-main")
    assert featured_image(replace(scenario, critics={}), PROMPTS[0]["id"]) is None
    assert featured_image(replace(scenario, scores={"clip_score": {}}), PROMPTS[0]["id"]) == ("detailscribe-k0", "")


def test_a_word_diff_contains_both_texts():
    before, after = "Two badgers carry a ladder.", "Two tired badgers carry a long ladder."
    pieces = word_diff(before, after)
    assert "".join(text for kind, text in pieces if kind != "new") == before
    assert "".join(text for kind, text in pieces if kind != "gone") == after
    assert ("new", " tired") in pieces and ("same", " badgers carry a") in pieces
