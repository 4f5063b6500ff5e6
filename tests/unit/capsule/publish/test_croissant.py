"""croissant.json: valid for the reference library, which loads every row, score and image by it.

The library is not among the requirements: `pip install -r requirements-croissant.txt -c constraints.txt`.
"""

import ast
import json
import logging
import re
import shutil

import pyarrow.parquet as pq
import pytest

from detailscribe.capsule.publish.croissant import CONTEXT, REPEATED, TYPES, VERSION
from detailscribe.capsule.publish.folder import publish
from detailscribe.capsule.publish.sealed_tables import PUBLISHED_IMAGES
from detailscribe.files.digests import file_sha256
from detailscribe.tables.parquet.columns import SCORES
from tests.unit.capsule.publish.small_capsule import NOTICE, colour, write_capsule, write_code

REQUIRED = ("name", "description", "license", "url", "creator", "datePublished")  # by the specification
IMAGES = ("none", "thumbnails", "whole")


@pytest.fixture(scope="module", params=IMAGES)
def published(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp("published")
    publish(write_capsule(folder, request.param), folder / "publish", write_code(folder / "code"))
    return request.param, folder / "publish"


@pytest.fixture
def reader(monkeypatch, tmp_path):
    """The reference library, with a cache of its own: it keeps what it unpacked by the name of the zip."""
    croissant = pytest.importorskip("mlcroissant")
    from etils import epath
    from mlcroissant._src.core import constants
    from mlcroissant._src.operation_graph.operations import extract

    monkeypatch.setattr(constants, "DOWNLOAD_PATH", epath.Path(tmp_path / "download"))
    monkeypatch.setattr(extract, "EXTRACT_PATH", epath.Path(tmp_path / "extract"))
    return croissant


def test_the_metadata_have_what_the_specification_requires(published):
    metadata = json.loads((published[1] / "croissant.json").read_text(encoding="utf-8"))
    assert metadata["conformsTo"] == VERSION and metadata["@type"] == "sc:Dataset"
    assert all(metadata[key] for key in REQUIRED)
    assert metadata["license"] == "https://spdx.org/licenses/CC-BY-4.0"
    assert NOTICE in metadata["description"]
    assert metadata["creator"][0]["familyName"] == "van den Berg"


def test_every_file_is_there_with_its_digest(published):
    metadata = json.loads((published[1] / "croissant.json").read_text(encoding="utf-8"))
    files = [each for each in metadata["distribution"] if each["@type"] == "cr:FileObject"]
    assert {each["contentUrl"] for each in files} == {"capsule.zip", "demo-images.parquet", "demo-scores.parquet"}
    for each in files:
        path = published[1] / each["contentUrl"]
        assert each["sha256"] == file_sha256(path) and each["contentSize"] == f"{path.stat().st_size} B"


def test_the_context_is_that_of_the_specification(reader):
    from mlcroissant._src.core.rdf import make_context

    assert make_context() == CONTEXT


def test_the_readmes_example_lists_the_record_sets(published, reader, monkeypatch, capsys):
    monkeypatch.chdir(published[1])
    [block] = re.findall(r"```python\n(.*?)```", (published[1] / "README.md").read_text(encoding="utf-8"), re.S)
    exec(block)
    assert {"demo-images", "demo-scores"} <= set(ast.literal_eval(capsys.readouterr().out))


def test_the_reference_library_finds_no_fault(published, reader, caplog):
    with caplog.at_level(logging.WARNING):
        data = reader.Dataset(str(published[1] / "croissant.json"))
    assert not data.metadata.issues.errors and not data.metadata.issues.warnings
    assert not [record.message for record in caplog.records]
    names = {each.id for each in data.metadata.record_sets}
    assert names == {"demo-images", "demo-scores"} | ({"demo-pictures"} if published[0] != "none" else set())


@pytest.mark.parametrize("table", [PUBLISHED_IMAGES, SCORES], ids=lambda table: table.name)
def test_the_reference_library_loads_every_row(published, reader, table):
    data = reader.Dataset(str(published[1] / "croissant.json"))
    rows = pq.read_table(published[1] / f"demo-{table.name}.parquet").to_pylist()
    found = list(data.records(f"demo-{table.name}"))
    columns = [column for column in table.columns if column.type in {**TYPES, **REPEATED}]
    assert len(found) == len(rows) > 0 and len(columns) >= len(table.columns) - 1

    def plain(value):
        if isinstance(value, list):
            return [plain(each) for each in value]
        return None if value is None or value != value else value.decode() if isinstance(value, bytes) else value

    for own, row in zip(found, rows, strict=True):
        for column in columns:
            assert plain(own[f"demo-{table.name}/{column.name}"]) == plain(row[column.name]), column.name


def test_the_reference_library_loads_each_image_with_its_own_row(published, reader):
    if published[0] == "none":
        return
    rows = pq.read_table(published[1] / "demo-images.parquet").to_pylist()
    wanted = {(row["image_set"], row["id"]): row for row in rows if row["member"]}
    found = list(reader.Dataset(str(published[1] / "croissant.json")).records("demo-pictures"))
    assert len(found) == len(wanted) > 5
    for each in found:
        own = {key.removeprefix("demo-pictures/"): value for key, value in each.items()}
        row = wanted[own["image_set"].decode(), own["id"].decode()]
        assert (own["member"].decode(), own["prompt"].decode()) == (row["member"], row["prompt"])
        assert own["seed"] == row["seed"] and own["k"] == row["k"]
        near = [abs(a - b) for a, b in zip(own["image"].getpixel((8, 8)), colour(row["file"]), strict=True)]
        assert max(near) < 8, "another prompt's image"


def test_a_changed_file_is_refused_by_the_reference_library(published, reader, tmp_path):
    copy = tmp_path / "copy"
    shutil.copytree(published[1], copy)
    path = copy / "demo-scores.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"2")
    with pytest.raises(reader.GenerationError) as refused:
        list(reader.Dataset(str(copy / "croissant.json")).records("demo-scores"))
    assert "is not identical" in str(refused.value.__cause__)
