"""Parquet tables and the publish folder of a finished study: made on demand, and nothing else changes."""

import subprocess

import pyarrow.parquet as pq

from tests.workflow.small_study import planned


def test_the_tables_of_a_finished_study_are_made_on_demand_and_nothing_else_changes(study):
    before = study.times()
    jobs = planned(study.snakemake("small_parquet"))
    assert {job for job in jobs if not job.startswith("small")} <= {"write_parquet", "total"}
    assert study.times() == before and study.nothing_to_do() and study.nothing_to_do("small_parquet")
    tables = study.results / "small" / "tables"
    scores, images = pq.read_table(tables / "scores.parquet"), pq.read_table(tables / "images.parquet")
    wanted = {(row["id"], row["sha256"]) for row in study.rows("images/*/*.jsonl")}
    assert {(row["id"], row["sha256"]) for row in images.to_pylist()} == wanted
    of_rows = {(row["id"], row["image_set"], row["score"]) for row in study.rows("scores/*/*.jsonl")}
    assert of_rows and {(row["id"], row["image_set"], row["score"]) for row in scores.to_pylist()} == of_rows
    first = (tables / "scores.parquet").read_bytes()
    study.snakemake("small_parquet", "--forcerun", "write_parquet")
    assert (tables / "scores.parquet").read_bytes() == first


def test_a_finished_study_is_published_and_stays_as_it_is(study):
    before = study.times()
    assert "snakemake capsule" in study.snakemake("publish", expect=1)
    study.snakemake("capsule")
    study.snakemake("publish")
    folder = study.results / "publish"
    run = subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)
    assert run.returncode == 0 and "capsule.zip: OK" in run.stdout
    rows = pq.read_table(folder / "small-images.parquet").num_rows
    assert rows == len(study.rows("images/*/*.jsonl"))
    assert study.times() == before and study.nothing_to_do()
