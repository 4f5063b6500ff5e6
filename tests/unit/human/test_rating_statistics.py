"""Statistics of ratings, worked by hand."""

import numpy as np
import pytest

from detailscribe.human import rating_statistics
from detailscribe.human.ratings import ParsedRatings, no_ratings
from detailscribe.human.tables import rating_tables
from tests.unit.human.sample_ratings import BEST_OF, rows_of

METHODS = [
    {"name": "sd", "candidates": ["original-11"]},
    {"name": "hosted", "candidates": ["hosted"]},
    {"name": "detailscribe", "candidates": ["k0", "k1"]},
]
RATINGS = {  # by (rater, prompt), of RATED; a missing rating excludes what needs it
    ("r1", "a"): (3, 4, 2, 5),
    ("r2", "a"): (2, 4, 4, 1),
    ("r1", "b"): (1, 4, None, 3),
}


def test_means_worked_by_hand():
    table = rating_statistics.mean_ratings(rows_of(RATINGS), METHODS, BEST_OF)
    means = {(row.method, row.selection): (row.n, row.prompts, row.mean) for row in table.itertuples()}
    assert means == {
        ("sd", "single"): (3, 2, 2.0),
        ("hosted", "single"): (3, 2, 4.0),
        ("detailscribe", "oracle"): (2, 1, 4.5),  # each rater's own best: 5 and 4, though the candidates differ
        ("detailscribe", "by:other_raters"): (2, 1, 1.5),  # the candidate that the other rater prefers: 2 and 1
        ("detailscribe", "mean"): (2, 1, 3.0),
        ("detailscribe", "k0"): (2, 1, 3.0),
        ("detailscribe", "k1"): (3, 2, 3.0),
    }
    best = table[table["headline"]].set_index("method")
    assert list(best["selection"]) == ["single", "single", "by:other_raters"]
    # Of the two pairs with all images: 3, 4, 2 and 2, 4, 1.
    assert list(best["best_alone"]) == [0, 2, 0] and list(best["best_rate"]) == [0, 1, 0]
    notes = table.set_index(["method", "selection"])["note"]
    assert (
        notes["detailscribe", "oracle"].startswith("the paper's way")
        and not notes.drop(("detailscribe", "oracle")).any()
    )


def test_the_papers_way_is_its_own_headline():
    table = rating_statistics.mean_ratings(rows_of(RATINGS), METHODS, BEST_OF, papers_way=True)
    assert list(table["selection"])[2:5] == ["oracle", "by:other_raters", "mean"] and "note" not in table
    best = table[table["headline"]].set_index("method")
    assert list(best["selection"]) == ["single", "single", "oracle"]
    assert list(best["best_alone"]) == [0, 0, 1] and list(best["best_shared"]) == [0, 1, 1]
    assert list(best["best_rate"]) == [0, 0, 0.5]
    legacy = rating_statistics.mean_ratings(rows_of(RATINGS), METHODS, BEST_OF, ties_win=True, papers_way=True)
    assert list(legacy[legacy["headline"]]["best_rate"]) == [0, 0.5, 1]


@pytest.mark.parametrize(
    ("ratings", "headline"),
    [
        ({("r1", "a"): (3, 4, 2, 5), ("r1", "b"): (1, 4, 2, 3)}, "mean"),  # one rater
        ({("r1", "a"): (3, 4, 2, 5), ("r2", "b"): (1, 4, 2, 3)}, "mean"),  # two, of different prompts
        ({("r1", "a"): (3, 4, 2, 5), ("r2", "a"): (1, 4, 2, None)}, "mean"),  # nobody else rated both
        ({("r1", "a"): (3, 4, 2, 5), ("r2", "a"): (1, 4, 2, 3), ("r1", "b"): (1, 1, 1, 1)}, "by:other_raters"),
        ({}, "mean"),
    ],
)
def test_without_a_second_rater_the_headline_is_the_mean_of_the_candidates(ratings, headline):
    table = rating_statistics.mean_ratings(rows_of(ratings), METHODS, BEST_OF)
    of_several = table[table["method"] == "detailscribe"]
    assert list(of_several["headline"]) == [True, False, False, False, False]
    assert of_several.iloc[0]["selection"] == headline
    assert of_several.iloc[0]["note"].startswith("no second rater") == (headline == "mean")


def test_random_ratings_give_no_method_an_advantage_in_the_headline():
    generator = np.random.default_rng(0)
    ratings = {(rater, f"p{n}"): tuple(generator.integers(1, 6, 4)) for n in range(400) for rater in ("r1", "r2", "r3")}
    table = rating_statistics.mean_ratings(rows_of(ratings), METHODS, BEST_OF).set_index(["method", "selection"])
    assert table.loc[("detailscribe", "by:other_raters"), "headline"]
    assert abs(table.loc[("detailscribe", "by:other_raters"), "mean"] - 3) < 0.12
    assert table.loc[("detailscribe", "oracle"), "mean"] > 3.6  # the best of two: 3.8 on average


def test_where_no_rated_method_is_among_the_best_of_nothing_is_counted():
    table = rating_statistics.mean_ratings(rows_of(RATINGS), METHODS, ["ablation"])
    assert table[["best_alone", "best_rate"]].isna().all(axis=None) and table.loc[0, "mean"] == 2


def test_without_ratings_the_tables_have_no_numbers():
    assert rating_statistics.mean_ratings([], METHODS, BEST_OF)["mean"].isna().all()
    assert rating_statistics.reliability([])["value"].isna().all()
    assert rating_statistics.rater_statistics([], {"r1": 4})[["n", "missing"]].to_numpy().tolist() == [[0, 4]]


def test_the_best_is_counted_among_the_papers_methods_and_ratings_of_a_prompt_go_together():
    ratings = {(rater, f"p{n}"): (1, 4, 2, 3) for n in range(12) for rater in ("r1", "r2", "r3")}
    extra = {"name": "ablation", "candidates": ["hosted"]}
    table = rating_statistics.mean_ratings(rows_of(ratings), [*METHODS, extra], BEST_OF).set_index(
        ["method", "selection"]
    )
    assert table.loc[("hosted", "single"), "best_alone"] == 36 and np.isnan(
        table.loc[("ablation", "single"), "best_rate"]
    )
    row = table.loc[("hosted", "single")]
    # All of 12 prompts: at least 1 - 0.05 ** (1 / 12) is not excluded, up to the approximation of that bound.
    assert row["best_rate_low95"] == pytest.approx(0.05 ** (1 / 12), abs=0.06) and row["best_rate_high95"] == 1
    with_it = rating_statistics.mean_ratings(rows_of(ratings), [*METHODS, extra], [*BEST_OF, "ablation"])
    assert with_it[with_it["headline"]].set_index("method").loc["hosted", "best_shared"] == 36


def test_the_unit_of_the_interval_is_a_prompt_with_all_its_ratings():
    generator = np.random.default_rng(0)
    ratings = {}
    for number in range(40):
        base = generator.integers(1, 6)
        for rater in ("r1", "r2", "r3", "r4"):  # raters agree: four ratings carry no more information than one
            ratings[rater, f"p{number}"] = (base, base, base, base)
    of_one = {key: values for key, values in ratings.items() if key[0] == "r1"}
    four = rating_statistics.mean_ratings(rows_of(ratings), METHODS[:1], BEST_OF).iloc[0]
    one = rating_statistics.mean_ratings(rows_of(of_one), METHODS[:1], BEST_OF).iloc[0]
    assert four["n"] == 160 and one["n"] == 40
    assert (four["low95"], four["high95"]) == pytest.approx((one["low95"], one["high95"]))


def test_raters_and_their_reliability():
    ratings = {("r1", f"p{n}"): (1, 2, 3, 5) for n in range(5)} | {("r2", f"p{n}"): (1, 2, 4, 5) for n in range(5)}
    table = rating_statistics.rater_statistics(rows_of(ratings), {"r1": 20, "r2": 21}).set_index("rater")
    assert list(table["missing"]) == [0, 1] and list(table["mean"]) == [2.75, 3.0]
    assert table["spearman_with_others"].min() == pytest.approx(1)
    alpha = rating_statistics.reliability(rows_of(ratings)).set_index("statistic")
    assert alpha.loc["alpha_interval", "images"] == 20 and 0.8 < alpha.loc["alpha_interval", "value"] < 1
    assert (alpha["low95"] <= alpha["value"]).all()


def test_tables_of_filled_sheets_count_the_images_that_each_rater_was_shown():
    rows = rows_of(RATINGS)
    open_image = {"rater": "r1", "id": "b", "image_set": "k0", "file": "b/k0.jpg", "rating": None, "shown_as": "k0"}
    open_image |= {"cannot_judge": False, "comment": ""}
    parsed = {
        "r1": ParsedRatings([row for row in rows if row["rater"] == "r1"], ["b/k0"], [], [open_image]),
        "r2": ParsedRatings([row for row in rows if row["rater"] == "r2"], [], [], []),
        "": no_ratings(),
    }
    values = {"raters": ["r1", "r2"], "methods": METHODS, "best_of": BEST_OF, "ties_win": False}
    tables = rating_tables(parsed, values)
    assert list(tables) == ["ratings", "comments", "main", "raters", "reliability"]
    assert list(tables["ratings"]["rater"]) == ["r1"] * 7 + ["r2"] * 4
    assert list(tables["raters"]["n"]) == [7, 4] and list(tables["raters"]["missing"]) == [1, 0]
    assert list(tables["raters"]["cannot_judge"]) == [0, 0] and len(tables["comments"]) == 0


def test_an_image_that_cannot_be_judged_is_missing_and_counted_and_one_shown_for_two_sets_counts_once():
    place = {"sheet": "1 to 2", "row": 2, "column": "E"}

    def images(rater, id, *sets):
        return [{"rater": rater, "id": id, "image_set": name, "file": f"{id}/{name}.jpg", **place} for name in sets]

    parsed = {"r1": no_ratings(), "r2": no_ratings()}
    for rater, ratings in {"r1": (5, 2), "r2": (4, 1)}.items():
        parsed[rater].add_answer(images(rater, "a", "original-11", "k1"), "x", (ratings[0], None, None))
        parsed[rater].add_answer(images(rater, "a", "hosted"), "x", (ratings[1], None, None))
    parsed["r1"].add_answer(images("r1", "a", "k0"), "x", (None, "yes", "does not open"))
    parsed["r2"].add_answer(images("r2", "a", "k0"), "x", (3, None, "blurred"))
    parsed["r2"].add_answer(images("r2", "b", "k0"), "x", (None, None, None))
    values = {"raters": ["r1", "r2"], "methods": METHODS, "best_of": BEST_OF, "ties_win": False}
    tables = rating_tables(parsed, values)
    ratings = tables["ratings"]
    assert list(ratings.columns) == ["rater", "id", "image_set", "rating", "file"]
    assert ratings[["rater", "image_set", "rating"]].to_records(index=False).tolist() == [
        *(("r1", "original-11", 5), ("r1", "k1", 5), ("r1", "hosted", 2)),
        *(("r2", "original-11", 4), ("r2", "k1", 4), ("r2", "hosted", 1), ("r2", "k0", 3)),
    ]
    raters = tables["raters"]
    assert list(raters.columns[:4]) == ["rater", "n", "missing", "cannot_judge"]
    assert raters.iloc[:, 1:4].to_numpy().tolist() == [[2, 1, 1], [3, 1, 0]]
    assert list(raters["mean"]) == [3.5, pytest.approx(8 / 3)]
    assert set(tables["reliability"]["images"]) == {3}  # the image of two sets is one
    assert [tuple(row) for row in tables["comments"][["rater", "image_set", "cannot_judge", "comment"]].to_numpy()] == [
        ("r1", "k0", True, "does not open"),
        ("r2", "k0", False, "blurred"),
    ]
    assert tables["comments"]["rating"].isna().tolist() == [True, False]
