"""Rows of a plan: sizes that follow from the spread, what they are called, and what is said where nothing follows."""

import pytest

from detailscribe.operations.power.comparisons import ASSISTED, HUMAN, MEANS, PAIRS, PILOT, PUBLISHED, Comparison
from detailscribe.operations.power.paired_power import prompts_needed
from detailscribe.operations.power.power_table import COLUMNS, DEFAULTS, Goal, power_rows
from detailscribe.operations.power.spreads import Spread

STATISTICS = {"test": "permutation", "permutations": 100_000}


def comparison(spread: Spread, design: str = MEANS, metric: str = "judge-main", **values) -> Comparison:
    common = {"method": "ours", "baseline": "sd", "source": PILOT, "observed": 0.1, "family": 1}
    return Comparison("demo", design, metric, spread=spread, **common | values)


def goal(prompts: int | None = 600, statistics: dict = STATISTICS, published: dict | None = None, **settings) -> Goal:
    known = {"demo": prompts} if prompts else {}
    return Goal(DEFAULTS | {"draws": [], "raters": []} | settings, statistics, known, published or {})


def row(of: Comparison, to: Goal, usd: float | None = 0.01) -> dict:
    rows = power_rows([of], to, lambda *_: usd, lambda *_: 0.5)
    assert len(rows) == 1
    assert list(rows[0])[: len(COLUMNS)] == COLUMNS
    return rows[0]


def test_the_numbers_of_a_row_fit_each_other():
    found = row(comparison(Spread(1.0, prompts=100, ratio=(0.9, 1.2)), width=4.0), goal())
    assert (found["difference"], found["sd"], found["n"], found["draws"]) == (0.2, 1.0, 100, 1)
    assert abs(found["prompts"] - 199) <= 2
    assert found["prompts_low95"] < found["prompts"] < found["prompts_high95"]
    assert found["prompts_high95"] / found["prompts"] == pytest.approx(1.44, abs=0.02)
    assert found["power_now"] < 0.8 < found["power_scenario"]
    assert found["detectable_now"] == pytest.approx(found["detectable_100"]) == pytest.approx(0.283, abs=0.002)
    assert found["usd"] == pytest.approx(found["prompts"] * 0.01)
    assert (found["hours"], found["human_prompts"], found["note"]) == (None, None, "")


@pytest.mark.parametrize(
    ("of", "difference", "settings", "expected"),
    [
        ({"metric": "judge-main", "width": 4.0}, 0.2, {}, ""),
        ({"metric": "judge-yes", "width": 1.0}, 0.05, {}, ""),
        ({"metric": "versus", "design": PAIRS, "width": 2.0}, 0.1, {}, ""),
        ({"metric": HUMAN, "width": 4.0}, 0.3, {"difference": {"marks": 0.3}}, ""),
        ({"metric": "clip_score"}, 0.021, {}, "the paper's"),
        ({"metric": "my_metric"}, 0.1, {}, "the observed one"),
        ({"metric": "my_metric"}, 0.7, {"difference": {"my_metric": 0.7}}, ""),
        ({"metric": "versus", "design": PAIRS}, 0.4, {"difference": {"pairs": 0.4}}, ""),
        ({"metric": HUMAN, "design": ASSISTED}, 0.6, {"difference": {"human": 0.5, "assisted-human": 0.6}}, ""),
        ({"metric": "my_metric", "observed": None}, None, {}, "set power: difference: {my_metric: VALUE}"),
    ],
)
def test_the_difference_is_the_named_one_or_says_where_it_is_from(of, difference, settings, expected):
    found = row(comparison(Spread(1.0, prompts=50), **of), goal(published={"clip_score": 0.021}, **settings))
    assert found["difference"] == (None if difference is None else pytest.approx(difference))
    assert expected in found["note"]
    assert (found["prompts"] is None) == (difference is None)
    assert found["detectable_600"] > 0


def test_more_draws_need_fewer_prompts_and_cost_more_per_prompt():
    of = comparison(Spread(0.5, 1.0, 2.0, prompts=50), width=4.0)
    rows = power_rows([of], goal(draws=[1, 2, 4]), lambda _, draws: 0.01 * draws, lambda *_: 0.0)
    assert [each["draws"] for each in rows] == [1, 2, 4]
    assert [each["sd"] ** 2 for each in rows] == pytest.approx([1.5, 1.0, 0.75])
    assert [each["usd"] for each in rows] == pytest.approx([each["prompts"] * 0.01 * each["draws"] for each in rows])
    assert rows[0]["prompts"] > rows[1]["prompts"] > rows[2]["prompts"]


def test_raters_are_planned_and_paid_by_the_hour():
    of = comparison(Spread(0.5, 1.0, 2.0, prompts=50), metric=HUMAN, width=4.0, source=PUBLISHED)
    rows = power_rows(
        [of], goal(raters=[1, 3], rater_usd_per_hour=20), lambda *_: 0.01, lambda _, raters: raters * 0.01
    )
    assert [each["raters"] for each in rows] == [1, 3]
    for each in rows:
        assert (each["draws"], each["human_prompts"]) == (None, each["prompts"])
        assert each["hours"] == pytest.approx(each["prompts"] * each["raters"] * 0.01)
        assert each["usd"] == pytest.approx(each["prompts"] * 0.01 + each["hours"] * 20)


@pytest.mark.parametrize("explained", [0.0, 0.5, 0.9])
def test_a_better_judge_leaves_fewer_prompts_to_people(explained):
    alone = row(comparison(Spread(1.0), metric=HUMAN, width=4.0), goal())
    found = row(comparison(Spread(1.0, explained=explained), ASSISTED, HUMAN, judge="judge-main", width=4.0), goal())
    rated = found["human_prompts"]
    assert found["prompts"] == 600
    expected = prompts_needed(0.2, lambda n: (1 - explained * (1 - n / 600)) / n, 0.05, 0.8)
    assert rated == expected
    assert (rated < alone["prompts"]) == (explained > 0)


@pytest.mark.parametrize(
    ("prompts", "judged", "words"),
    [(600, 600, ""), (150, 1000, "the scenario has 150 prompts"), (None, 1000, "")],
)
def test_an_assisted_plan_takes_the_scenario_or_says_that_it_is_too_small(prompts, judged, words):
    of = comparison(Spread(1.0, explained=0.7), ASSISTED, HUMAN, judge="judge-main", width=4.0)
    found = row(of, goal(prompts))
    assert found["prompts"] == judged
    assert words in found["note"] and bool(words) == bool(found["note"])


def test_too_small_a_scenario_is_named_with_what_is_needed_all_the_same():
    found = row(comparison(Spread(4.0, prompts=100), width=4.0), goal(600))
    assert found["prompts"] > 600 and "the scenario has 600 prompts" in found["note"]
    found = row(comparison(Spread(9.0), ASSISTED, HUMAN, judge="j", width=4.0), goal(600))
    assert found["human_prompts"] > 1000 and "1000 prompts are too few even if people rate all" in found["note"]


def test_holm_counts_the_family_or_what_the_user_says():
    of = comparison(Spread(1.0, prompts=50), width=4.0, family=28)
    found = {
        (family, others): row(of, goal(family=family, others=others))
        for family in (0, 5)
        for others in ("none", "same")
    }
    assert {key: each["family"] for key, each in found.items()} == {key: key[0] or 28 for key in found}
    assert found[0, "none"]["level"] == pytest.approx(0.05 / 28, rel=0.03)
    needed = {key: each["prompts"] for key, each in found.items()}
    assert needed[0, "none"] > needed[0, "same"] > needed[5, "same"]
    assert needed[0, "none"] > needed[5, "none"] > needed[5, "same"] > 199


@pytest.mark.parametrize(
    ("of", "statistics", "word"),
    [
        (comparison(Spread(0.0, prompts=50)), STATISTICS, "all differences are equal"),
        (comparison(Spread(1.0, prompts=8), width=4.0), STATISTICS, "from 8 prompts only"),
        (comparison(Spread(1.0), family=900), {**STATISTICS, "permutations": 1000}, "too few permutations"),
        (comparison(Spread(1e-6, prompts=50), width=4.0), STATISTICS, "with fewer, no result can pass"),
    ],
)
def test_what_limits_a_plan_is_in_its_note(of, statistics, word):
    assert word in row(of, goal(statistics=statistics))["note"]


def test_people_and_pairs_are_not_tested_by_ranks():
    ranks = {**STATISTICS, "test": "wilcoxon"}
    sizes = {}
    for metric, design in (("judge-main", MEANS), (HUMAN, MEANS), ("versus", PAIRS)):
        of = comparison(Spread(1.0), design, metric, width=4.0)
        sizes[metric] = row(of, goal(statistics=ranks))["prompts"]
    assert sizes["judge-main"] > 1.03 * sizes[HUMAN]
    assert abs(sizes["versus"] - sizes[HUMAN]) <= 1


def test_an_unknown_price_is_empty():
    assert row(comparison(Spread(1.0), width=4.0), goal(), usd=None)["usd"] is None
