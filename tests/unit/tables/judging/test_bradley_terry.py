"""Bradley-Terry strengths against the library choix and direct maximisation; ties, position, separation, intervals."""

import json
from itertools import permutations
from pathlib import Path

import numpy as np
import pytest
from scipy import optimize, stats

from detailscribe.tables.intervals import mean_intervals
from detailscribe.tables.judging.bradley_terry import fit, gather, strengths
from tests.unit.tables.judging.record_choix_values import estimates

RECORDED = json.loads(Path(__file__).with_name("choix_values.json").read_text(encoding="utf-8"))
NAMES = "abcdefghi"


def planted(seed: int, size: int, prompts: int, position: float, tied: float = 0.2, every: bool = True) -> list[tuple]:
    """Answers: prompt, first, second, share of the first; in both orders or, unless `every`, in some of them."""
    generator = np.random.default_rng(seed)
    true = generator.normal(0, 0.7, size)
    answers = []
    for prompt in range(prompts):
        for first, second in permutations(range(size), 2):
            chance = 1 / (1 + np.exp(-(true[first] - true[second] + position)))
            share = 0.5 if generator.random() < tied else float(generator.random() < chance)
            if every or generator.random() < 0.5:
                answers.append((f"p{prompt}", NAMES[first], NAMES[second], share))
    return answers


def maximised(answers: list[tuple], size: int, penalised: bool) -> np.ndarray:
    """Strengths against the first method, and the position: the likelihood, maximised directly, answer by answer."""
    rows = np.zeros((len(answers), size))
    for row, (_, first, second, _) in zip(rows, answers, strict=True):
        row[-1] = 1
        for name, sign in ((first, 1), (second, -1)):
            if name != "a":
                row[NAMES.index(name) - 1] = sign
    shares = np.array([share for *_, share in answers])

    def loss(free):
        gaps = rows @ free
        likelihood = (shares * gaps - np.logaddexp(0, gaps)).sum()
        chance = 1 / (1 + np.exp(-gaps))
        information = rows.T @ (rows * (chance * (1 - chance))[:, None])
        return -likelihood - (0.5 * np.linalg.slogdet(information)[1] if penalised else 0)

    return optimize.minimize(loss, np.zeros(size), method="BFGS", options={"gtol": 1e-9}).x


@pytest.mark.parametrize("name", RECORDED)
def test_without_ties_position_and_penalty_strengths_are_those_of_choix(name):
    methods, data, recorded = RECORDED[name]["methods"], RECORDED[name]["data"], RECORDED[name]["strengths"]
    names = NAMES[:methods]
    compared = gather(names, [("p", names[winner], names[loser], 1.0) for winner, loser in data])
    design = compared.design[:, 1:-1]  # without the reference and the position
    found = fit(design, compared.counts, compared.wins, penalised=False)[0]
    assert found == pytest.approx(recorded[1:], abs=1e-6)


@pytest.mark.parametrize("name", RECORDED)
def test_choix_itself_still_finds_what_was_recorded(name):
    pytest.importorskip("choix")
    case = RECORDED[name]
    assert estimates(case["methods"], [tuple(pair) for pair in case["data"]]) == pytest.approx(case["strengths"])


@pytest.mark.parametrize("penalised", [True, False])
@pytest.mark.parametrize(
    ("seed", "size", "prompts", "position", "every"),
    [(1, 2, 15, 0.4, True), (2, 4, 20, -0.3, True), (3, 5, 12, 0.0, False), (4, 3, 60, 1.0, False)],
)
def test_fits_maximise_the_likelihood(seed, size, prompts, position, every, penalised):
    answers = planted(seed, size, prompts, position, every=every)
    compared = gather(NAMES[:size], answers)
    total, won = compared.counts.sum(axis=0, keepdims=True), compared.wins.sum(axis=0, keepdims=True)
    found = fit(compared.design[:, 1:], total, won, penalised)[0]
    assert found == pytest.approx(maximised(answers, size, penalised), abs=1e-5)
    if penalised:
        table = strengths(compared, "a")
        assert [table[name].strength for name in NAMES[1:size]] == pytest.approx(found[:-1])
        assert table["a"].strength == 0


@pytest.mark.parametrize(("wins", "losses"), [(7, 3), (10, 0), (0, 4), (5, 5)])
def test_two_methods_have_the_strength_of_the_counts_with_half_an_answer_more_for_each(wins, losses):
    # Firth 1993: Jeffreys' prior of one binomial proportion adds 1/2 to both counts. Half of them in either order.
    answers = [(f"p{n}", *order, share) for n, (order, share) in enumerate(_orders(wins, losses))]
    found = fit(gather("ab", answers).design[:, [1]], *_totals(answers))[0]
    assert found == pytest.approx([np.log((wins + 0.5) / (losses + 0.5))])


def _orders(wins: int, losses: int) -> list[tuple[tuple[str, str], float]]:
    return [(("b", "a"), 1.0)] * wins + [(("a", "b"), 1.0)] * losses


def _totals(answers: list[tuple]) -> tuple[np.ndarray, np.ndarray]:
    compared = gather("ab", answers)
    return compared.counts.sum(axis=0, keepdims=True), compared.wins.sum(axis=0, keepdims=True)


def both_orders(prompt: int, winner: str, loser: str, share: float = 1.0) -> list[tuple]:
    return [(prompt, winner, loser, share), (prompt, loser, winner, 1 - share)]


def test_a_method_that_always_wins_is_finite_and_has_no_upper_limit():
    answers = [answer for n in range(25) for answer in both_orders(n, "b", "a")]
    found = strengths(gather("ab", answers), "a")["b"]
    assert 2 < found.strength < 8 and found.note == "never beaten: no upper limit"
    assert np.isnan(found.high) and found.probability_high == 1
    assert 0.8 < found.probability_low < 0.95  # 25 of 25 wins
    mirrored = strengths(gather("ab", answers), "b")["a"]
    assert mirrored.strength == pytest.approx(-found.strength)
    assert (mirrored.note, mirrored.probability_low) == ("never better: no lower limit", 0)
    assert mirrored.probability_high == pytest.approx(1 - found.probability_low)


def test_a_chain_of_wins_limits_a_method_that_the_reference_never_beat():
    # a beats b at times, b beats c at times: c is not out of reach, though a never met it.
    answers = [answer for n in range(20) for answer in both_orders(n, *(("b", "a") if n % 4 else ("a", "b")))]
    answers += [answer for n in range(20, 40) for answer in both_orders(n, *(("c", "b") if n % 4 else ("b", "c")))]
    found = strengths(gather("abc", answers), "a")
    assert found["c"].note == "" and found["c"].strength > found["b"].strength > 0
    assert found["c"].low < found["c"].strength < found["c"].high


@pytest.mark.parametrize(
    ("answers", "notes"),
    [
        (both_orders(0, "b", "a") + both_orders(1, "d", "c"), {"c": "no comparison leads to a"}),
        ([(n, "b", "a", 1.0) for n in range(9)] + [(9, "a", "b", 1.0)], dict.fromkeys("ab", "same place")),
        # What is compared elsewhere, of methods that no comparison links to the reference, makes no difference.
        (
            [(0, "b", "a", 1.0), (1, "a", "b", 1.0), (2, "d", "c", 0.0), (2, "c", "d", 1.0)],
            {**dict.fromkeys("ab", "same place"), **dict.fromkeys("cd", "no comparison leads to a")},
        ),
        ([(0, "b", "a", 1.0), (1, "b", "a", 0.0)], {"b": "do not tell the methods from the position"}),
        ([], {"b": "no comparison leads to a"}),
    ],
)
def test_what_comparisons_do_not_decide_is_said(answers, notes):
    found = strengths(gather("abcd", answers), "a")
    for name, note in notes.items():
        assert note in found[name].note
        assert all(np.isnan(value) for value in (found[name].strength, found[name].low, found[name].probability_low))


def test_a_position_bias_is_cancelled_and_costs_the_order_nothing():
    fair, biased = (strengths(gather("abcd", planted(7, 4, 3000, position, tied=0.0)), "a") for position in (0.0, 0.8))
    for name in "bcd":
        assert biased[name].strength == pytest.approx(fair[name].strength, abs=0.15)


def test_ties_of_identical_images_pull_methods_together_and_say_nothing_of_the_position():
    asked = [answer for n in range(30) for answer in both_orders(n, "b", "a", 1.0 if n % 3 else 0.0)]
    asked += [(f"q{n}", *order, 1.0) for n in range(10) for order in (("a", "b"), ("b", "a"))]  # the first, always
    same = [(f"s{n}", *order, None) for n in range(30) for order in (("a", "b"), ("b", "a"))]
    alone, together = (gather("ab", answers) for answers in (asked, asked + same))
    one, other = strengths(alone, "a")["b"], strengths(together, "a")["b"]
    assert 0 < other.strength < one.strength
    positions = [
        fit(each.design[:, 1:], each.counts.sum(0)[None], each.wins.sum(0)[None])[0][-1] for each in (alone, together)
    ]
    assert positions[0] == pytest.approx(positions[1], abs=0.05) and positions[0] > 0.2
    only_same = strengths(gather("ab", same), "a")["b"]
    assert (only_same.strength, only_same.note) == (pytest.approx(0, abs=1e-9), "")


@pytest.mark.parametrize("prompts", [8, 25, 100])
def test_where_no_prompt_differs_the_interval_is_about_that_of_a_share(prompts):
    tied = [answer for n in range(prompts) for answer in both_orders(n, "b", "a", 0.5)]
    found = strengths(gather("ab", tied), "a")["b"]
    low, high = mean_intervals(np.full((prompts, 1), 0.5), (0, 1))
    assert found.strength == pytest.approx(0, abs=1e-9)
    assert (found.probability_low, found.probability_high) == pytest.approx((low[0], high[0]), abs=0.03)
    # A third method whose answers vary makes the interval of the second no shorter than its own prompts allow.
    varied = [answer for n in range(prompts) for answer in both_orders(n, "c", "ab"[n % 2], float(n % 3 > 0))]
    wide = strengths(gather("abc", tied + varied), "a")["b"]
    assert wide.probability_low < 0.5 < wide.probability_high
    assert wide.probability_high - wide.probability_low > 0.7 * (high[0] - low[0])


def test_prompts_that_speak_for_both_sides_leave_the_standard_error_alone():
    answers = [answer for n in range(40) for answer in both_orders(n, "b", "a", (0.5, 1.0, 0.5, 0.0)[n % 4])]
    compared = gather("ab", answers)
    found = strengths(compared, "a")["b"]
    total, won = compared.counts.sum(axis=0), compared.wins.sum(axis=0)
    left_out = fit(compared.design[:, 1:], total - compared.counts, won - compared.wins)[:, 0]
    error = np.sqrt(39 / 40 * ((left_out - left_out.mean()) ** 2).sum())
    assert found.high - found.strength == pytest.approx(stats.t.ppf(0.975, 39) * error)
    assert found.strength - found.low == pytest.approx(found.high - found.strength)


def test_the_interval_counts_prompts_and_not_answers():
    answers = [answer for n in range(12) for answer in both_orders(n, "b", "a", 1.0 if n % 3 else 0.0)]
    repeated = [(prompt, *rest) for prompt, *rest in answers for _ in range(5)]
    once, five = (strengths(gather("ab", each), "a")["b"] for each in (answers, repeated))
    assert five.probability_high - five.probability_low == pytest.approx(
        once.probability_high - once.probability_low, rel=0.1
    )
    spread = [(f"{prompt}-{n}", *rest) for prompt, *rest in answers for n in range(5)]
    wide = strengths(gather("ab", spread), "a")["b"]
    assert wide.probability_high - wide.probability_low < 0.6 * (once.probability_high - once.probability_low)


def varied(one: str, other: str, prompts: int) -> list[tuple]:
    """Answers in both orders: wins, ties and losses of the first method."""
    return [answer for n in range(prompts) for answer in both_orders(n, one, other, (1.0, 0.5, 0.0, 0.5, 0.0)[n % 5])]


def test_a_method_that_a_single_prompt_links_leaves_the_others_their_intervals():
    answers = varied("a", "r", 50)
    before = strengths(gather("rah", answers), "r")["a"]
    for share in (0.0, 0.5, 1.0):
        found = strengths(gather("rah", answers + both_orders(7, "h", "a", share)), "r")
        assert (found["a"].low, found["a"].high) == pytest.approx((before.low, before.high), abs=0.02)
        assert found["a"].note == "" and found["h"].note.endswith("a single prompt links it: no interval")
        assert np.isfinite(found["h"].strength) and 0 < found["h"].probability < 1
        ends = (found["h"].low, found["h"].high, found["h"].probability_low, found["h"].probability_high)
        assert all(np.isnan(end) for end in ends)


def test_estimates_without_the_prompt_that_links_a_method_are_those_of_the_other_answers():
    answers = varied("a", "r", 12)
    compared = gather("rah", answers + both_orders(3, "h", "a", 1.0))
    total, won = compared.counts.sum(axis=0), compared.wins.sum(axis=0)
    rest = fit(compared.design[:, 1:], total - compared.counts, won - compared.wins)
    assert np.isnan(rest).sum(axis=0).tolist() == [0, 1, 0] and np.isnan(rest[3, 1])
    without = gather("ra", [answer for answer in answers if answer[0] != 3])
    alone = fit(without.design[:, 1:], without.counts.sum(axis=0)[None], without.wins.sum(axis=0)[None])[0]
    assert rest[3, [0, 2]] == pytest.approx(alone, abs=1e-9)


def test_a_bridge_of_one_prompt_is_said_of_every_method_behind_it():
    answers = varied("a", "r", 20) + varied("i", "h", 20) + both_orders(4, "h", "a", 0.5)
    found = strengths(gather("rahi", answers), "r")
    assert [found[name].note for name in "ahi"] == ["", *2 * ["a single prompt links it: no interval"]]
    assert found["i"].strength < found["h"].strength and np.isfinite(found["a"].low)


def test_a_position_that_a_single_prompt_tells_is_said():
    one_order = [(f"o{n}", "a", "r", float(n % 2)) for n in range(9)]
    same = [(f"s{n}", *order, None) for n in range(6) for order in (("b", "r"), ("r", "b"))]
    found = strengths(gather("rab", [*one_order, *same, ("x", "r", "a", 1.0)]), "r")
    assert found["a"].note == "a single prompt tells it from the position of its images: no interval"
    assert found["b"].note == "" and found["b"].low < 0 < found["b"].high
    # Ties of images that are the same have no position: b keeps its strength where a has none.
    undecided = strengths(gather("rab", [*one_order, *same]), "r")
    assert "do not tell the methods from the position" in undecided["a"].note
    assert undecided["b"].strength == pytest.approx(0, abs=1e-9) and undecided["b"].low < 0 < undecided["b"].high


def test_one_method_alone_has_no_comparison():
    assert strengths(gather("r", []), "r")["r"].strength == 0
