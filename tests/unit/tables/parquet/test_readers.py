"""pandas, polars and DuckDB read the Parquet tables alike; docs/outputs.md has their columns and three queries."""

import math
import re

import duckdb
import pandas as pd
import polars as pl
import pyarrow.parquet as pq
import pytest

from detailscribe.tables.parquet.columns import TABLES
from tests.paths import REPOSITORY
from tests.unit.tables.parquet.small_scenario import ORDER, write_study, write_tables

TEXT = (REPOSITORY / "docs" / "outputs.md").read_text(encoding="utf-8")
SECTION = TEXT.partition("\n## Parquet tables\n")[2].partition("\n## ")[0]
INITIAL, REFINED = ORDER["image_sets"][:2]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_tables(write_study(folder))
    return folder


def plain(value):
    """A cell as Python's own values: no NaN, mappings as dictionaries."""
    if isinstance(value, float):
        return None if math.isnan(value) else value
    if value is None or value is pd.NA:
        return None
    if isinstance(value, dict):
        return {key: plain(each) for key, each in value.items()}
    if hasattr(value, "tolist") or isinstance(value, list | tuple):
        values = [plain(each) for each in (value.tolist() if hasattr(value, "tolist") else value)]
        return dict(values) if values and all(isinstance(each, list) and len(each) == 2 for each in values) else values
    return value


def by_pandas(path):
    frame = pd.read_parquet(path)
    return [{name: plain(value) for name, value in row.items()} for row in frame.to_dict("records")]


def by_polars(path):
    return [{name: plain(value) for name, value in row.items()} for row in pl.read_parquet(path).to_dicts()]


def by_duckdb(path):
    found = duckdb.sql(f"SELECT * FROM '{path}'")
    return [{name: plain(v) for name, v in zip(found.columns, row, strict=True)} for row in found.fetchall()]


READERS = {"pandas": by_pandas, "polars": by_polars, "duckdb": by_duckdb}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_three_programs_read_the_same_rows(folder, table, reader):
    path = folder / "results" / "demo" / "tables" / f"{table.name}.parquet"
    wanted = [{name: plain(value) for name, value in row.items()} for row in pq.read_table(path).to_pylist()]
    assert wanted and READERS[reader](path) == wanted


def test_types_are_those_of_the_columns(folder):
    tables = folder / "results" / "demo" / "tables"
    scores, images = (
        pl.read_parquet_schema(tables / "scores.parquet"),
        pl.read_parquet_schema(tables / "images.parquet"),
    )
    assert (scores["score"], scores["status"], scores["draws"]) == (pl.Float64, pl.String, pl.List(pl.Float64))
    assert (images["seed"], images["k"], images["carried"]) == (pl.UInt64, pl.Int64, pl.Boolean)
    types = dict(
        duckdb.sql(f"DESCRIBE SELECT * FROM '{tables}/images.parquet'").project("column_name, column_type").fetchall()
    )
    assert types["software"] == "MAP(VARCHAR, VARCHAR)" and types["seed"] == "UBIGINT"
    frame = pd.read_parquet(tables / "scores.parquet")
    assert frame["score"].dtype == "float64" and frame["reason"].isna().any() and not (frame["reason"] == "").any()
    assert pd.read_parquet(tables / "images.parquet")["carried"].dtype == bool


def test_the_largest_seed_is_read_to_the_last_digit(tmp_path):
    scenario = write_study(tmp_path)
    for manifest in (scenario / "images").glob("*/*.jsonl"):
        manifest.write_text(manifest.read_text().replace(str(2**32 - 1), str(2**64 - 1)))
    _, path = write_tables(scenario)
    assert pl.read_parquet(path)["seed"].max() == 2**64 - 1
    assert duckdb.sql(f"SELECT max(seed) FROM '{path}'").fetchall() == [(2**64 - 1,)]
    assert int(pd.read_parquet(path, dtype_backend="numpy_nullable")["seed"].max()) == 2**64 - 1


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_the_document_lists_the_columns_of_each_table(table):
    part = SECTION.partition(f"/tables/{table.name}.parquet`")[2]
    rows = re.findall(r"^\| `(\w+)` \| `([^`|]+)` \| ([^|]+) \|$", part.partition("\n`results/")[0], re.M)
    assert rows == [(column.name, column.type, column.description) for column in table.columns]


def query(language: str, start: str) -> str:
    blocks = re.findall(rf"```{language}\n(.*?)```", SECTION, re.S)
    [found] = [block for block in blocks if start in block]
    return found


def test_the_documents_query_of_duckdb_gives_means_of_complete_prompts(folder, monkeypatch):
    monkeypatch.chdir(folder)
    found = duckdb.sql(query("sql", "avg(score)")).fetchall()
    rows = [row for row in pq.read_table("results/demo/tables/scores.parquet").to_pylist() if not row["left_out"]]
    values: dict = {}
    for row in rows:
        values.setdefault((row["metric"], row["image_set"]), []).append(row["score"])
    known = {key: [value for value in each if value is not None] for key, each in values.items()}
    means = {key: (len(each), sum(each) / len(each) if each else None) for key, each in known.items()}
    assert {(metric, image_set): (n, mean) for metric, image_set, n, mean in found} == means
    assert means["clip_score", REFINED][0] == 2, "the incomplete prompt counts"


def test_the_documents_query_of_polars_lists_gains_with_the_files(folder, monkeypatch):
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(query("python", "import polars"), names)
    rows = names["gains"].to_dicts()
    assert [row["id"] for row in rows] == ["zebra-0001", "apple-0002", "mouse-0003"]
    assert rows[0]["gain"] == 1.25 - (0.1 + 0.2) and rows[-1]["gain"] is None
    assert f"/{INITIAL}/" in rows[0]["file"] and f"/{REFINED}/" in rows[0]["file_refined"]


def test_the_documents_query_of_pandas_counts_what_is_missing(folder, monkeypatch):
    monkeypatch.chdir(folder)
    names: dict = {}
    exec(query("python", "import pandas"), names)
    counts = names["reasons"].to_dict()
    assert counts["judge-main", "hosted", "refused", "the model declined"] == 1
    rows = pq.read_table("results/demo/tables/scores.parquet").to_pylist()
    assert sum(counts.values()) == sum(row["score"] is None for row in rows)
