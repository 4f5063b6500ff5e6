"""Tables of pairs against a second computation, row by row; strengths and the order beside that of metrics."""

import math
from itertools import product
from statistics import mean

import numpy as np
import pandas as pd
import pytest

from detailscribe.scores.judges.pairs import choice_of
from detailscribe.tables.intervals import mean_intervals
from detailscribe.tables.judging.pair_tables import PAIR_COLUMNS, pairs_table, parameters, position_sentence
from detailscribe.tables.judging.strength_tables import (
    RANKING_COLUMNS,
    STRENGTH_COLUMNS,
    rankings_table,
    strengths_table,
)
from tests.unit.study.configured import CONFIG, configured_study

METHODS = ["sd", "a", "b"]
SETTINGS = {"baseline": "sd", "permutations": 500, "seed": 3}
JUDGE = CONFIG["judges"]["demo_pairs"]
VALUES = (1.0, 0.5, 0.0, -0.5, -1.0)


def row(id, first, second, value, identical=False):
    return {"id": id, "first": first, "second": second, "value": value, "identical": identical}


def rows_of(seed: int, prompts: int = 30) -> list[dict]:
    """Random answers to every pair, some of them missing, some images identical."""
    generator, rows = np.random.default_rng(seed), []
    for prompt in range(prompts):
        for one, other in (("a", "sd"), ("b", "sd"), ("b", "a")):
            identical = generator.random() < 0.1
            for first, second in ((one, other), (other, one)):
                value = 0.0 if identical else float(generator.choice(VALUES))
                missing = not identical and generator.random() < 0.15
                rows.append(row(f"p{prompt}", first, second, None if missing else value, identical))
    return rows


@pytest.mark.parametrize("seed", range(3))
def test_every_row_equals_a_count_by_hand(seed):
    rows = rows_of(seed)
    values = {(each["id"], each["first"], each["second"]): each["value"] for each in rows}
    same = {(each["id"], each["first"], each["second"]) for each in rows if each["identical"]}
    table = pairs_table("j", rows, METHODS, SETTINGS)
    assert list(table.columns) == PAIR_COLUMNS
    assert list(zip(table["method"], table["other"], strict=True)) == [("a", "sd"), ("b", "sd"), ("b", "a"), ("", "")]
    biases = {}
    for _, found in table.iloc[:-1].iterrows():
        method, other = found["method"], found["other"]
        results = {}
        for id in dict.fromkeys(each["id"] for each in rows):
            one, two = values[id, method, other], values[id, other, method]
            if one is not None and two is not None:
                results[id] = (one - two) / 2
                if (id, method, other) not in same:
                    biases[id, method, other] = (one + two) / 2
        wins, losses = (sum(sign * each >= 0.25 for each in results.values()) for sign in (1, -1))
        ties = len(results) - wins - losses
        assert (found["n"], found["wins"], found["ties"], found["losses"]) == (len(results), wins, ties, losses)
        assert found["win_rate"] == pytest.approx((wins + ties / 2) / len(results))
        assert found["value"] == pytest.approx(mean(results.values()))
        low, high = mean_intervals(np.array([*results.values()])[:, None], (-1, 1), paired=True)
        assert (found["value_low95"], found["value_high95"]) == pytest.approx((low[0], high[0]))
        of_pair = {key[0]: bias for key, bias in biases.items() if key[1:] == (method, other)}
        assert found["position_bias"] == pytest.approx(mean(of_pair.values()))
        agree = [choice_of(values[id, method, other]) == choice_of(-values[id, other, method]) for id in of_pair]
        assert found["consistent"] == pytest.approx(mean(agree))
        assert found["identical"] == sum(key[1:] == (method, other) for key in same)
        one_order = [
            (values[id, method, other] is None) != (values[id, other, method] is None)
            for id in dict.fromkeys(each["id"] for each in rows)
        ]
        assert found["one_order"] == sum(one_order) and found["family"] == 3
        assert found["p"] <= found["p_holm"] <= min(1, 3 * found["p"] + 1e-9)
    together = table.iloc[-1]
    assert together["position_bias"] == pytest.approx(mean(biases.values()))
    assert together["n"] == len({id for id, _, _ in biases})
    assert together["position_bias_low95"] < together["position_bias"] < together["position_bias_high95"]
    for name in ("identical", "one_order", "ties"):
        assert together[name] == table.iloc[:-1][name].sum()
    assert pd.isna(together["wins"]) and pd.isna(together["p"])


@pytest.mark.parametrize(
    ("first_order", "second_order", "result", "consistent", "bias"),
    [  # values for the image shown first: a before sd, then sd before a
        (1.0, -1.0, "wins", 1, 0.0),
        (0.5, -1.0, "wins", 1, -0.25),
        (0.0, 0.0, "ties", 1, 0.0),
        (1.0, 1.0, "ties", 0, 1.0),  # the same place twice: a reversal
        (0.5, 0.5, "ties", 0, 0.5),
        (1.0, 0.5, "wins", 0, 0.75),  # the same place twice, once more clearly: a mean of 0.25
        (0.5, 1.0, "losses", 0, 0.75),  # a reversal whose second answer is the clearer one
        (0.0, -0.5, "wins", 0, -0.25),
        (-0.5, 0.5, "losses", 1, 0.0),
        (0.2, -0.1, "ties", 1, 0.05),  # read by probability: nearest to the mark of a tie
    ],
)
def test_both_orders_are_averaged(first_order, second_order, result, consistent, bias):
    rows = [row("p", "a", "sd", first_order), row("p", "sd", "a", second_order)]
    found = pairs_table("j", rows, ["sd", "a"], SETTINGS).iloc[0]
    assert {name: found[name] for name in ("wins", "ties", "losses")} == {
        name: int(name == result) for name in ("wins", "ties", "losses")
    }
    assert (found["consistent"], found["position_bias"]) == (consistent, pytest.approx(bias))
    assert math.isnan(found["value_low95"])  # of one prompt


def test_a_judge_that_sees_only_the_place_has_a_bias_of_one_and_no_difference():
    rows = [row(f"p{n}", *order, 1.0) for n, order in product(range(20), (("a", "sd"), ("sd", "a")))]
    table = pairs_table("j", rows, ["sd", "a"], SETTINGS)
    found = table.iloc[-1]
    assert (found["position_bias"], found["position_bias_p"] < 0.01, found["consistent"]) == (1.0, True, 0.0)
    assert (table.iloc[0]["ties"], table.iloc[0]["value"], table.iloc[0]["p"]) == (20, 0.0, 1.0)
    assert "position bias 1.000" in position_sentence(table) and "0% of pairs alike" in position_sentence(table)


def test_without_answers_every_number_is_empty():
    rows = [row("p", "a", "sd", None), row("p", "sd", "a", None)]
    for given in (rows, []):
        table = pairs_table("j", given, ["sd", "a"], SETTINGS)
        assert table["position_bias"].isna().all() and table["value"].isna().all()
        assert "no pair was answered in both orders" in position_sentence(table)
        strengths = strengths_table("j", given, ["sd", "a"], "sd").set_index("method")
        assert (strengths.loc["a", "n"], strengths.loc["a", "note"]) == (0, "no comparison leads to sd")
        assert pd.isna(strengths.loc["a", "rank"])


def test_strengths_are_ranked_against_the_baseline_or_the_first_method():
    rows = rows_of(5, prompts=60)
    rows += [row(f"q{n}", *order, value) for n in range(30) for order, value in ((("b", "a"), 1.0), (("a", "b"), -1.0))]
    table = strengths_table("j", rows, METHODS, "sd").set_index("method")
    assert list(table.reset_index()[STRENGTH_COLUMNS].columns) == STRENGTH_COLUMNS
    assert set(table["reference"]) == {"sd"} and table.loc["sd", "strength"] == 0
    assert list(table["strength"].rank(ascending=False)) == list(table["rank"])
    assert table["strength"].idxmax() == "b"
    for name in "ab":
        assert table.loc[name, "win_probability"] == pytest.approx(1 / (1 + math.exp(-table.loc[name, "strength"])))
        assert table.loc[name, "low95"] < table.loc[name, "strength"] < table.loc[name, "high95"]
    answered = [each for each in rows if each["value"] is not None and "a" in (each["first"], each["second"])]
    assert (table.loc["a", "answers"], table.loc["a", "n"]) == (len(answered), len({each["id"] for each in answered}))
    other = strengths_table("j", rows, METHODS, "not compared").set_index("method")
    assert set(other["reference"]) == {"sd"}
    shifted = strengths_table("j", rows, METHODS, "a").set_index("method")["strength"]
    assert shifted["b"] == pytest.approx(table.loc["b", "strength"] - table.loc["a", "strength"], abs=1e-6)


def main_table() -> pd.DataFrame:
    """Two metrics; the second one selects the image of b."""
    means = [
        ("sd", "single", "m", 1.0, True, False),
        ("a", "single", "m", 2.0, True, False),
        ("b", "oracle", "m", 5.0, True, True),
        ("b", "by:s", "m", 1.5, False, False),
        ("sd", "single", "s", 0.3, True, False),
        ("a", "single", "s", 0.2, True, False),
        ("b", "oracle", "s", 0.9, True, True),
    ]
    return pd.DataFrame(means, columns=["method", "selection", "metric", "mean", "headline", "oracle"])


def test_the_order_by_pairs_stands_beside_that_of_each_metric():
    strengths = pd.DataFrame({"judge": "j", "method": METHODS, "strength": [0.0, 2.0, 1.0], "rank": [3, 1, 2]})
    table = rankings_table(strengths, main_table(), {"sd": "single", "a": "single", "b": "by:s"})
    assert list(table.columns) == RANKING_COLUMNS
    blocks = {key: list(each["rank"]) for key, each in table.groupby(["by", "images"], sort=False)}
    assert blocks == {
        ("strength", "as in pairs"): [3, 1, 2],
        ("m", "headline"): [3, 2, 1],
        ("m", "as in pairs"): [3, 1, 2],
        ("s", "headline"): [2, 3, 1],  # by the selector itself, b's image is its best: the same rows, once
    }
    taus = {key: each["tau"].iloc[0] for key, each in table.groupby(["by", "images"])}
    assert taus["m", "headline"] == pytest.approx(1 / 3) and taus["m", "as in pairs"] == 1
    assert taus["s", "headline"] == pytest.approx(-1 / 3) and math.isnan(taus["strength", "as in pairs"])
    assert list(table[table["oracle"]][["by", "method"]].itertuples(index=False, name=None)) == [("m", "b"), ("s", "b")]
    assert set(table["rank_by_pairs"]) == {1, 2, 3}


def test_parameters_keep_the_order_of_methods_and_name_the_image_that_is_seen():
    best = {"among": ["initial", "hosted"], "by": "image_reward"}
    names = ["multi_seed", "best", "sd", "detailscribe"]
    study = configured_study(
        selections={"best": best}, judges={"demo_pairs": JUDGE | {"methods": names, "by": "image_reward"}}
    )
    [judge] = parameters(study)["pairs_table"]["judges"]
    assert judge["methods"] == [
        *(["multi_seed", "by:image_reward"], ["best", "by:image_reward"]),
        *(["sd", "single"], ["detailscribe", "by:image_reward"]),
    ]
    assert parameters(configured_study(judges={"demo_pairs": None})) == {}
