"""Spreads from published numbers: of marks, metrics, people, pairs, and of judges that the paper did not measure."""

import math

import numpy as np
import pytest

from detailscribe.operations.power import assumed
from detailscribe.operations.power.comparisons import ASSISTED, HUMAN, MEANS, PAIRS
from detailscribe.tables.published import PUBLISHED, read_published
from tests.paths import REPOSITORY

PAPER = read_published(REPOSITORY / PUBLISHED)


@pytest.mark.parametrize(("mean", "expected"), [(3.0, math.sqrt(2)), (1.001, 0.0316), (4.999, 0.0316)])
def test_marks_are_spread_as_evenly_as_their_mean_allows(mean, expected):
    assert assumed.spread_of_marks(mean) == pytest.approx(expected, rel=0.01)


@pytest.mark.parametrize("correlation", [0.3, 0.8])
def test_the_correlation_of_an_agreement_is_that_of_normal_differences(correlation):
    generator = np.random.default_rng(0)
    one = generator.normal(size=200_000)
    other = correlation * one + math.sqrt(1 - correlation**2) * generator.normal(size=200_000)
    rate = float((np.sign(one) == np.sign(other)).mean())
    assert assumed.correlation_of_agreement(rate) == pytest.approx(correlation, abs=0.01)


def test_chance_agreement_is_no_correlation():
    assert assumed.correlation_of_agreement(0.5) == assumed.correlation_of_agreement(0.3) == 0


def test_the_published_differences_are_those_of_figure_4():
    found = assumed.published_differences(PAPER, "detailscribe", "sd")
    assert found["image_reward"] == pytest.approx(0.137)
    assert found["judge-qwen2.5-vl-32b"] == pytest.approx(0.342)
    assert "judge-qwen2.5-vl-32b" not in assumed.published_differences(PAPER, "multi_seed", "sd")  # suspected stale


METRICS = {
    "clip_score": ("clip_score", [0, 2.5]),
    "image_reward": ("image_reward", None),
    "blip_vqa": ("blip_vqa", [0, 1]),
    "judge-main": ("judge-some-model", [1, 5]),
    "judge-yes": ("judge-some-model", [0, 1]),
    "mine": ("my_metric", None),
    "mine_bounded": ("my_metric_2", [0, 10]),
}


def test_published_numbers_give_a_comparison_for_every_metric_that_has_any():
    spreads = assumed.published_spreads(REPOSITORY / assumed.SPREADS)
    found, unknown = assumed.published_comparisons(PAPER, spreads, METRICS, {"versus": 9, HUMAN: 7}, "sd", 0.5, 40, 5)
    by_metric = {(each.design, each.metric, each.judge): each for each in found}
    assert unknown == ["mine"]
    assert {key[1] for key in by_metric if key[0] == MEANS} == {*METRICS, HUMAN} - {"mine"}
    assert by_metric[MEANS, "image_reward", ""].spread.total() == pytest.approx(1.0)  # two images that correlate by 0.5
    assert by_metric[MEANS, "blip_vqa", ""].spread.total() == pytest.approx(0.336 * 0.664)
    assert by_metric[MEANS, "judge-main", ""].spread.total() == pytest.approx(assumed.spread_of_marks(4.107) ** 2)
    assert {key[1]: each.family for key, each in by_metric.items() if key[0] == PAIRS} == {"versus": 9, HUMAN: 7}
    assert {each.width for each in found if each.design == PAIRS} == {2.0}
    assert by_metric[PAIRS, "versus", ""].spread.repeats == 2
    pairs = by_metric[PAIRS, HUMAN, ""].spread
    assert pairs.total(1) == pytest.approx(1 - assumed.TIES) and pairs.total(4) < pairs.total(2) < pairs.total(1)
    people = by_metric[MEANS, HUMAN, ""]
    assert people.family == 5 and people.spread.total(4) < people.spread.total(1)
    assisted = {judge: each.spread.explained for (design, _, judge), each in by_metric.items() if design == ASSISTED}
    assert assisted["judge-main"] > assisted["image_reward"] > assisted["clip_score"] > assisted["blip_vqa"] > 0
    assert all(each.spread.explained <= each.spread.between for each in found)
    assert all(each.note for each in found)


def test_the_rate_of_a_judge_that_nobody_measured_is_said_to_be_that_of_the_worst():
    metrics = {"judge-paper": ("judge-gpt-4o", [1, 5]), "judge-mine": ("judge-some-model", [1, 5])}
    found, _ = assumed.published_comparisons(PAPER, {}, metrics, {}, "sd", 0.5, 40, 5)
    notes = {each.judge: each.note for each in found if each.design == ASSISTED}
    rates = {row["metric"]: row["value"] for row in PAPER if row["method"] == "pairs"}
    worst = min(rate for metric, rate in rates.items() if metric.startswith("judge-"))
    assert notes["judge-mine"].endswith(
        f"agreement of {worst:.1%} with people, of the worst judge that the paper measured"
    )
    assert notes["judge-paper"].endswith(f"agreement of {rates['judge-gpt-4o']:.1%} with people")
    assert not [each for each in found if each.design == PAIRS]
