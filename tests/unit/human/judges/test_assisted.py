"""Means that people and judges share: rows, what is compared, and prompts that were not drawn at random."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.human.assignment import order_of_draw, sample_prompts
from detailscribe.human.judges.agreement import scores_by_file
from detailscribe.human.judges.assisted import ASSISTED_COLUMNS, NUMBERS, assisted_table, judge_value_of_selection
from detailscribe.human.rating_statistics import mean_ratings
from detailscribe.tables.judging.prediction_powered import assisted_mean

METHODS = [
    {"name": "sd", "candidates": ["original-11"]},
    {"name": "ours", "candidates": ["k0", "k1"]},
]
SETS = ["original-11", "k0", "k1"]
PROMPTS, RATED, SEED = 120, 30, 5
VALUES = {"methods": METHODS, "metrics": ["clip", "judge"], "baseline": "sd", "seed": SEED}
IDS = [f"p{number}" for number in range(PROMPTS)]
FIRST = order_of_draw(IDS, SEED)[:RATED]


def planted(rated: list[str], raters: int = 2) -> tuple[list[dict], dict, dict]:
    """Ratings of the prompts, the dictionary, and scores: `judge` sees what people see, `clip` sees nothing."""
    generator = np.random.default_rng(1)
    truth = generator.normal(0, 0.9, (PROMPTS, 1)) + np.array([2.6, 3.0, 3.2]) + generator.normal(0, 0.5, (PROMPTS, 3))
    given = np.clip(np.rint(truth[None] + generator.normal(0, 0.3, (raters, PROMPTS, 3))), 1, 5)
    ratings = [
        {"rater": f"r{rater}", "id": id, "image_set": name, "rating": given[rater, IDS.index(id), column]}
        for rater in range(raters)
        for id in rated
        for column, name in enumerate(SETS)
    ]
    dictionary = {id: {"id": id, "images": {name: f"{id}/{name}.jpg" for name in SETS}} for id in IDS}
    judge = truth / 5 + generator.normal(0, 0.03, truth.shape)  # on a scale of its own
    scores = {
        metric: {
            (id, f"{id}/{name}.jpg"): values[row, column]
            for row, id in enumerate(IDS)
            for column, name in enumerate(SETS)
        }
        for metric, values in (("clip", generator.normal(0, 1, truth.shape)), ("judge", judge))
    }
    return ratings, dictionary, scores


def table_of(rated: list[str], **changes):
    ratings, dictionary, scores = planted(rated)
    return assisted_table(ratings, dictionary, scores, VALUES | changes)


def by_key(table):
    return table.set_index(["method", "selection", "statistic", "judge"])


def test_every_method_selection_and_judge_has_a_mean_and_a_difference():
    table = table_of(FIRST)
    assert list(table.columns) == ASSISTED_COLUMNS
    assert set(table["status"]) == {"ok"} and set(table["n_human"]) == {RATED} and set(table["n_judge"]) == {PROMPTS}
    keys = list(by_key(table[table["judge"] == "judge"]).index.droplevel("judge"))
    ours = [("ours", selection) for selection in ("by:other_raters", "oracle", "mean", "k0", "k1")]
    assert keys == [(*key, "mean") for key in (("sd", "single"), *ours)] + [(*key, "difference") for key in ours]
    assert set(table.loc[table["statistic"] == "difference", "baseline"]) == {"sd"}
    assert list(table.loc[table["headline"], "selection"].unique()) == ["single", "by:other_raters"]
    good, useless = table[table["judge"] == "judge"], table[table["judge"] == "clip"]
    assert (good["width_ratio"] < 0.95).all() and (good["weight"] > 0.3).all() and (good["reason"] == "").all()
    assert (useless["width_ratio"] > 0.95).all()
    alone = useless[useless["weight"] == 0]
    assert len(alone) and (alone["reason"] != "").all() and (alone["assisted"] == alone["people"]).all()


def test_the_rows_are_those_of_the_values_that_they_name():
    ratings, dictionary, scores = planted(FIRST)
    table = by_key(assisted_table(ratings, dictionary, scores, VALUES))
    people = {id: {name: [] for name in SETS} for id in FIRST}
    for row in ratings:
        people[row["id"]][row["image_set"]].append(row["rating"])

    def judge(id: str, name: str) -> float:
        return scores["judge"][id, f"{id}/{name}.jpg"]

    in_order, rest = [id for id in IDS if id in FIRST], [id for id in IDS if id not in FIRST]
    expected = {
        ("ours", "k1", "mean"): (
            [np.mean(people[id]["k1"]) for id in in_order],
            *([judge(id, "k1") for id in part] for part in (in_order, rest)),
        ),
        ("ours", "mean", "mean"): (
            [np.mean([people[id]["k0"], people[id]["k1"]]) for id in in_order],
            *([(judge(id, "k0") + judge(id, "k1")) / 2 for id in part] for part in (in_order, rest)),
        ),
        ("ours", "oracle", "mean"): (  # each rater's own best, and the judge's own
            [np.mean(np.maximum(people[id]["k0"], people[id]["k1"])) for id in in_order],
            *([max(judge(id, "k0"), judge(id, "k1")) for id in part] for part in (in_order, rest)),
        ),
        ("ours", "k0", "difference"): (
            [np.mean(people[id]["k0"]) - np.mean(people[id]["original-11"]) for id in in_order],
            *([judge(id, "k0") - judge(id, "original-11") for id in part] for part in (in_order, rest)),
        ),
    }
    for key, data in expected.items():
        paired = key[-1] == "difference"
        found = assisted_mean(*map(np.array, data), (-4.0, 4.0) if paired else (1.0, 5.0), paired)
        assert list(table.loc[(*key, "judge"), NUMBERS]) == pytest.approx(list(found[:-1])), key


@pytest.mark.parametrize(
    ("selection", "values"),
    [
        ("oracle", [0.9, 0.7, np.nan]),  # its own best
        ("mean", [0.5, 0.7, np.nan]),
        ("by:other_raters", [0.5, 0.7, np.nan]),  # which one others would choose is not known of every prompt
        ("k0", [0.1, 0.7, 0.4]),
        ("k1", [0.9, 0.7, np.nan]),
    ],
)
def test_the_judges_value_of_what_people_select(selection, values):
    scores = np.array([[0.1, 0.9], [0.7, 0.7], [0.4, np.nan]])
    assert judge_value_of_selection(scores, ["k0", "k1"], selection) == pytest.approx(values, nan_ok=True)
    assert judge_value_of_selection(scores[:, :1], ["original-11"], "single") == pytest.approx([0.1, 0.7, 0.4])


def test_prompts_without_a_score_are_left_out_of_the_judges_part():
    ratings, dictionary, scores = planted(FIRST)
    unscored = [id for id in IDS if id not in FIRST][:60]
    table = assisted_table(ratings, dictionary, scores, VALUES | {"metrics": ["judge"]})
    for id in unscored:
        scores["judge"][id, f"{id}/k1.jpg"] = np.nan
    gaps = assisted_table(ratings, dictionary, scores, VALUES | {"metrics": ["judge"]})
    fewer = {id: row for id, row in dictionary.items() if id not in unscored}
    without = assisted_table(ratings, fewer, scores, VALUES | {"metrics": ["judge"]})
    touched = gaps["selection"].isin(["k1", "mean", "oracle", "by:other_raters"])
    assert set(gaps.loc[touched, "n_judge"]) == {PROMPTS - 60} and touched.sum() == 8
    for rows, same in ((touched, without), (~touched, table)):
        assert gaps.loc[rows, NUMBERS].to_numpy() == pytest.approx(same.loc[rows, NUMBERS].to_numpy(), rel=1e-6)


def test_people_alone_are_the_means_of_the_human_table():
    ratings, dictionary, scores = planted(FIRST)
    table = by_key(assisted_table(ratings, dictionary, scores, VALUES))
    main = mean_ratings(ratings, METHODS, [])
    for row in main.itertuples():
        found = table.loc[(row.method, row.selection, "mean", "judge")]
        assert list(found[["people", "people_low95", "people_high95"]]) == pytest.approx(
            [row.mean, row.low95, row.high95]
        )
        assert found["headline"] == row.headline


BY_CHOICE = [id for id in IDS if id not in FIRST][:RATED]


@pytest.mark.parametrize(
    ("rated", "reason"),
    [
        (FIRST, ""),
        (FIRST[: RATED // 2], ""),  # sheets of fewer prompts
        (IDS, ""),  # all
        (FIRST[1:], "first 30 prompts in the order of the draw (human: seed) 1 have no rating for this row, first"),
        ([id for id in IDS if id in FIRST][:15], "have no rating for this row"),  # a rater who stopped half-way
        (BY_CHOICE, "no random sample of the scenario"),
        ([*FIRST, BY_CHOICE[7]], "no random sample of the scenario"),
        (IDS[:RATED], "no random sample of the scenario"),
    ],
)
def test_prompts_that_were_not_drawn_at_random_give_no_number(rated, reason):
    table = table_of(rated)
    if reason:
        assert set(table["status"]) == {"refused"} and table[NUMBERS].isna().all(axis=None)
        assert table["reason"].str.contains(reason, regex=False).all() and set(table["n_human"]) == {len(rated)}
    else:
        assert set(table["status"]) == {"ok"} and table[NUMBERS].notna().all(axis=None)


def test_the_prompts_of_a_sheet_are_a_random_sample():
    _, dictionary, _ = planted([])
    for count in (1, 10, 50):
        drawn = {row["id"] for row in sample_prompts(list(dictionary.values()), SETS, count, SEED)}
        assert drawn == set(order_of_draw(IDS, SEED)[:count])


def test_another_seed_or_prompts_that_were_added_later_are_refused():
    assert set(table_of(FIRST, seed=SEED + 1)["status"]) == {"refused"}
    ratings, dictionary, scores = planted(FIRST)
    fewer = {id: row for id, row in dictionary.items() if id in FIRST or IDS.index(id) % 2}
    assert set(assisted_table(ratings, fewer, scores, VALUES)["status"]) == {"ok"}, "prompts that were removed"
    added = next(f"new{n}" for n in range(1000) if order_of_draw([*FIRST, f"new{n}"], SEED)[-1] != f"new{n}")
    more = dictionary | {added: {"id": added, "images": dict.fromkeys(SETS, f"{added}.jpg")}}
    table = assisted_table(ratings, more, scores, VALUES)
    assert set(table["status"]) == {"refused"} and table["reason"].str.contains(added).all()


def test_an_unrated_image_refuses_the_rows_that_need_it_and_no_others():
    ratings, dictionary, scores = planted(FIRST)
    kept = [row for row in ratings if (row["id"], row["image_set"]) != (FIRST[3], "k1")]
    table = assisted_table(kept, dictionary, scores, VALUES)
    status = table.groupby("selection")["status"].unique().map(set).to_dict()
    alone = dict.fromkeys(("single", "k0"), {"ok"})
    assert status == alone | dict.fromkeys(("k1", "oracle", "mean", "by:other_raters"), {"refused"})


@pytest.mark.parametrize(
    ("change", "status", "reason"),
    [
        (lambda ratings, scores: scores.update(judge={}), "skipped", "judge has no score of these images"),
        (lambda ratings, scores: ratings.clear(), None, ""),
        (
            lambda ratings, scores: ratings.__delitem__(slice(None)) or ratings.extend(planted(FIRST[:1])[0]),
            "skipped",
            "1 rated prompts, an interval needs 2",
        ),
        (
            lambda ratings, scores: ratings.__delitem__(slice(None)) or ratings.extend(planted(FIRST[:5])[0]),
            "ok",
            "fewer than 8 rated prompts",
        ),
    ],
)
def test_what_is_missing_is_said(change, status, reason):
    ratings, dictionary, scores = planted(FIRST)
    change(ratings, scores)
    table = assisted_table(ratings, dictionary, scores, VALUES)
    rows = table[table["judge"] == "judge"]
    assert set(rows["status"]) == ({status} if status else set()) and set(rows["reason"]) <= {reason}


def test_without_a_rated_baseline_there_are_means_alone():
    table = table_of(FIRST, baseline="hosted")
    assert set(table["statistic"]) == {"mean"} and set(table["baseline"]) == {""}


def test_the_image_that_a_method_chose_counts_under_its_own_name():
    """`multi_seed` has no scores of its own: its file is another set's."""
    ratings, dictionary, _ = planted(FIRST)
    for row in dictionary.values():
        row["images"]["multi_seed"] = row["images"]["k1"]
    ratings += [row | {"image_set": "multi_seed"} for row in ratings if row["image_set"] == "k1"]
    _, _, planted_scores = planted(FIRST)
    rows = [
        (id, file.split("/")[1][:-4], metric, score)
        for metric, values in planted_scores.items()
        for (id, file), score in values.items()
    ]
    scores = scores_by_file(
        pd.DataFrame(rows, columns=["id", "image_set", "metric", "score"]), dictionary, ["judge", "clip"]
    )
    methods = [*METHODS, {"name": "multi_seed", "candidates": ["multi_seed"]}]
    table = by_key(assisted_table(ratings, dictionary, scores, VALUES | {"methods": methods}))
    same, own = (table.loc[(*key, "mean", "judge"), NUMBERS] for key in (("ours", "k1"), ("multi_seed", "single")))
    assert list(same) == pytest.approx(list(own))
