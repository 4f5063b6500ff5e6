"""Costs of the methods through the whole pipeline: on demand beside an untouched study, and as part of its tables."""

import shutil

import pandas as pd
import pytest

from tests.workflow.small_study import Study, planned

pytestmark = pytest.mark.slow  # several runs of a study each

IN_TABLES = {"budget": {"in_tables": True, "equal_compute": "gpu_seconds"}}
COSTS = ["steps", "gpu_seconds", "scoring_seconds", "calls", "tokens", "usd", "equal_compute"]


def table(study: Study, name: str) -> pd.DataFrame:
    return pd.read_csv(study.results / "small" / "tables" / f"{name}.csv")


def test_the_costs_of_a_finished_study_are_made_on_demand_and_nothing_else_changes(study):
    before, main = study.times(), (study.results / "small/tables/main.csv").read_bytes()
    jobs = planned(study.snakemake("small_budget"))
    assert {job for job in jobs if not job.startswith("small")} <= {"count_costs", "tabulate_budget", "total"}
    assert study.times() == before and (study.results / "small/tables/main.csv").read_bytes() == main
    assert study.nothing_to_do() and study.nothing_to_do("small_budget")
    budget = table(study, "budget")
    methods = budget[budget["role"] == "method"].set_index(["method", "metric"])
    assert set(methods["measured"].dropna()) == {1.0} and methods["gpu_seconds"].notna().all()
    assert methods.loc[("detailscribe", "clip_score"), "calls"] == 2, "a critique and a decomposition"
    assert methods.loc[("gpt_rewrite", "clip_score"), "calls"] == 1
    assert methods.loc[("hosted", "clip_score"), "steps"] == 0
    assert all((study.results / f"small/figures/budget.{kind}").is_file() for kind in ("svg", "png"))
    again = (study.results / "small/tables/budget.csv").read_bytes()
    study.snakemake("small_budget", "--forcerun", "count_costs")
    assert (study.results / "small/tables/budget.csv").read_bytes() == again


def test_what_is_measured_anew_is_counted_anew(study):
    study.snakemake("small_budget")
    shutil.rmtree(study.results / "small" / "ledgers" / "seconds")  # as an earlier version left the study
    study.snakemake("small_budget", "--forcerun", "count_costs")
    assert table(study, "budget")["gpu_seconds"].isna().any()
    for image in study.results.glob("small/images/original-11/*/*.*"):
        image.unlink()
    study.snakemake("small_generate")
    study.snakemake("small_budget")
    budget = table(study, "budget").set_index(["method", "metric"])
    assert budget.loc[("sd", "clip_score"), "measured"] == 1
    assert budget.loc[("gpt_rewrite", "clip_score"), "measured"] == 0
    assert study.nothing_to_do("small_budget")


def test_costs_in_the_tables_redo_tables_and_report_and_leave_no_trace_when_they_go(study):
    before, main = study.times(), (study.results / "small/tables/main.csv").read_bytes()
    jobs = planned(study.snakemake(**IN_TABLES))
    assert {"count_costs", "tabulate_budget", "tabulate_scenario", "write_report"} <= jobs.keys()
    assert not {"generate_images", "refine_images", "score_images", "judge_images"} & jobs.keys()
    assert study.times() == before and study.nothing_to_do(**IN_TABLES)
    costs = table(study, "main")
    assert list(costs)[-len(COSTS) :] == COSTS and costs["steps"].notna().all()
    report = study.results / "small" / "report"
    assert "budget" in (report / "index.html").read_text(encoding="utf-8")
    assert list((report / "figures").glob("*-budget.svg"))
    study.snakemake()
    assert (study.results / "small/tables/main.csv").read_bytes() == main
    assert not list((report / "figures").glob("*-budget.svg"))
