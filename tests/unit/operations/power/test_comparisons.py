"""Comparisons from scores, ratings and pairs: the differences of the tables, repeats, and families."""

import numpy as np
import pandas as pd
import pytest

from detailscribe.human.judges.assisted import judge_value_of_selection
from detailscribe.human.rating_statistics import selected_ratings
from detailscribe.operations.power.comparisons import (
    ASSISTED,
    HUMAN,
    MEANS,
    PAIRS,
    compare_means,
    compare_pairs,
    compare_ratings,
)
from detailscribe.operations.power.spreads import explained_variance
from detailscribe.tables.main_table import tabulate
from detailscribe.tables.score_table import SCORE_COLUMNS, ScoreTable, score_frame
from detailscribe.tables.significance import detectable_effect
from tests.unit.tables.sample_scores import score_rows

METHODS = [
    {"name": "sd", "candidates": ["sd"], "headline": "single"},
    {"name": "rewrite", "candidates": ["rewrite"], "headline": "single"},
    {"name": "seeds", "candidates": ["sd", "seed2"], "headline": "by:clip"},
    {"name": "ours", "candidates": ["k0", "k1"], "headline": "oracle"},
    {"name": "absent", "candidates": ["none"], "headline": "single"},
]
RANGES = {"clip": None, "judge": [1, 5]}
SETTINGS = {
    "bootstrap": {"resamples": 100, "seed": 0},
    "statistics": {"baseline": "sd", "test": "permutation", "permutations": 1000},
    "ranges": RANGES,
    "best_of": [],
    "ties_win": False,
    "selector": "clip",
}
ORACLES = {"selector": "clip"}


def scores(draws: int = 2, prompts: int = 60) -> ScoreTable:
    generator = np.random.default_rng(0)
    rows = []
    for prompt in range(prompts):
        base = generator.normal(0, 0.7)
        for image_set in ("sd", "rewrite", "seed2", "k0", "k1"):
            quality = base + generator.normal(0, 0.5) + 0.4 * image_set.startswith("k")
            given = np.clip(np.round(3 + quality + generator.normal(0, 0.7, draws)), 1, 5)
            left_out = "sd failed" if prompt == 7 else ""
            common = (f"p{prompt}", "", left_out, image_set)
            rows.append((*common, "clip", quality, "ok", ""))
            missing = prompt == 9 and image_set == "rewrite"
            text = " ".join(f"{mark:g}" for mark in given) if draws > 1 else ""
            judged = (np.nan, "failed", "") if missing else (given.mean(), "ok", text)
            rows.append((*common, "judge", *judged))
    return ScoreTable(pd.DataFrame(rows, columns=SCORE_COLUMNS), ["clip", "judge"])


def test_the_differences_are_those_of_the_main_table():
    table = scores()
    found = compare_means("demo", table, METHODS, "sd", RANGES, ORACLES)
    rows = tabulate(table, METHODS, SETTINGS)
    rows = rows.set_index(["metric", "method", "selection"])
    assert [(each.metric, each.method, each.selection, bool(each.note)) for each in found] == [
        *(("clip", "rewrite", "single", False), ("clip", "seeds", "by:clip", True), ("clip", "seeds", "mean", False)),
        *(("clip", "ours", "oracle", True), ("clip", "ours", "mean", False)),
        *(("judge", "rewrite", "single", False), ("judge", "seeds", "by:clip", False)),
        *(("judge", "ours", "oracle", True), ("judge", "ours", "by:clip", False)),
    ]
    for each in found:
        row = rows.loc[each.metric, each.method, each.selection]
        assert row["headline"] or row["honest"]
        assert row["oracle"] == bool(each.note)
        assert (each.spread.prompts, each.observed) == (row["n_pairs"], pytest.approx(row["difference"]))
        assert each.spread.total() ** 0.5 == pytest.approx(row["detectable"] / detectable_effect(row["n_pairs"]))
        assert each.family == row["family"] == 6
        assert each.width == (4 if each.metric == "judge" else None)


def test_the_family_is_that_of_the_table_where_a_method_has_no_honest_row():
    oracles = ORACLES | {"on_the_way": {"ours": ["clip"]}}
    found = compare_means("demo", scores(), METHODS, "sd", RANGES, oracles)
    rows = tabulate(scores(), METHODS, SETTINGS | oracles).set_index(["metric", "method", "selection"])
    families = {each.family for each in found if rows.loc[each.metric, each.method, each.selection]["headline"]}
    assert families == {6}
    honest = [each for each in found if not rows.loc[each.metric, each.method, each.selection]["headline"]]
    assert {(each.metric, each.method) for each in honest} == {("clip", "seeds"), ("judge", "ours")}
    for each in honest:
        assert each.family == rows.loc[each.metric, each.method, each.selection]["family"] == 5


@pytest.mark.parametrize(("draws", "known"), [(1, False), (2, True), (3, True)])
def test_the_noise_of_a_judge_is_known_from_two_draws_on(draws, known):
    found = compare_means("demo", scores(draws, 400), METHODS, "sd", RANGES, ORACLES)
    spreads = {(each.metric, each.method): each.spread for each in found if not each.note}
    assert all(spread.within is None for (metric, _), spread in spreads.items() if metric == "clip")
    judged = spreads["judge", "rewrite"]
    assert (judged.within is not None) == known
    if known:
        assert judged.repeats == draws
        assert judged.within == pytest.approx(2 * (0.7**2 + 1 / 12), rel=0.25)  # of two images, rounded


def test_without_the_baseline_there_is_nothing_to_compare():
    assert compare_means("demo", scores(), METHODS[1:], "sd", RANGES, ORACLES) == []
    assert compare_ratings("demo", [], METHODS, "sd", None, METHODS) == []
    assert compare_pairs("demo", [], "sd", "versus") == []


RATED = [{"name": name, "candidates": [name]} for name in ("sd", "a", "b")] + [{"name": "no_image", "candidates": []}]


def ratings(prompts: int = 300, raters: int = 3) -> list[dict]:
    generator = np.random.default_rng(1)
    rows = []
    for prompt in range(prompts):
        for name, gain in (("sd", 0.0), ("a", 0.5), ("b", 0.0)):
            quality = 3 + gain + generator.normal(0, 0.6)
            for rater in range(raters):
                mark = float(np.clip(quality + generator.normal(0, 0.5), 1, 5))
                rows.append({"rater": f"r{rater}", "id": f"p{prompt}", "image_set": name, "rating": mark})
    return rows


def table_of(ids: list[str], scores: dict[str, dict[tuple[str, str], float]]) -> ScoreTable:
    rows = {metric: score_rows(values) for metric, values in scores.items()}
    return ScoreTable(score_frame([{"id": id} for id in ids], set(ids), [], rows), list(scores))


def test_people_have_a_spread_between_prompts_and_raters_and_a_judge_explains_some_of_the_first():
    rows = ratings()
    marks = {(row["id"], row["rater"], row["image_set"]): row["rating"] for row in rows}
    ids = list(dict.fromkeys(row["id"] for row in rows))
    people = {(id, name): np.mean([marks[id, f"r{n}", name] for n in range(3)]) for id in ids for name in ("sd", "a")}
    noise = np.random.default_rng(2).normal(size=len(people))
    table = table_of(ids, {"judge-good": people, "judge-bad": dict(zip(people, noise.tolist(), strict=True))})
    found = compare_ratings("demo", rows, RATED, "sd", table, [])
    by_key = {(each.design, each.method, each.judge): each for each in found}
    assert set(by_key) == {
        (MEANS, "a", ""),
        (MEANS, "b", ""),
        (ASSISTED, "a", "judge-good"),
        (ASSISTED, "a", "judge-bad"),
    }
    people = by_key[MEANS, "a", ""]
    assert (people.metric, people.family, people.spread.repeats) == (HUMAN, 2, 3)
    assert people.spread.between == pytest.approx(2 * 0.6**2, rel=0.25)
    assert people.spread.within == pytest.approx(2 * 0.5**2, rel=0.25)
    assert by_key[ASSISTED, "a", "judge-good"].spread.explained == people.spread.between  # never more than that
    assert by_key[ASSISTED, "a", "judge-bad"].spread.explained < 0.05


SHOWN = [  # to raters: one image, several, and the one that a metric selects
    {"name": "sd", "candidates": ["sd"]},
    {"name": "ours", "candidates": ["k0", "k1"]},
    {"name": "seeds", "candidates": ["seeds"]},
]


@pytest.mark.parametrize(("raters", "headline"), [(2, "by:other_raters"), (1, "mean")])
def test_a_plan_takes_the_judges_value_that_the_assisted_table_takes(raters, headline):
    table, generator = scores(prompts=60), np.random.default_rng(4)
    first = table.array("clip", ["sd", "seed2"]).argmax(axis=1) == 0

    def seen(metric: str, names: list[str]) -> np.ndarray:
        """Scores of the images that raters see; `seeds` is the one that clip selects."""
        one, other = table.array(metric, ["sd", "seed2"]).T
        picked = np.where(first, one, other)
        return np.stack([picked if name == "seeds" else table.array(metric, [name])[:, 0] for name in names], axis=1)

    rows = [
        {"rater": f"r{rater}", "id": id, "image_set": name, "rating": float(np.clip(np.round(mark), 1, 5))}
        for name in ("sd", "k0", "k1", "seeds")
        for id, score in zip(table.ids, seen("clip", [name])[:, 0].tolist(), strict=True)
        for rater, mark in enumerate(generator.normal(3 + score, 0.5, raters))
    ]
    found = {(each.method, each.judge): each for each in compare_ratings("demo", rows, SHOWN, "sd", table, METHODS)}
    keys, selected, ids = selected_ratings(rows, SHOWN)
    shown = {key[0]: (column, key[1]) for column, key in enumerate(keys) if key[2]}
    assert [selection for _, selection in shown.values()] == ["single", headline, "single"]
    for method in SHOWN[1:]:
        names, (column, selection) = method["candidates"], shown[method["name"]]
        differences = selected[:, column] - selected[:, shown["sd"][0]]
        people = np.array([differences[[each == id for each in ids]].mean() for id in table.ids])
        for metric in table.metrics:
            judge = judge_value_of_selection(seen(metric, names), names, selection) - seen(metric, ["sd"])[:, 0]
            spread = found[method["name"], metric].spread
            assert spread.explained == pytest.approx(min(explained_variance(people, judge), spread.between))
        assert found[method["name"], "clip"].spread.explained > 0.1


def test_a_judge_without_scores_of_what_raters_see_assists_nobody():
    table = table_of(["p0", "p1", "p2", "p3"], {"clip": {(f"p{n}", "other"): float(n) for n in range(4)}})
    rows = [
        {"rater": "r0", "id": f"p{n}", "image_set": name, "rating": float(1 + n)}
        for n in range(4)
        for name in ("sd", "a")
    ]
    assert [each.design for each in compare_ratings("demo", rows, RATED, "sd", table, [])] == [MEANS]


def pairs(prompts: int = 400) -> list[dict]:
    generator = np.random.default_rng(3)
    rows = []
    for prompt in range(prompts):
        for method, other in (("a", "sd"), ("b", "sd"), ("b", "a")):
            gain = generator.normal(0.3 if method == "a" else 0.0, 0.5)
            for first, second, sign in ((method, other, 1), (other, method, -1)):
                value = float(np.clip(sign * gain + 0.2, -1, 1))  # the first place is preferred
                rows.append({"id": f"p{prompt}", "first": first, "second": second, "value": value})
    return rows


def test_pairs_are_compared_over_both_orders_so_that_a_bias_cancels():
    rows = pairs()
    rows[0] = rows[0] | {"value": None}  # a pair with one order only does not count
    found = {each.method: each for each in compare_pairs("demo", rows, "sd", "versus")}
    assert set(found) == {"a", "b"}
    for method, each in found.items():
        assert (each.design, each.metric, each.family, each.width) == (PAIRS, "versus", 3, 2.0)
        assert each.spread.prompts == (399 if method == "a" else 400)
        assert each.observed == pytest.approx(0.3 if method == "a" else 0.0, abs=0.08)
        by_id = {}
        for row in rows:
            if {row["first"], row["second"]} == {method, "sd"} and row["value"] is not None:
                by_id.setdefault(row["id"], []).append(row["value"] * (1 if row["first"] == method else -1))
        both = [np.mean(values) for values in by_id.values() if len(values) == 2]
        assert each.spread.total() == pytest.approx(np.var(both, ddof=1))


def test_one_order_of_a_person_counts():
    rows = [{"id": f"p{n}", "first": "a", "second": "sd", "value": float(n % 3 - 1)} for n in range(12)]
    (found,) = compare_pairs("demo", rows, "sd", HUMAN)
    assert (found.spread.prompts, found.spread.within) == (12, None)
    assert compare_pairs("demo", rows, "sd", "versus") == []
