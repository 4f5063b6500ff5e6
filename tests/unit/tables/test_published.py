"""The published numbers: content of the file, and the verdict for each kind of mismatch."""

import pandas as pd
import pytest

from detailscribe.errors import InputError
from detailscribe.tables.published import (
    PUBLISHED_COLUMNS,
    bare_model,
    compare_with_published,
    parameters,
    read_published,
)
from tests.paths import REPOSITORY
from tests.unit.study.configured import configured_study

FILE = REPOSITORY / "config" / "published.tsv"


def ours(**changes) -> pd.DataFrame:
    row = {
        "method": "sd",
        "selection": "single",
        "metric": "clip_score",
        "n": 50,
        "mean": 0.9,
        "low95": 0.8,
        "high95": 1.0,
        "oracle": False,
        "honest": True,
    }
    other = row | {"metric": "judge-main", "mean": 4.0, "low95": 3.5, "high95": 4.5}
    return pd.DataFrame([row | {"headline": True} | changes, other | {"headline": True}])


def theirs(**changes) -> dict:
    return {
        "scenario": "s",
        "method": "sd",
        "metric": "clip_score",
        "n": 25,
        "value": 0.95,
        "version": "A",
        "note": "",
    } | changes


def verdict(published: dict, table: pd.DataFrame, judges=None, replaced=None, miniature=False, whole=True):
    judges = {"judge-main": "gpt-4o"} if judges is None else judges
    (row,) = compare_with_published(published["scenario"], [published], table, judges, replaced or {}, miniature, whole)
    assert list(row) == PUBLISHED_COLUMNS
    return row["verdict"], row["reason"]


def test_the_file_holds_table_2_figure_4_and_the_agreement():
    rows = read_published(FILE)
    assert len(rows) == 3 * 6 * 7 + 6 * 5 + 6
    assert len({tuple(row[key] for key in ("table", "scenario", "method", "metric", "version")) for row in rows}) == 162
    assert [row["value"] for row in rows if row["table"] == "Agreement"] == [0.904, 0.852, 0.876, 0.736, 0.704, 0.676]
    assert all(row["table"] and row["version"] for row in rows)
    values = {(row["scenario"], row["method"], row["metric"], row["version"]): row["value"] for row in rows}
    assert values["functional_600", "detailscribe", "human", "A,B,C"] == 4.280
    assert values["multi_subject_200", "sd", "judge-gpt-4o", "B"] == 4.5
    assert values["compositional_200", "hosted", "clip_score", "A,B,C"] == 0.838
    assert values["all", "multi_seed", "clip_score", "A,C"] == 0.922
    # The means of Table 2 over the scenarios, weighted by n, computed independently of the file.
    human = [row for row in rows if row["metric"] == "human" and row["method"] == "detailscribe"]
    assert sum(row["n"] for row in human) == 50
    assert sum(row["n"] * row["value"] for row in human) / 50 == pytest.approx(4.185, abs=5e-4)


def test_the_one_suspected_value_is_marked_and_never_tested():
    rows = read_published(FILE)
    stale = [row for row in rows if row["note"].startswith("suspected stale")]
    assert [(row["method"], row["metric"], row["value"]) for row in stale] == [
        ("multi_seed", "judge-qwen2.5-vl-32b", 4.126)
    ]
    table = pd.DataFrame([ours().iloc[1].to_dict() | {"method": "multi_seed", "low95": 4.0, "high95": 4.3}])
    judges = {"judge-main": "Qwen/Qwen2.5-VL-32B-Instruct"}
    compared = compare_with_published("all", stale, table, judges, {}, False, True)
    assert [(row["verdict"], row["reason"]) for row in compared] == [("not testable", "suspected stale value")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (0.801, "reproduced"),
        (0.95, "reproduced"),
        (0.999, "reproduced"),
        (0.799, "not reproduced"),
        (1.01, "not reproduced"),
    ],
)
def test_a_value_of_few_prompts_is_compared_with_a_prediction_interval(value, expected):
    arm = 0.1 / (1 + 50 / 25) ** 0.5  # the prediction interval of the mean of 25 more prompts is 0.8 to 1.0
    assert verdict(theirs(value=value), ours(low95=0.9 - arm, high95=0.9 + arm)) == (expected, "")


@pytest.mark.parametrize(
    ("value", "expected"),
    [(0.8, "reproduced"), (1.0, "reproduced"), (0.79, "not reproduced"), (1.01, "not reproduced")],
)
def test_over_all_prompts_our_interval_decides(value, expected):
    assert verdict(theirs(scenario="all", value=value), ours()) == (expected, "")


def test_fewer_prompts_than_the_papers_and_a_study_of_other_scenarios_are_not_testable():
    reason = "subset unknown: 25 prompts of the scenario, more than we have"
    assert verdict(theirs(), ours(n=24)) == ("not testable", reason)
    reason = "the study is not the paper's three scenarios"
    assert verdict(theirs(scenario="all"), ours(), whole=False) == ("not testable", reason)


@pytest.mark.parametrize(
    ("published", "reason"),
    [
        (theirs(metric="blip_vqa"), "metric not run"),
        (theirs(metric="human"), "subset unknown: its 50 prompts and their raters are not named"),
        (theirs(method="pairs"), "subset unknown: its 50 prompts and their raters are not named"),
        (theirs(metric="judge-qwen2.5-vl-32b"), "another judge"),
        (theirs(method="gpt_refine"), "method not run"),
    ],
)
def test_what_did_not_run_is_not_testable(published, reason):
    assert verdict(published, ours()) == ("not testable", reason)
    (row,) = compare_with_published("s", [published], ours(), {"judge-main": "gpt-4o"}, {}, False, True)
    if published["method"] != "sd" or published["metric"] != "clip_score":
        assert (row["ours"], row["low95"], row["n"]) == (None, None, None)


def test_no_interval_the_miniature_and_another_hosted_model_are_not_testable():
    assert verdict(theirs(), ours(low95=None)) == ("not testable", "no interval")
    assert verdict(theirs(), ours(), miniature=True) == ("not testable", "made by the demo models")
    hosted = ours(method="hosted"), {}, {"hosted": "gpt-image-2"}
    assert verdict(theirs(method="hosted"), *hosted) == ("not testable", "model retired; ours is gpt-image-2")
    assert verdict(theirs(method="hosted"), ours(method="hosted")) == ("reproduced", "")


def test_a_judge_is_matched_by_its_model_not_by_its_name_in_the_config():
    assert verdict(theirs(metric="judge-gpt-4o", value=4.1), ours()) == ("reproduced", "")
    mini = {"judge-main": "gpt-4o-mini"}
    assert verdict(theirs(metric="judge-gpt-4o", value=4.1), ours(), mini) == ("not testable", "another judge")
    assert verdict(theirs(metric="judge-gpt-4o"), ours().iloc[:1], {}) == ("not testable", "metric not run")
    assert bare_model("gpt-4o-2024-08-06") == "gpt-4o"
    assert bare_model("Qwen/Qwen2.5-VL-32B-Instruct") == "qwen2.5-vl-32b"


def test_a_judge_of_another_scale_or_reading_is_not_compared():
    endpoint = {"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "key_env": "", "in_flight": 1, "timeout_s": 1}
    endpoint |= {"max_retries": 0, "input_usd_per_million": 0, "output_usd_per_million": 0}
    entry = configured_study().config["judges"]["main"] | {"endpoint": "server", "model": "m"}
    judges = {
        "sampled": entry,
        "expected": entry | {"reading": "expected"},
        "yes_no": entry | {"scale": "yes_no", "template": "judge_yes_no"},
    }
    study = configured_study(endpoints={"server": endpoint}, judges=judges)
    assert set(parameters(study)["compare"]["judges"]) & {f"judge-{name}" for name in judges} == {"judge-sampled"}


def test_only_the_headline_row_is_compared():
    table = pd.concat([ours(), ours(selection="oracle", headline=False, low95=2.0, high95=3.0, mean=2.5)])
    assert verdict(theirs(), table) == ("reproduced", "")


def test_a_scenario_the_paper_does_not_have_gives_no_row():
    assert compare_with_published("mine", read_published(FILE), ours(), {}, {}, False, True) == []


def test_an_invalid_number_is_reported_with_its_line(tmp_path):
    file = tmp_path / "published.tsv"
    file.write_text(FILE.read_text(encoding="utf-8").replace("3.360", "3,360"), encoding="utf-8")
    with pytest.raises(InputError, match=r"published.tsv, line 2: .*3,360"):
        read_published(file)
