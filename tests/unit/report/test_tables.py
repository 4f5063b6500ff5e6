"""Tables on the pages: every column described, names in words, marks, CSV files, and why a table is empty."""

import itertools
from dataclasses import replace

import pandas as pd
import pytest

from detailscribe.human import rating_statistics
from detailscribe.human.judges import agreement, assisted, worth
from detailscribe.human.pairs import statistics as pairs
from detailscribe.report.inputs import read_overview
from detailscribe.report.labels import Labels, labels_of, labels_parameters, metric_order
from detailscribe.report.scenario_site import write_scenario
from detailscribe.report.table_view import _facts, column_facts, table_view
from detailscribe.study.stages import report_tables
from detailscribe.tables import judge_agreement, main_table, published, selection
from detailscribe.tables.budget.budget_table import BUDGET_COLUMNS
from detailscribe.tables.judging import audit_table, pair_tables, parts_table, strength_tables
from detailscribe.workflow.rule_files import HUMAN_TABLES
from tests.unit.report.small_scenario import small_overview, table_file
from tests.unit.study.configured import configured_study

COSTS = ["steps", "gpu_seconds", "scoring_seconds", "calls", "tokens", "usd", "equal_compute"]
MAIN = ["scenario", *main_table.MAIN_COLUMNS, "fingerprint", "phrases", *COSTS]
COLUMNS = {
    "main": MAIN,
    "pooled": MAIN,
    "strata": ["stratum", *main_table.MAIN_COLUMNS],
    "published": published.PUBLISHED_COLUMNS,
    "optimism": selection.BIAS_COLUMNS,
    "judges": judge_agreement.JUDGE_COLUMNS,
    "judge_repeats": ["judge", "image_set", "images", "draws", "unreadable", "mean_sd", "same_share"],
    "truncation_shares": ["text", "reader", "n", "cut", "cut_share", "read_share"],
    "cost": [
        *("scenario", "stage", "name", "model", "served_model", "batch", "calls", "input_tokens", "output_tokens"),
        *("cost_usd", "unpriced", "cached_tokens"),
    ],
    "budget": BUDGET_COLUMNS,
    "parts": parts_table.PARTS_COLUMNS,
    "critique_audit": audit_table.AUDIT_COLUMNS,
    "pairs": pair_tables.PAIR_COLUMNS,
    "strengths": strength_tables.STRENGTH_COLUMNS,
    "rankings": strength_tables.RANKING_COLUMNS,
    "human/main": [
        *("method", "selection", "headline", "n", "prompts", "mean", "low95", "high95", "sd", "se", "best_alone"),
        *("best_shared", "best_rate", "best_rate_low95", "best_rate_high95", "note"),
    ],
    "human/raters": [*rating_statistics.RATER_COLUMNS, "cannot_judge"],  # of raters who said so
    "human/reliability": ["statistic", "images", "raters", "value", "low95", "high95"],
    "human/agreement": agreement.AGREEMENT_COLUMNS,
    "human/pair_main": pairs.MAIN_COLUMNS,
    "human/strengths": pairs.STRENGTH_COLUMNS,
    "human/pair_raters": pairs.RATER_COLUMNS,
    "human/pair_reliability": pairs.RELIABILITY_COLUMNS,
    "human/assisted": assisted.ASSISTED_COLUMNS,
    "human/worth": worth.WORTH_COLUMNS,
}
LABELS = Labels(
    methods={"sd": "SD 3.5"},
    metrics={"clip_score": "CLIPScore", "judge-main": "judge main (gpt-4o)"},
    image_sets={"original-1": "seed 1"},
)


@pytest.mark.parametrize("name", COLUMNS)
def test_every_column_of_every_table_is_described(name):
    facts = column_facts(name, COLUMNS[name])
    assert [column.name for column in facts if not column.description] == []
    own = _facts()["tables"][name]
    assert set(own.get("columns", {})) | set(own.get("shown", [])) <= set(COLUMNS[name]), "no column is made up"
    assert own["empty"].endswith(".")


def test_every_table_of_the_report_is_among_them():
    shown = {
        *report_tables(configured_study()),
        "main",
        "pooled",
        "budget",
        *(f"human/{name}" for name in HUMAN_TABLES),
    }
    assert shown == set(COLUMNS) == set(_facts()["tables"])


def test_the_columns_of_a_run_are_described(results, scenario):
    rows = pd.DataFrame({"method": ["sd"], "n": [3], "unknown": ["x"]})
    view = table_view(table_file(results, "main", rows), LABELS)
    assert [column.description for column in view.columns] == ["Row of the main table", "Prompts in this row", ""]
    assert (
        [column.extra for column in view.columns] == [False, False, True] and view.hidden == [3] and view.right == [2]
    )


@pytest.mark.parametrize(
    ("column", "value", "cell"),
    [
        ("method", "sd", ("SD 3.5", "sd", "")),
        ("method", "mine", ("mine", "", "")),
        ("metric", "clip_score", ("CLIPScore", "clip_score", "")),
        ("judge", "main", ("judge main (gpt-4o)", "main", "")),
        ("image_set", "original-1", ("seed 1", "original-1", "")),
        ("selection", "by:clip_score", ("picked by CLIPScore", "by:clip_score", "")),
        ("selection", "oracle", ("best per metric", "oracle", "")),
        ("fingerprint", "ab" * 32, ("abababab…", "ab" * 32, "")),
        ("headline", True, ("✓", "yes", "yes")),
        ("headline", False, ("✗", "no", "no")),
        ("mean", 0.12345, ("0.123", "", "")),
        ("mean", 1e-9, ("0.000", "", "")),
        ("p_holm", 1e-5, ("1.0e-05", "", "")),
        ("mean", float("nan"), ("–", "", "")),
        ("n", 8, ("8", "", "")),
    ],
)
def test_cells(results, column, value, cell):
    view = table_view(table_file(results, "main", pd.DataFrame({column: [value]})), LABELS)
    [[found]] = view.rows
    assert (found.text, found.title, found.kind) == cell


def test_an_empty_table_says_why_and_a_long_one_links_all_rows(results, scenario):
    folder = results / "mine" / "report"
    long = pd.DataFrame({"method": ["sd"] * 401, "mean": range(401)})
    tables = [table_file(results, "published", pd.DataFrame(columns=["scenario"])), table_file(results, "main", long)]
    people = [table_file(results, "human/main", pd.DataFrame({"method": ["sd"], "mean": [4.5]}))]
    samples = [table_file(results, "scores", pd.DataFrame({"id": ["a"]})).path]
    write_scenario(folder, scenario, small_overview(tables=tables, people=people, samples=samples), results, 1)
    page = (folder / "index.html").read_text()
    assert "The paper has no numbers for this scenario." in page and "all 401 are in" in page
    names = {path.name for path in (folder / "tables").iterdir()}
    assert names == {"published.csv", "main.csv", "human-main.csv", "scores.csv"}
    assert (folder / "tables" / "main.csv").read_text() == (results / "mine" / "tables" / "main.csv").read_text()
    assert all(f'href="tables/{name}" download' in page for name in names - {"published.csv"})
    write_scenario(folder, scenario, small_overview(), results, 1)
    assert list((folder / "tables").iterdir()) == [], "tables that the study no longer has are removed"


def test_a_table_without_a_header_is_empty(results, tmp_path):
    table_file(results, "main", pd.DataFrame(columns=["method", "metric"]))
    cost = results / "mine" / "tables" / "cost.csv"
    cost.write_text("\n")

    class Files:
        main, tables, samples, people, figures, dropped = [str(cost.with_name("main.csv"))], [str(cost)], [], [], [], []

    overview = read_overview("mine", "", Files, {"mine": results}, [], tmp_path, tmp_path, {}, Labels())
    assert table_view(overview.tables[1], Labels()).empty == "No model at an endpoint has been asked."


def test_metrics_stand_in_the_papers_order_whatever_was_added():
    config = configured_study().config
    added = {
        "sharpness": {"module": "my/sharpness.py"},
        "pick_score": {"module": "pick_score", "model": "x", "revision": ""},
    }
    study = replace_metrics({**added, **config["metrics"]})
    order = metric_order(study)
    assert order[:4] == ["clip_score", "image_reward", "blip_vqa", "judge-main"]
    assert order[-2:] == ["pick_score", "sharpness"]
    labels = Labels(order=tuple(order))
    assert labels.sorted_metrics(["mine", "sharpness", "judge-main", "clip_score"]) == [
        *("clip_score", "judge-main", "sharpness", "mine")
    ]


def replace_metrics(metrics):
    study = configured_study()
    study.config["metrics"] = metrics
    return study


def test_labels_are_parameters_of_the_report_and_placeholders_are_known():
    labels = labels_of(labels_parameters(configured_study()))
    assert labels.metric("clip_score") == "CLIPScore" and labels.method("sd") != "sd"
    assert labels.placeholders == ("hosted",), "drawn by a mock"
    assert labels.image_set(configured_study().originals()[0]) == f"{labels.method('sd')}, seed 1"
    assert all("higher is better" in labels.scale(name) for name in itertools.chain(labels.order, ["people"]))
    assert replace(labels, methods={}).method("sd") == "sd"
