"""Parquet tables hold every value of the rows on disk, in the order of the study, and the same bytes each time."""

import json
import math
import re

import pyarrow.parquet as pq
import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.tables.parquet import rows
from detailscribe.tables.parquet.columns import IMAGES, SCORES, TABLES, Column, arrow_schema
from detailscribe.tables.parquet.rows import Prompts
from detailscribe.tables.parquet.scenario_tables import write_images, write_scores
from detailscribe.tables.score_table import read_scores
from tests.unit.tables.parquet.small_scenario import ORDER, PROMPTS, rows_on_disk, write_study, write_tables

LEFT_OUT = {"zebra-0001": None, "apple-0002": None, "mouse-0003": "hosted failed"}


@pytest.fixture(scope="module")
def scenario(tmp_path_factory):
    return write_study(tmp_path_factory.mktemp("study"), shards=2)


@pytest.fixture(scope="module")
def tables(scenario):
    return {path.stem: pq.read_table(path) for path in write_tables(scenario)}


def empty_as_none(value):
    return None if value == "" else value


def test_every_value_of_a_score_row_is_in_the_table(scenario, tables):
    found = {(row["metric"], row["id"], row["image_set"]): row for row in tables["scores"].to_pylist()}
    rows = rows_on_disk(scenario, "scores")
    derived = [row for row in rows if "geometric" in row]
    assert len(found) == tables["scores"].num_rows == len(rows) + len(derived)
    for row in rows:
        own = found[row["of"], row["id"], row["image_set"]]
        wanted = {key: empty_as_none(value) for key, value in row.items() if key not in ("of", "geometric")}
        assert {key: own[key] for key in wanted} == wanted, "columns are lost or changed"
        assert own["left_out"] == LEFT_OUT[row["id"]]
    for row in derived:
        own = found[f"{row['of']}-geometric", row["id"], row["image_set"]]
        assert (own["score"], own["status"], own["draws"]) == (row["geometric"], row["status"], None)
    assert isinstance(found["clip_score", "mouse-0003", "original-2628670643"]["score"], float)


def test_every_value_of_a_manifest_row_is_in_the_table(scenario, tables):
    found = {(row["image_set"], row["id"]): row for row in tables["images"].to_pylist()}
    rows = rows_on_disk(scenario, "images")
    assert len(found) == len(rows) == len(PROMPTS) * len(ORDER["image_sets"])
    for row in rows:
        own = found[row.pop("of"), row["id"]]
        wanted = {"carried": False} | {key: empty_as_none(value) for key, value in row.items()}
        own["software"] = dict(own["software"]) if own["software"] else None
        own["state"] = json.loads(own["state"]) if own["state"] else None
        assert {key: own[key] for key in wanted} == wanted
    topics = {prompt["id"]: (prompt["topic"], prompt["stratum"]) for prompt in PROMPTS}
    assert all((row["topic"], row["stratum"]) == topics[row["id"]] for row in found.values())


def test_scores_are_those_of_scores_csv_to_the_last_digit(scenario, tables):
    frame = read_scores(scenario / "tables" / "scores.csv")
    of_csv = {
        (row.metric, row.id, row.image_set): (None if math.isnan(row.score) else row.score, row.status)
        for row in frame.itertuples()
    }
    of_parquet = {
        (row["metric"], row["id"], row["image_set"]): (row["score"], row["status"])
        for row in tables["scores"].to_pylist()
    }
    assert of_parquet == of_csv


def test_rows_stand_in_the_order_of_the_study(tables):
    scores = tables["scores"].select(["metric", "id", "image_set"]).to_pylist()
    ids = [prompt["id"] for prompt in PROMPTS]
    wanted = [(metric, id, name) for metric in ORDER["metrics"] for id in ids for name in ORDER["image_sets"]]
    assert [tuple(row.values()) for row in scores] == wanted
    images = tables["images"].select(["image_set", "id"]).to_pylist()
    assert [tuple(row.values()) for row in images] == [(name, id) for name in ORDER["image_sets"] for id in ids]


@pytest.mark.parametrize("shards, slice_rows", [(1, 50_000), (2, 1), (2, 2), (3, 4), (3, 50_000)])
def test_the_bytes_are_the_same_each_time_and_for_any_number_of_shards(
    scenario, tmp_path, monkeypatch, shards, slice_rows
):
    monkeypatch.setattr(rows, "SLICE_ROWS", slice_rows)
    assert [path.read_bytes() for path in write_tables(write_study(tmp_path, shards))] == [
        path.read_bytes() for path in write_tables(scenario)
    ]


def test_a_reader_of_one_metric_reads_one_row_group(scenario):
    scores, images = write_tables(scenario)
    groups = pq.ParquetFile(scores).metadata
    assert groups.num_row_groups == len(ORDER["metrics"])
    statistics = [groups.row_group(number).column(0).statistics for number in range(groups.num_row_groups)]
    assert [(each.min, each.max) for each in statistics] == [(name, name) for name in ORDER["metrics"]]
    assert pq.ParquetFile(images).metadata.num_row_groups == len(ORDER["image_sets"])


@pytest.mark.parametrize("table", TABLES, ids=lambda table: table.name)
def test_a_file_tells_what_its_columns_mean(scenario, table):
    path = dict(zip(("scores", "images"), write_tables(scenario), strict=True))[table.name]
    schema = pq.read_schema(path)
    assert schema.names == [column.name for column in table.columns]
    facts = {key.decode(): value.decode() for key, value in schema.metadata.items()}
    assert (facts["table"], facts["scenario"], facts["format"]) == (table.name, "demo", "1")
    assert facts["description"] == table.description.format(scenario="demo")
    meanings = {column.name: column.description for column in table.columns}
    assert json.loads(facts["columns"]) == meanings
    assert {field.name: field.metadata[b"description"].decode() for field in schema} == meanings
    assert [field.nullable for field in schema] == [not column.required for column in table.columns]
    types = [re.sub(r"list<\w+: ", "list<", str(field.type)) for field in arrow_schema(table)]
    assert types == [column.type for column in table.columns]


def test_an_image_set_and_a_metric_that_the_study_no_longer_names_come_last(scenario, tmp_path):
    order = {"metrics": ["judge-main"], "image_sets": ["hosted"]}
    prompts = Prompts(scenario / "prompts.jsonl", scenario / "tables" / "scores.csv")
    write_scores(tmp_path / "s.parquet", "demo", list((scenario / "scores").glob("*/*")), prompts, order)
    metrics = pq.read_table(tmp_path / "s.parquet")["metric"].unique().to_pylist()
    assert metrics == ["judge-main", "clip_score", "judge-parts", "judge-parts-geometric"]
    write_images(tmp_path / "i.parquet", "demo", list((scenario / "images").glob("*/*.jsonl")), prompts, order)
    names = pq.read_table(tmp_path / "i.parquet")["image_set"].unique().to_pylist()
    assert names == ["hosted", "detailscribe-k1", "original-2628670643"]


def test_a_further_column_stands_at_the_end(scenario, tmp_path):
    prompts = Prompts(scenario / "prompts.jsonl", scenario / "tables" / "scores.csv")
    column = Column("member", "string", "where it is")
    files = list((scenario / "images").glob("*/*.jsonl"))
    write_images(tmp_path / "i.parquet", "demo", files, prompts, ORDER, column, lambda row: f"in/{row['file']}")
    table = pq.read_table(tmp_path / "i.parquet")
    assert table.column_names == [*(each.name for each in IMAGES.columns), "member"]
    assert table["member"].to_pylist() == [f"in/{file}" for file in table["file"].to_pylist()]


def test_a_study_without_scores_or_images_gives_empty_tables_of_the_same_columns(tmp_path):
    (tmp_path / "prompts.jsonl").write_text("")
    (tmp_path / "scores.csv").write_text("id,stratum,left_out,image_set,metric,score,status,draws\n")
    prompts = Prompts(tmp_path / "prompts.jsonl", tmp_path / "scores.csv")
    assert write_scores(tmp_path / "s.parquet", "demo", [], prompts, ORDER) == 0
    assert write_images(tmp_path / "i.parquet", "demo", [], prompts, ORDER) == 0
    for path, table in ((tmp_path / "s.parquet", SCORES), (tmp_path / "i.parquet", IMAGES)):
        assert pq.read_table(path).column_names == [column.name for column in table.columns]


def test_a_row_of_another_prompt_or_a_broken_line_is_named(tmp_path):
    scenario = write_study(tmp_path)
    manifest = scenario / "images" / "hosted" / "000-of-001.jsonl"
    kept = manifest.read_text()
    manifest.write_text(kept.replace("apple-0002", "pear-0009"))
    with pytest.raises(SetupError, match=r"hosted/000-of-001.jsonl has a row of pear-0009, which is not in .*prompts"):
        write_tables(scenario)
    manifest.write_text(kept[:-20])
    with pytest.raises(InputError, match=r"hosted/000-of-001.jsonl, line 3"):
        write_tables(scenario)
