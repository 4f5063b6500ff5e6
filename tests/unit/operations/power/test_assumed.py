"""Spreads from published numbers and from a table of the user's; errors name file and line."""

import math

import numpy as np
import pytest

from detailscribe.errors import InputError
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
    found, unknown = assumed.published_comparisons(PAPER, spreads, METRICS, {"versus": 9}, "sd", 0.5, 40, 5)
    by_metric = {(each.design, each.metric, each.judge): each for each in found}
    assert unknown == ["mine"]
    assert {key[1] for key in by_metric if key[0] == MEANS} == {*METRICS, HUMAN} - {"mine"}
    assert by_metric[MEANS, "image_reward", ""].spread.total() == pytest.approx(1.0)  # two images that correlate by 0.5
    assert by_metric[MEANS, "blip_vqa", ""].spread.total() == pytest.approx(0.336 * 0.664)
    assert by_metric[MEANS, "judge-main", ""].spread.total() == pytest.approx(assumed.spread_of_marks(4.107) ** 2)
    assert by_metric[PAIRS, "versus", ""].family == 9
    people = by_metric[MEANS, HUMAN, ""]
    assert people.family == 5 and people.spread.total(4) < people.spread.total(1)
    assisted = {judge: each.spread.explained for (design, _, judge), each in by_metric.items() if design == ASSISTED}
    assert assisted["judge-main"] > assisted["image_reward"] > assisted["clip_score"] > assisted["blip_vqa"] > 0
    assert all(each.spread.explained <= each.spread.between for each in found)
    assert all(each.note for each in found)


HEADER = "metric,design,sd_of_difference,sd,correlation,p,ties,within_sd,repeats,judge_correlation,n\n"
ROWS = {  # cells of a row: variance of one repeat, explained
    "clip_score,,0.1,,,,,,,,": (0.01, 0.0),
    "image_reward,means,,1.0,0.75,,,,,,": (0.5, 0.0),
    "judge-yes,,,,0.5,0.2,,,,,": (0.16, 0.0),
    "versus,pairs,,,,,0.3,,,,": (0.7, 0.0),
    "judge-main,,1.0,,,,,0.8,4,,": (1.48, 0.0),
    "human,assisted,1.0,,,,,,,0.9,": (1.0, 0.81),
}


@pytest.mark.parametrize("cells", ROWS)
def test_a_row_of_a_table_gives_its_spread(tmp_path, cells):
    path = tmp_path / "mine.csv"
    path.write_text(HEADER + cells + "\n")
    (found,) = assumed.table_comparisons(path, "sd", 0.5, 28, 5)
    variance, explained = ROWS[cells]
    assert found.spread.total(1) == pytest.approx(variance)
    assert found.spread.explained == pytest.approx(explained)
    assert found.source == f"{path}, line 2"
    assert found.family == (5 if found.metric == HUMAN else 28)


BAD = {
    "clip_score,,,,,,,,,,": "line 3: needs one of sd_of_difference, sd, p and ties, got none of them",
    "clip_score,,0.1,0.2,,,,,,,": "got sd_of_difference and sd",
    "clip_score,,wide,,,,,,,,": "line 3: sd_of_difference is 'wide'",
    "clip_score,,-1,,,,,,,,": "must be a number of at least 0",
    "clip_score,,inf,,,,,,,,": "line 3: sd_of_difference is 'inf'",
    "clip_score,,,,,1.5,,,,,": "line 3: p is 1.5",
    "clip_score,odd,0.1,,,,,,,,": "line 3: design is 'odd'",
    "human,assisted,1,,,,,,,,": "line 3: an assisted comparison needs judge_correlation",
    "judge-main,,0.5,,,,,0.8,1,,": "line 3: within_sd 0.8 explains more than the whole spread",
    "judge-main,,0.5,,,,,0.1,0,,": "line 3: repeats is 0",
    ",,0.5,,,,,,,,": "line 3: no metric",
}


@pytest.mark.parametrize("cells", BAD)
def test_an_error_of_a_table_names_file_and_line(tmp_path, cells):
    path = tmp_path / "mine.csv"
    path.write_text(HEADER + "clip_score,,0.1,,,,,,,,\n" + cells + "\n")
    with pytest.raises(InputError) as error:
        assumed.table_comparisons(path, "sd", 0.5, 28, 5)
    assert str(path) in str(error.value) and BAD[cells] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", HEADER])
def test_a_table_without_rows_is_refused(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="mine.csv"):
        assumed.table_comparisons(path, "sd", 0.5, 28, 5)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="power: source: .*none.csv is no file"):
        assumed.table_comparisons(tmp_path / "none.csv", "sd", 0.5, 28, 5)
