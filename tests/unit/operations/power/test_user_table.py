"""Spreads from a table of the user's: scales, families and repeats of the study; errors name file and line."""

import pytest

from detailscribe.errors import InputError
from detailscribe.operations.power.comparisons import HUMAN, PILOT, Comparison
from detailscribe.operations.power.power_table import DEFAULTS, Goal
from detailscribe.operations.power.user_table import table_comparisons

METRICS = {
    "clip_score": ("clip_score", [0, 2.5]),
    "image_reward": ("image_reward", None),
    "judge-main": ("judge-some-model", [1, 5]),
    "judge-yes": ("judge-some-model", [0, 1]),
}
PAIRS_OF = {"versus": 9, HUMAN: 7}
HEADER = "metric,design,sd_of_difference,sd,correlation,p,ties,within_sd,repeats,judge_correlation,n\n"


def read(path, cells: str) -> list[Comparison]:
    path.write_text(HEADER + cells + "\n")
    return table_comparisons(path, METRICS, PAIRS_OF, "sd", 0.5, 28, 5)


ROWS = {  # cells of a row: variance with its repeats, these, explained, family, width
    "clip_score,,0.1,,,,,,,,": (0.01, 1, 0.0, 28, 2.5),
    "image_reward,means,,1.0,0.75,,,,,,": (0.5, 1, 0.0, 28, None),
    "judge-yes,,,,0.5,0.2,,,,,": (0.16, 1, 0.0, 28, 1.0),
    "my_metric,,,,0.5,0.2,,,,,": (0.16, 1, 0.0, 28, None),
    "judge-main,,1.0,,,,,0.8,4,,": (1.0, 4, 0.0, 28, 4.0),
    "versus,pairs,,,,,0.3,,,,": (0.7, 2, 0.0, 9, 2.0),
    "versus,pairs,0.8,,,,,,2,,": (0.64, 2, 0.0, 9, 2.0),
    "versus,pairs,0.8,,,,,0.4,1,,": (0.56, 2, 0.0, 9, 2.0),  # one order: 0.48 between prompts, 0.16 within
    "not_yet,pairs,,,,,0.3,,,,": (0.7, 2, 0.0, 9, 2.0),
    "human,pairs,,,,,0.3,0.5,,,": (0.7, 1, 0.0, 7, 2.0),
    "human,,1.2,,,,,,,,": (1.44, 1, 0.0, 5, 4.0),
    "human,assisted,1.0,,,,,,,0.9,": (1.0, 1, 0.81, 5, 4.0),
    "human,assisted,1.0,,,,,0.6,1,0.8,": (1.0, 1, 0.64, 5, 4.0),  # all that the raters share
}


@pytest.mark.parametrize("cells", ROWS)
def test_a_row_has_the_spread_scale_repeats_and_family_of_its_design(tmp_path, cells):
    (found,) = read(tmp_path / "mine.csv", cells)
    variance, repeats, explained, family, width = ROWS[cells]
    assert found.spread.total() == pytest.approx(variance)
    assert found.spread.repeats == repeats
    assert found.spread.explained == pytest.approx(explained) and found.spread.explained <= found.spread.between
    assert (found.family, found.width) == (family, width)
    assert found.source == f"{tmp_path / 'mine.csv'}, line 2"


@pytest.mark.parametrize(
    ("cells", "difference"),
    [
        ("judge-main,,1,,,,,,,,", 0.2),
        ("judge-yes,,0.5,,,,,,,,", 0.05),
        ("versus,pairs,,,,,0.3,,,,", 0.1),
        ("human,pairs,,,,,0.3,,,,", 0.1),
        ("human,assisted,1,,,,,,,0.5,", 0.2),
    ],
)
def test_a_difference_of_a_mark_is_the_same_share_of_every_scale(tmp_path, cells, difference):
    (found,) = read(tmp_path / "mine.csv", cells)
    goal = Goal(DEFAULTS, {"test": "permutation", "permutations": 10_000}, {}, {})
    assert found.source != PILOT and goal.difference(found) == (pytest.approx(difference), "")


BAD = {
    "clip_score,,,,,,,,,,": "line 3: needs one of sd_of_difference, sd and p, got none of them",
    "clip_score,,0.1,0.2,,,,,,,": "got sd_of_difference and sd",
    "clip_score,,wide,,,,,,,,": "line 3: sd_of_difference is 'wide'",
    "clip_score,,-1,,,,,,,,": "must be a number of at least 0",
    "clip_score,,inf,,,,,,,,": "line 3: sd_of_difference is 'inf'",
    "clip_score,,,,,1.5,,,,,": "line 3: p is 1.5",
    "clip_score,odd,0.1,,,,,,,,": "line 3: design is 'odd'",
    "clip_score,,,,,,0.3,,,,": "line 3: ties says nothing about design means; give one of sd_of_difference, sd and p",
    "human,assisted,,,,,0.3,,,0.5,": "line 3: ties says nothing about design assisted",
    "versus,pairs,,0.5,,,,,,,": "line 3: sd says nothing about design pairs; give one of sd_of_difference and ties",
    "versus,pairs,,,,0.5,,,,,": "line 3: p says nothing about design pairs",
    "judge-main,,,,,0.5,,,,,": "line 3: p is a share of answers between 0 and 1, and the scale of this metric is 4",
    "versus,pairs,0.5,,,,,,1,,": "line 3: repeats is 1, but a judge sees a pair in both orders",
    "versus,,0.5,,,,,,,,": "line 3: versus is a judge of pairs; write pairs in design",
    "judge-main,pairs,0.5,,,,,,,,": "line 3: judge-main scores single images; for design pairs name a judge of pairs",
    "judge-main,assisted,0.5,,,,,,,0.5,": "line 3: judge-main is not assisted, people are",
    "human,assisted,1,,,,,,,,": "line 3: an assisted comparison needs judge_correlation",
    "human,assisted,1,,,,,0.8,1,0.9,": "line 3: judge_correlation is 0.9, and the raters' own noise (within_sd 0.8) "
    "allows at most 0.6",
    "judge-main,,0.5,,,,,0.8,1,,": "line 3: within_sd 0.8 explains more than the whole spread",
    "judge-main,,0.5,,,,,0.1,0,,": "line 3: repeats is 0",
    ",,0.5,,,,,,,,": "line 3: no metric",
}


@pytest.mark.parametrize("cells", BAD)
def test_an_error_of_a_table_names_file_and_line(tmp_path, cells):
    path = tmp_path / "mine.csv"
    with pytest.raises(InputError) as error:
        read(path, "clip_score,,0.1,,,,,,,,\n" + cells)
    assert str(path) in str(error.value) and BAD[cells] in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("text", ["", HEADER])
def test_a_table_without_rows_is_refused(tmp_path, text):
    path = tmp_path / "mine.csv"
    path.write_text(text)
    with pytest.raises(InputError, match="mine.csv"):
        table_comparisons(path, METRICS, PAIRS_OF, "sd", 0.5, 28, 5)


def test_a_table_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(InputError, match="power: source: .*none.csv is no file"):
        table_comparisons(tmp_path / "none.csv", METRICS, PAIRS_OF, "sd", 0.5, 28, 5)
