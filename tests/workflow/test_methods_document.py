"""The method that docs/methods.md writes: one file and one entry, run as they stand in the document."""

import csv
import re

import pytest
import yaml

from tests.workflow.small_study import REPOSITORY, planned

TEXT = (REPOSITORY / "docs" / "methods.md").read_text(encoding="utf-8")
CODE, ENTRY = (re.search(rf"```{kind}\n(.*?)```", TEXT, re.S)[1] for kind in ("python", "yaml"))
ADDED = {"refiners": yaml.safe_load(ENTRY)["refiners"]}
FILE = ADDED["refiners"]["two_passes"]["refiner"]
TABLES = "small_tables"


@pytest.fixture
def own(study):
    """A finished study with the document's file."""
    (study.folder / FILE).parent.mkdir()
    (study.folder / FILE).write_text(CODE)
    return study


def test_the_difference_that_the_document_shows_is_that_of_its_example():
    stat = dict(re.findall(r"^ (\S+) +\| +(\d+) \++$", TEXT, re.M))
    assert stat == {FILE: str(CODE.count("\n")), "my_study.yaml": str(ENTRY.count("\n"))}


def test_a_file_and_an_entry_make_a_method_and_nothing_else(own):
    before, times = own.images(), own.times()
    jobs = planned(own.snakemake(TABLES, **ADDED))
    made_again = {"generate_images", "critique_images", "decompose_prompts", "rewrite_prompts", "gather_external"}
    assert jobs["refine_images"] == 1 and not made_again & jobs.keys()
    images, after = own.images(), own.times()
    assert {name: images[name] for name in before} == before
    assert {name: after[name] for name in times} == times
    rows = own.rows("images/two_passes/*.jsonl")
    assert [row["status"] for row in rows] == ["ok"] * 4 and len(images) == len(before) + 4
    critiques = {row["id"]: row["refined_prompt"] for row in own.rows("critiques/detailscribe/*.jsonl")}
    assert {row["id"]: row["prompt"] for row in rows} == critiques
    with open(own.folder / "results/small/tables/main.csv", newline="") as file:
        assert "two_passes" in {row["method"] for row in csv.DictReader(file)}
    assert own.nothing_to_do(TABLES, **ADDED)


def test_a_change_of_the_file_or_of_a_setting_draws_its_images_again_and_no_others(own):
    own.snakemake("small_refine", **ADDED)
    before = own.times()
    (own.folder / FILE).write_text(CODE.replace("ALGORITHM = 1", "ALGORITHM = 2"))
    own.snakemake("small_refine", **ADDED)
    own.snakemake("small_refine", refiners={"two_passes": {**ADDED["refiners"]["two_passes"], "strengths": [0.9, 0.3]}})
    after = own.times()
    new = {name.split("/")[0] for name in after.keys() - before.keys()}
    assert new == {"two_passes"} and len(after) == len(before) + 2 * 4
    assert {name: after[name] for name in before} == before


def test_a_wrong_setting_is_the_modules_own_message(own):
    entry = {**ADDED["refiners"]["two_passes"], "strengths": [0]}
    output = own.snakemake("-n", expect=1, refiners={"two_passes": entry})
    assert "refiners: two_passes: strengths: a strength is above 0 and at most 1, got 0" in output
    assert "Traceback" not in output
