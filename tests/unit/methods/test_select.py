"""Selections: the best score, ties, missing scores, and the rows of the images that later steps start from."""

import pytest

from detailscribe.methods.select import IMAGE_COLUMNS, select_image, select_images


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


def image_rows(image_set: str, **changes) -> dict[str, dict]:
    """Rows of an image set for two prompts."""
    return {
        id: {
            **{"id": id, "status": "ok", "reason": "", "file": f"s/images/{image_set}/{id}.jpg", "sha256": image_set},
            **{"key": f"key of {image_set}", "prompt": f"{image_set} of {id}", "seed": 7, "k": None, "software": {}},
            **changes,
        }
        for id in ("a", "b")
    }


def score_rows(**scores) -> list[dict]:
    """Score rows of the prompt a, by image set."""
    return [{"id": "a", "image_set": name, "score": score} for name, score in scores.items()]


@pytest.mark.parametrize(
    ("scores", "chosen", "reason"),
    [
        ({"one": 0.1, "two": 0.2}, "two", ""),
        ({"one": 0.2, "two": 0.2}, "one", ""),  # the first one listed wins a tie
        ({"two": -1.0, "one": -2.0}, "two", ""),
        ({"one": 0.1, "two": None}, None, "no m of two"),
        ({"one": 0.1}, None, "no m of two"),
        ({"one": None, "two": None}, None, "no m of one"),
        ({"one": 0.1, "two": 0.2, "another": 9}, "two", ""),
    ],
)
def test_a_selection_has_the_row_of_the_best_image(scores, chosen, reason):
    images = {"one": image_rows("one"), "two": image_rows("two")}
    [row] = select_images(score_rows(**scores), images, ["one", "two"], "m")
    assert (row["id"], row["status"], row["reason"]) == ("a", "ok" if chosen else "skipped", reason)
    assert (row["image_set"], row["candidate"], row["metric"]) == (chosen, chosen, "m")
    assert row["scores"] == {"one": scores.get("one"), "two": scores.get("two")}
    expected = images[chosen]["a"] if chosen else {}
    assert {key: row[key] for key in IMAGE_COLUMNS if key != "state"} == {
        key: expected.get(key) for key in IMAGE_COLUMNS if key != "state"
    }


def test_a_nested_selection_names_the_image_set_that_holds_the_file():
    inner = select_images(
        score_rows(one=1, two=2), {"one": image_rows("one"), "two": image_rows("two")}, ["one", "two"], "m"
    )
    images = {"inner": {row["id"]: row for row in inner}, "three": image_rows("three")}
    [row] = select_images(score_rows(inner=2, three=1), images, ["inner", "three"], "m")
    assert (row["candidate"], row["image_set"], row["file"]) == ("inner", "two", "s/images/two/a.jpg")
    [row] = select_images(score_rows(inner=2, three=3), images, ["inner", "three"], "m")
    assert (row["candidate"], row["image_set"]) == ("three", "three")


def test_the_second_best_is_the_next_in_order_also_on_a_tie():
    images = {name: image_rows(name) for name in ("one", "two", "three")}

    def chosen(rank, **scores):
        return select_images(score_rows(**scores), images, list(images), "m", rank)[0]["image_set"]

    assert [chosen(rank, one=1, two=3, three=2) for rank in (1, 2, 3)] == ["two", "three", "one"]
    assert [chosen(rank, one=2, two=3, three=3) for rank in (1, 2, 3)] == ["two", "three", "one"]


@pytest.mark.parametrize(
    ("carried", "chosen"),
    [
        # What each candidate's image is, and the image sets of rank 1, 2, 3.
        ({}, ["three", "two", "one"]),
        ({"three": "two"}, ["three", "one", "three"]),  # two images: the third is the best again
        ({"two": "one"}, ["three", "two", "three"]),
        ({"one": "two", "three": "two"}, ["three", "three", "three"]),
    ],
)
def test_an_image_that_two_candidates_hold_counts_once(carried, chosen):
    sets = ("one", "two", "three")
    images = {name: image_rows(name, sha256=carried.get(name, name)) for name in sets}
    scores = score_rows(one=1, two=2, three=3)
    rows = [select_images(scores, images, list(sets), "m", rank)[0] for rank in (1, 2, 3)]
    assert [row["image_set"] for row in rows] == chosen and all(row["status"] == "ok" for row in rows)
    assert [row["score"] for row in rows] == [1 + sets.index(name) for name in chosen]


def test_a_selection_keeps_what_the_next_step_needs_to_know_of_an_image():
    images = {"one": image_rows("one", state={"shifts": [[1, 0.3]]}), "two": image_rows("two")}
    [row] = select_images(score_rows(one=2, two=1), images, ["one", "two"], "m")
    assert row["state"] == {"shifts": [[1, 0.3]]}
    [row] = select_images(score_rows(one=1, two=2), images, ["one", "two"], "m")
    assert "state" not in row
