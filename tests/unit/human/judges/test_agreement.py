"""Agreement of metrics with human ratings."""

import pandas as pd

from detailscribe.human.judges.agreement import metric_agreement, scores_by_file
from tests.unit.human.sample_ratings import RATED, rows_of


def test_a_metric_is_compared_once_for_each_pair_of_different_images():
    ratings = rows_of({("r1", "a"): (5, 3, 3, 1), ("r2", "a"): (5, 3, 1, 1), ("r1", "b"): (2, 4, 2, 2)})
    for row in ratings:
        if row["image_set"] == "k1":
            row["file"] = f"{row['id']}/k0.jpg"  # the same file shown twice is one image
    score = {("a", "a/original-11.jpg"): 1.0, ("a", "a/hosted.jpg"): 0.5, ("a", "a/k0.jpg"): 0.7}
    score |= {("b", "b/original-11.jpg"): 0.1, ("b", "b/hosted.jpg"): 0.9}
    row = metric_agreement(ratings, {"clip": score}, {}).iloc[0]
    # a: 5 > 3 hit, 5 > 1.5 hit, 3 > 1.5 miss; b: hosted over the initial image a hit, k0 has no score.
    assert (row["pairs"], row["agreement"], row["images_unmatched"]) == (4, 0.75, 1)
    assert row["low95"] <= 0.75 <= row["high95"]


def test_files_with_the_same_bytes_are_one_image_and_counted():
    ratings = rows_of({("r1", "a"): (5, 3, 4, 1)})
    score = {("a", f"a/{name}.jpg"): value for name, value in zip(RATED, (4, 2, 3, 1), strict=True)}
    apart = metric_agreement(ratings, {"clip": score}, {}).iloc[0]
    assert (apart["pairs"], apart["agreement"], apart["images_identical"]) == (6, 1, 0)
    digests = {f"a/{name}.jpg": "same" for name in ("original-11", "hosted")} | {"a/k0.jpg": "other"}
    row = metric_agreement(ratings, {"clip": score}, digests).iloc[0]
    # The two are one image, rated 4 as k0 is: k1 against each of the others is left.
    assert (row["pairs"], row["agreement"], row["images_identical"], row["tied_by_people"]) == (2, 1, 1, 1)


def test_scores_are_found_by_the_file_of_their_image():
    dictionary = {"a": {"images": {"original-11": "a/1.jpg", "hosted": "a/2.jpg"}}}
    rows = [("a", "original-11", "clip", 0.5), ("a", "k9", "clip", 0.7), ("other", "hosted", "clip", 0.9)]
    scores = pd.DataFrame(rows, columns=["id", "image_set", "metric", "score"])
    assert scores_by_file(scores, dictionary, ["clip", "judge-main"]) == {
        "clip": {("a", "a/1.jpg"): 0.5},
        "judge-main": {},
    }
