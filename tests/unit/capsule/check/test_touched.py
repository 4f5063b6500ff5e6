import json
import zipfile

import pytest

from detailscribe.capsule.check.touched import touched

CASES = {
    "": "where the files of the capsule are",
    "capsule.json": "digests of all files",
    "README.md": "no result",
    "study/config/config.yaml": "every stage and every table",
    "study/config/templates/judge_rubric.yaml": "the stages that ask models with it",
    "study/results/mine/shards/000-of-002.jsonl": "every stage and every table of mine",
    "study/results/mine/decompositions/000-of-002.jsonl": "the stage decompose, every table of mine",
    "study/results/mine/critiques/detailscribe/000-of-002.jsonl": "the stage critique (detailscribe), every table of",
    "study/results/mine/images/original-2628670643/000-of-002.jsonl": "the stage generate (original-2628670643), every",
    "study/results/mine/scores/clip_score/000-of-002.jsonl": "the stage score (clip_score), the tables scores, main",
    "study/results/mine/tables/main.csv": "itself alone",
    "study/results/parameters/tabulate.json": "the stage of tabulate",
    "study/results/mine/images/original-1/000-of-002/a-0123456789abcdef.jpg": "an image of this study",
    "study/results/report/index.html": "a page of the report alone",
    "study/resources/miniature/digests.json": "the origin of every table",
}


@pytest.fixture(scope="module")
def members(capsule) -> dict[str, bytes]:
    with zipfile.ZipFile(capsule) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.mark.parametrize("name", CASES)
def test_stage_and_tables_of_a_member(name, members):
    assert not name or name in members or name.startswith(("study/config/t", "study/res"))
    assert CASES[name] in touched(name, members, members.__getitem__)


def test_every_member_touches_something_that_is_said(members):
    for name in members:
        said = touched(name, members, members.__getitem__)
        assert said and "no capsule holds" not in said, name


def test_an_answer_touches_the_rows_that_name_it(members):
    rows = "study/results/mine/scores/judge-main/000-of-002.jsonl"
    row = json.loads(members[rows].splitlines()[0])
    digest = row["exchange"][0]
    said = touched(f"study/resources/exchanges/{digest[:2]}/{digest}.json", members, members.__getitem__)
    assert said.startswith(f"rows of {rows.removeprefix('study/')}") and "the stage score (judge-main)" in said
    assert "the tables scores, main" in said and "judge_repeats" in said


def test_an_answer_that_no_row_names_touches_none(members):
    assert touched(f"study/resources/exchanges/00/{'0' * 64}.json", members, members.__getitem__).startswith("no row")
