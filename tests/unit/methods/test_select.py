"""Seed selection: the best score, and missing scores."""

from detailscribe.methods.select import select_image


def test_the_best_seed_is_selected_and_a_missing_score_is_reported():
    scores = [
        {"id": "a", "image_set": "o1", "score": 0.2},
        {"id": "a", "image_set": "o2", "score": 0.6},
        {"id": "a", "image_set": "other", "score": 9},
        {"id": "b", "image_set": "o1", "score": 0.3},
        {"id": "b", "image_set": "o2", "score": None},
    ]
    rows = select_image(scores, ["o1", "o2"], "clip_score")
    assert [(row["id"], row["image_set"], row["score"], row["status"]) for row in rows] == [
        ("a", "o2", 0.6, "ok"),
        ("b", None, None, "skipped"),
    ]
    assert rows[1]["reason"] == "no clip_score of o2"
