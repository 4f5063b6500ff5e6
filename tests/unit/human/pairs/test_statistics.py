"""Statistics of choices: worked by hand, against second forms, and on raters with planted preferences."""

from itertools import product
from random import Random

import numpy as np
import pytest

from detailscribe.human.pairs import statistics
from detailscribe.human.pairs.choices import ParsedChoices
from detailscribe.human.pairs.tables import CHOICE_COLUMNS, choice_tables

TEST = {"permutations": 1000, "seed": 0}


def choice(rater: str, id: str, first: str, second: str, value: float | None, **changes) -> dict:
    """A row of choices; the files are named by method."""
    kinds = {None: "cannot", 0: "tie"}
    kind = kinds.get(value) or ("first" if value and value > 0 else "second")
    strength = {1.0: "clearly", 0.5: "slightly"}.get(abs(value or 0), "")
    row = {"rater": rater, "id": id, "pair": f"{rater} {id} {'-'.join(sorted((first, second)))}"}
    row |= {"first": first, "second": second, "first_image_set": first, "second_image_set": second}
    row |= {"first_file": f"{id}/{first}.jpg", "second_file": f"{id}/{second}.jpg", "choice": kind}
    return row | {"strength": strength, "value": value, "seconds": 2.0, "comment": "", "file": "x.csv"} | changes


BY_HAND = [
    choice("ann", "p1", "ours", "sd", 1.0),
    choice("bo", "p1", "sd", "ours", -0.5, seconds=4.0, comment="hands"),
    choice("ann", "p2", "sd", "ours", 0.0),
    choice("bo", "p2", "ours", "sd", -1.0),
    choice("ann", "p3", "ours", "sd", None),
    choice("ann", "p4", "ours", "sd", 0.0, choice="identical", pair="", seconds=None),
]


def test_win_rates_worked_by_hand():
    (row,) = statistics.win_rates(BY_HAND, ["sd", "ours"], "sd", **TEST).to_dict("records")
    assert (row["method"], row["other"], row["n"], row["answers"]) == ("ours", "sd", 3, 5)
    assert (row["wins"], row["ties"], row["losses"], row["cannot"], row["identical"]) == (2, 2, 1, 1, 1)
    assert row["win_rate"] == pytest.approx(3 / 5) and row["value"] == pytest.approx(0.5 / 5)
    assert row["win_rate_low95"] < 3 / 5 < row["win_rate_high95"]
    assert -1 <= row["value_low95"] < 0.1 < row["value_high95"] <= 1
    assert row["p"] == row["p_holm"] == 1.0 and row["family"] == 1  # sums of 1.5, -1 and 0
    (turned,) = statistics.win_rates(BY_HAND, ["sd", "ours"], "ours", **TEST).to_dict("records")
    assert turned["method"] == "sd" and turned["win_rate"] == pytest.approx(2 / 5)
    assert turned["value"] == pytest.approx(-row["value"]) and turned["alpha_ordinal"] == row["alpha_ordinal"]


def test_raters_worked_by_hand():
    table = statistics.rater_table(BY_HAND, {"ann": 2, "bo": 0, "cy": None}, **TEST).set_index("rater")
    ann, bo, cy = (table.loc[name] for name in ("ann", "bo", "cy"))
    assert (ann["n"], ann["missing"], ann["cannot"], ann["ties"]) == (3, 2, 1, 1)
    assert ann["position_bias"] == pytest.approx(0.5) and bo["position_bias"] == pytest.approx(-0.75)
    # p1: both prefer ours; p2: bo prefers sd, ann has a tie, which is no preference of the others'.
    assert (ann["pairs_with_others"], ann["agrees_with_others"]) == (2, 0.75)
    assert (bo["pairs_with_others"], bo["agrees_with_others"]) == (1, 1.0)
    assert (bo["seconds"], bo["seconds_median"], bo["comments"], ann["comments"]) == (6.0, 3.0, 1, 0)
    assert cy["n"] == 0 and table["missing"].isna()["cy"] and table["position_bias"].isna()["cy"]


def drawn(seed: int, prompts: int, favourite: dict[str, float], always_first: float = 0.0) -> list[dict]:
    """Choices of a rater who follows Bradley-Terry strengths, but for a share takes the first image."""
    random, rows = Random(seed), []
    for number, (one, other) in product(range(prompts), [("sd", "ours"), ("ours", "best")]):
        first, second = random.sample([one, other], 2)
        chance = 1 / (1 + np.exp(favourite[second] - favourite[first]))
        wins = random.random() < always_first or random.random() < chance
        rows.append(choice("ann", f"p{number}", first, second, random.choice([0.5, 1.0]) * (1 if wins else -1)))
    return rows


@pytest.mark.parametrize("always_first", [0.0, 0.2])
def test_a_preference_for_the_first_image_is_found_and_cancelled(always_first):
    favourite = {"sd": 0.0, "ours": 0.6, "best": 1.2}
    # The share takes the first image, of 0.75 mean strength, where the order makes either as likely.
    bias, studies = 0.75 * always_first, 60
    found, covered, orders = [], 0, []
    for seed in range(studies):
        rows = drawn(seed, 120, favourite, always_first)
        rater = statistics.rater_table(rows, {"ann": 0}, **TEST).iloc[0]
        found.append(rater["position_bias"])
        covered += rater["low95"] < bias < rater["high95"]
        if seed < 10:
            orders.append(list(statistics.strength_table(rows, list(favourite), "sd")["rank"]))
    assert np.mean(found) == pytest.approx(bias, abs=3 * np.std(found) / np.sqrt(studies))
    assert covered >= 0.88 * studies  # two standard deviations below 95 %
    assert orders.count([3, 2, 1]) >= 9


def test_strengths_of_planted_choices():
    rows = drawn(3, 400, {"sd": 0.0, "ours": 0.6, "best": 1.2})
    table = statistics.strength_table(rows, ["sd", "ours", "best"], "sd").set_index("method")
    assert table.loc["sd", "strength"] == 0 and table.loc["ours", "low95"] < 0.6 < table.loc["ours", "high95"]
    assert (table.loc["ours", "n"], table.loc["ours", "answers"], table.loc["best", "answers"]) == (400, 800, 400)


def test_identical_images_are_shown_in_no_order():
    rows = drawn(4, 30, {"sd": 0.0, "ours": 0.6, "best": 0.9}, always_first=0.5)
    same = [choice("ann", f"i{n}", "ours", "sd", 0.0, choice="identical", pair="") for n in range(30)]
    turned = [row | {"first": row["second"], "second": row["first"]} for row in same]
    one, other, none = (
        statistics.strength_table(rows + more, ["sd", "ours", "best"], "sd").loc[1] for more in (same, turned, [])
    )
    assert one["strength"] == pytest.approx(other["strength"]) and one["low95"] == pytest.approx(other["low95"])
    assert 0 < one["strength"] < none["strength"], "they are ties"


def alpha_by_definition(values: np.ndarray, distance) -> float:
    """Krippendorff's alpha, every value counted half as it is and half with the other sign."""
    observed, total, counts = 0.0, 0.0, dict[float, float]()
    for unit in values:
        given = unit[~np.isnan(unit)]
        if len(given) < 2:
            continue
        pairs = [distance(a, b) for i, a in enumerate(given) for j, b in enumerate(given) if i != j]
        observed += sum(pairs) / (len(given) - 1)
        total += len(given)
        for value in given:
            for side in (value, -value):
                counts[side] = counts.get(side, 0.0) + 0.5
    expected = sum(counts[a] * counts[b] * distance(a, b) for a in counts for b in counts)
    return 1 - observed / total / (expected / (total * (total - 1)))


@pytest.mark.parametrize("seed", range(4))
def test_alpha_by_its_definition_whichever_image_is_called_the_first(seed):
    random = Random(seed)
    rows = [
        choice(rater, f"p{number}", *random.sample(["sd", "ours"], 2), random.choice([-1.0, -0.5, 0.0, 0.5, 1.0]))
        for number in range(12)
        for rater in ("ann", "bo", "cy")
        if random.random() < 0.8
    ]
    table = statistics.reliability(rows).set_index("statistic")
    values = statistics._by_image(rows)[0]
    distances = {"alpha_nominal": lambda a, b: float(a != b), "alpha_interval": lambda a, b: (a - b) ** 2}
    for name, distance in distances.items():
        assert table.loc[name, "value"] == pytest.approx(alpha_by_definition(values, distance))
    renamed = {"ours": "z", "sd": "a"}
    turned = [
        row | {f"{side}_file": f"{row['id']}/{renamed[row[side]]}.jpg" for side in ("first", "second")} for row in rows
    ]
    other = statistics.reliability(turned).set_index("statistic")
    assert np.allclose(other["value"], table["value"]) and np.allclose(
        statistics._by_image(turned)[0], -values, equal_nan=True
    )


def test_raters_who_always_agree_have_an_alpha_of_1():
    rows = [choice(rater, f"p{n}", "ours", "sd", 1.0) for n in range(5) for rater in ("ann", "bo")]
    assert set(statistics.reliability(rows)["value"]) == {1.0}


def test_one_pair_of_images_that_two_pairs_of_methods_share_counts_once_for_its_rater():
    rows = [
        choice("ann", "p1", "ours", name, 1.0, pair="same", second_file="p1/sd.jpg", seconds=3.0)
        for name in ("sd", "multi_seed")
    ]
    tables = choice_tables(
        {"ann": ParsedChoices(rows, [], [])},
        {"methods": ["sd", "multi_seed", "ours"], "raters": ["ann"], "baseline": "sd", **TEST},
    )
    assert list(tables["pairs"].columns) == CHOICE_COLUMNS and len(tables["pairs"]) == 2
    assert list(tables["pair_main"]["wins"]) == [1, 1]
    assert (tables["pair_raters"].loc[0, "n"], tables["pair_raters"].loc[0, "seconds"]) == (1, 3.0)
    assert tables["pair_reliability"]["pairs"].tolist() == [1, 1, 1]


def test_no_choice_at_all_gives_empty_tables():
    values = {"methods": ["sd", "ours"], "raters": ["ann"], "baseline": "sd", **TEST}
    tables = choice_tables({"ann": ParsedChoices([], ["x"], [])}, values)
    assert [len(tables[name]) for name in ("pairs", "pair_main", "strengths", "pair_raters")] == [0, 0, 0, 1]
    assert tables["pair_raters"].loc[0, "missing"] == 1 and tables["pair_reliability"]["value"].isna().all()
