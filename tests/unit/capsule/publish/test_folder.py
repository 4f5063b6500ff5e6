"""The publish folder: checkable by sha256sum, the same bytes each time, with nothing that the capsule withholds."""

import json
import re
import shutil
import subprocess
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from detailscribe.capsule.publish.folder import publish
from detailscribe.errors import InputError
from tests.unit.capsule.publish.small_capsule import NOTICE, write_capsule, write_code
from tests.unit.tables.parquet.small_scenario import rows_on_disk, write_study, write_tables

FILES = {
    *("capsule.zip", "README.md", "LICENSE", "CITATION.cff", ".zenodo.json", "croissant.json", "SHA256SUMS"),
    *("demo-images.parquet", "demo-scores.parquet"),
}


@pytest.fixture
def published(tmp_path):
    folder = tmp_path / "publish"
    publish(write_capsule(tmp_path), folder, write_code(tmp_path / "code"))
    return folder


def sha256sum(folder: Path) -> subprocess.CompletedProcess:
    return subprocess.run(["sha256sum", "-c", "SHA256SUMS"], cwd=folder, capture_output=True, text=True)


def test_the_folder_holds_these_files_and_sha256sum_checks_each(published):
    assert {path.name for path in published.iterdir()} == FILES, "a data repository takes no folders"
    run = sha256sum(published)
    assert run.returncode == 0 and run.stdout.count(": OK") == len(FILES) - 1
    (published / "demo-scores.parquet").write_bytes((published / "demo-scores.parquet").read_bytes() + b" ")
    run = sha256sum(published)
    assert run.returncode == 1 and "demo-scores.parquet: FAILED" in run.stdout


@pytest.mark.parametrize("images", ["none", "thumbnails", "whole"])
def test_the_same_capsule_gives_the_same_bytes(tmp_path, images):
    capsule, code = write_capsule(tmp_path, images), write_code(tmp_path / "code")
    for name in ("one", "two"):
        publish(capsule, tmp_path / name, code)
    contents = [{path.name: path.read_bytes() for path in (tmp_path / name).iterdir()} for name in ("one", "two")]
    assert contents[0] == contents[1] and contents[0].keys() == FILES
    assert contents[0]["capsule.zip"] == capsule.read_bytes()


@pytest.mark.parametrize("images", ["none", "thumbnails", "whole"])
def test_the_tables_are_the_studys_own_and_say_where_each_image_is(tmp_path, images):
    publish(write_capsule(tmp_path, images), tmp_path / "publish", write_code(tmp_path / "code"))
    scenario = write_study(tmp_path / "again")
    scores, manifest = write_tables(scenario)
    assert (tmp_path / "publish" / "demo-scores.parquet").read_bytes() == scores.read_bytes()
    table = pq.read_table(tmp_path / "publish" / "demo-images.parquet")
    assert table.drop_columns("member").equals(pq.read_table(manifest))
    folder = {"none": None, "thumbnails": "/thumbnails/", "whole": "/images/"}[images]
    wanted = [
        f"study/results/{file.replace('/images/', folder)}" if file and folder else None
        for file in table["file"].to_pylist()
    ]
    assert table["member"].to_pylist() == wanted and (images == "none" or any(wanted))


def test_what_the_capsule_withholds_is_in_no_file(tmp_path):
    """The tables come from the capsule's rows: a host name in a reason of the study on disk stays out."""
    capsule = write_capsule(tmp_path)
    for file in (tmp_path / "study" / "results" / "demo").rglob("*.jsonl"):
        file.write_text(
            file.read_text().replace("ValueError: no", "ValueError: gpu7.lab.internal").replace("4" * 64, "x")
        )
    assert "gpu7.lab" in rows_on_disk(tmp_path / "study" / "results" / "demo", "images")[2]["reason"]
    publish(capsule, tmp_path / "publish", write_code(tmp_path / "code"))
    reasons = pq.read_table(tmp_path / "publish" / "demo-images.parquet")["reason"].to_pylist()
    assert "ValueError: no" in reasons
    for path in (tmp_path / "publish").iterdir():
        assert b"gpu7.lab" not in path.read_bytes() and str(tmp_path).encode() not in path.read_bytes(), path.name


def test_the_readme_names_every_file_and_the_demos_notice(published):
    text = (published / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"^\| `([^`]+)` \|", text, re.M))
    assert named == FILES - {"README.md", "SHA256SUMS"}
    assert "because unfinished: mine." in text, "a reader takes it for the whole study"
    assert NOTICE in text and "Scenarios: demo." in text and "CC-BY-4.0" in text
    assert "sha256sum -c SHA256SUMS" in text
    rows = {name: pq.read_metadata(published / name).num_rows for name in named if name.endswith(".parquet")}
    assert all(f"{count} rows" in text for count in rows.values())


def test_zenodo_is_told_who_made_it_under_which_licence_and_what_it_cites(published):
    metadata = json.loads((published / ".zenodo.json").read_text(encoding="utf-8"))
    assert metadata["upload_type"] == "dataset" and metadata["access_right"] == "open"
    assert metadata["license"] == "cc-by-4.0", "Zenodo's vocabulary is in lower case"
    assert metadata["creators"] == [
        {"name": "van den Berg, Ada", "affiliation": "A University", "orcid": "0000-0002-1825-0097"},
        {"name": "The others"},
    ]
    related = {each["identifier"]: each["relation"] for each in metadata["related_identifiers"]}
    assert related == {
        "https://doi.org/10.5281/zenodo.1234": "isDerivedFrom",
        "10.1000/182": "cites",
        "arXiv:2504.08714": "cites",
    }
    assert f"<p>{NOTICE}</p>" in metadata["description"]
    assert metadata["dates"] == [{"type": "Collected", "end": "2026-11-20"}]


def test_a_second_call_takes_back_what_the_first_wrote_and_keeps_what_others_put_there(published, tmp_path):
    (published / "paper.pdf").write_bytes(b"%PDF")
    shutil.copy(published / "demo-images.parquet", published / "gone-images.parquet")
    sums = published / "SHA256SUMS"
    sums.write_text(f"{sums.read_text()}{'0' * 64}  gone-images.parquet\n{'0' * 64}  ../code/LICENSE\n")
    lines = publish(tmp_path / "results" / "capsule.zip", published, tmp_path / "code")
    assert {path.name for path in published.iterdir()} == {*FILES, "paper.pdf"}
    assert (tmp_path / "code" / "LICENSE").is_file(), "a path in the list leads out of the folder"
    assert any("paper.pdf" in line for line in lines) and sha256sum(published).returncode == 0


MANIFEST = "study/results/demo/images/hosted/000-of-001.jsonl"


@pytest.mark.parametrize(
    "changed, said",
    [
        ({MANIFEST: b"{}\n"}, rf"capsule.zip: {MANIFEST} is not what capsule.json says"),
        ({"capsule.json": b'{"format": 2}'}, r"capsule.zip is no capsule of format 1; make it again"),
        ({"capsule.json": b"["}, r"capsule.zip: capsule.json is no JSON"),
    ],
)
def test_a_damaged_capsule_is_named_and_the_folder_is_not_said_to_be_complete(tmp_path, changed, said):
    capsule, code = write_capsule(tmp_path, changed=changed), write_code(tmp_path / "code")
    with pytest.raises(InputError, match=said):
        publish(capsule, tmp_path / "publish", code)
    assert not (tmp_path / "publish" / "SHA256SUMS").exists()


def test_a_missing_capsule_is_named_with_the_way_out(tmp_path):
    with pytest.raises(InputError, match=r"there is no .*capsule.zip; `snakemake capsule` makes it"):
        publish(tmp_path / "capsule.zip", tmp_path / "publish", write_code(tmp_path / "code"))
