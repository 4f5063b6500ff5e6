"""Judges of pairs in a study: rows and tables, what one changed image asks again, failed and damaged rows, the plan."""

import csv
import re
from collections import Counter
from itertools import permutations

import pytest

from detailscribe.files.rows import read_rows, write_rows
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.operations.archive.pack import exchanges_of_study
from tests.workflow.small_study import PROMPTS, planned

pytestmark = pytest.mark.slow  # several runs of a study each

METHODS = ["sd", "mine", "detailscribe", "hosted"]
PAIRS = {("mine", "sd"), ("detailscribe", "sd"), ("hosted", "sd"), ("detailscribe", "mine"), ("hosted", "detailscribe")}
JUDGE = {
    **{"endpoint": "offline", "model": "offline-stand-in", "template": "judge_pair", "scenario_templates": {}},
    **{"scale": "pair", "reply": "brackets", "options": {}, "draws": 1, "methods": METHODS, "schedule": "baseline"},
}
CHANGES = {"external": {"mine": {"folder": "mine"}}, "judges": {"pairs": JUDGE}}
OF_PAIRS = {"judge_pairs", "tabulate_pairs"}


@pytest.fixture
def judged(study):
    """The finished study with imported images and a judge that compares four methods."""
    (study.folder / "mine").mkdir()
    for row in study.rows("prompts.jsonl"):
        (study.folder / "mine" / f"{row['id']}.png").write_bytes(placeholder_png(row["id"]))
    study.snakemake(**CHANGES)
    return study


def table(study, name: str) -> list[dict]:
    with open(study.results / "small" / "tables" / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def orders(study) -> dict[tuple, dict]:
    return {(row["id"], row["first"], row["second"]): row for row in study.rows("pairs/pairs/*.jsonl")}


def test_every_pair_of_every_prompt_is_a_row_in_both_orders_and_three_tables_follow(judged):
    rows = orders(judged)
    ids = [row["id"] for row in judged.rows("prompts.jsonl")]
    both = {order for pair in PAIRS for order in permutations(pair)}
    assert set(rows) == {(id, *order) for id in ids for order in both}
    assert {row["status"] for row in rows.values()} == {"ok"}
    shown = {row["first_image_set"] for (_, first, _), row in rows.items() if first == "detailscribe"}
    assert shown <= {"detailscribe-k0", "detailscribe-k1"}
    chosen = Counter()
    for row in judged.rows("scores/clip_score/*.jsonl"):
        if row["image_set"].startswith("detailscribe-"):
            chosen[row["id"], row["image_set"]] = row["score"]
    for (id, first, _), row in rows.items():
        if first == "detailscribe":  # the best by the selector, never by the judge
            assert row["first_image_set"] == max(
                ("detailscribe-k0", "detailscribe-k1"), key=lambda name, id=id: chosen[id, name]
            )
    compared = {(row["method"], row["other"]): row for row in table(judged, "pairs")}
    assert set(compared) == {*PAIRS, ("", "")}
    assert all(int(row["n"]) == len(PROMPTS) for row in compared.values())
    assert float(compared["", ""]["position_bias"]) == 0 and float(compared["", ""]["consistent"]) == 1
    strengths = {row["method"]: row for row in table(judged, "strengths")}
    assert list(strengths) == METHODS and float(strengths["sd"]["strength"]) == 0
    rankings = table(judged, "rankings")
    assert {row["by"] for row in rankings} == {"strength", "clip_score", "judge-main"}
    assert {row["method"] for row in rankings} == set(METHODS)
    log = (judged.folder / "logs" / "tabulate_pairs" / "small.log").read_text()
    assert "small: judge pairs: position bias 0.000" in log
    cost = {(row["stage"], row["name"]): row for row in table(judged, "cost")}
    digests = {digest for row in rows.values() for digest in row["exchange"]}
    assert int(cost["judge", "judge-pairs"]["calls"]) == len(digests)
    assert digests <= exchanges_of_study(judged.folder), "an archive holds them"
    assert (judged.results / "small" / "figures" / "strengths.svg").is_file()
    page = (judged.results / "small" / "report" / "index.html").read_text(encoding="utf-8")
    assert "strengths" in page
    assert judged.nothing_to_do(**CHANGES)


def test_one_changed_image_asks_its_pairs_again_and_no_other(judged):
    before, calls = orders(judged), judged.exchanges()
    victim = judged.rows("prompts.jsonl")[0]["id"]
    (judged.folder / "mine" / f"{victim}.png").write_bytes(placeholder_png("another"))
    judged.snakemake("small_pair", **CHANGES)
    of_mine = [pair for pair in PAIRS if "mine" in pair]
    assert judged.exchanges() == calls + 2 * len(of_mine)
    after = orders(judged)
    changed = {key for key in after if after[key]["exchange"] != before[key]["exchange"]}
    assert changed == {(victim, *order) for pair in of_mine for order in permutations(pair)}
    assert all(after[key] == before[key] for key in set(after) - changed)


def test_other_methods_and_schedules_ask_only_new_pairs_and_nothing_of_images_that_are_the_same(judged):
    every = {
        "external": {"mine": {"folder": "mine"}, "yours": {"folder": "mine"}},
        "judges": {"pairs": JUDGE | {"schedule": "all", "methods": [*METHODS, "yours"]}},
    }
    calls = judged.exchanges()
    assert set(planned(judged.snakemake("-n", "small_pair", **CHANGES | every))) >= {"judge_pairs"}
    judged.snakemake("small_tables", **CHANGES | every)
    # Of the one pair that the baseline schedule leaves out; `yours` has images that were compared already.
    of_pairs = {digest for row in orders(judged).values() for digest in row["exchange"]}
    assert judged.exchanges() == calls + 2 * len(PROMPTS)
    rows = orders(judged)
    assert len(rows) == 2 * 10 * len(PROMPTS) and len(of_pairs) == 2 * 6 * len(PROMPTS)
    same = {key for key, row in rows.items() if row["identical"]}
    ids = {row["id"] for row in rows.values()}
    assert same == {(id, *order) for id in ids for order in permutations(("mine", "yours"))}
    assert all((rows[key]["value"], rows[key]["exchange"]) == (0.0, []) for key in same)
    [row] = [row for row in table(judged, "pairs") if (row["method"], row["other"]) == ("yours", "mine")]
    assert (row["identical"], row["ties"], row["consistent"]) == (str(len(PROMPTS)), str(len(PROMPTS)), "")


def test_failed_rows_are_retried_and_changed_ones_found(judged):
    [path] = (judged.results / "small" / "pairs" / "pairs").glob("*.jsonl")
    content, calls = path.read_bytes(), judged.exchanges()
    rows = read_rows(path)
    write_rows(path, [rows[0] | {"status": "failed", "value": None, "reason": "no answer"}, *rows[1:]])
    assert str(path.relative_to(judged.folder)) in judged.snakemake("verify", **CHANGES)
    judged.snakemake(**CHANGES)
    assert path.read_bytes() == content and judged.exchanges() == calls
    write_rows(path, [row for row in rows if row["id"] != rows[-1]["id"]])  # truncated by hand
    assert str(path.relative_to(judged.folder)) in judged.snakemake("retry", **CHANGES)
    judged.snakemake(**CHANGES)
    assert path.read_bytes() == content and judged.exchanges() == calls


def test_the_plan_counts_both_orders_and_a_missing_image_is_a_row(judged):
    output = judged.snakemake("plan", **CHANGES)
    assert not re.search(r"small +judge +pairs +[1-9]", output), "nothing is left to ask"
    victim = judged.rows("prompts.jsonl")[2]["id"]
    (judged.folder / "mine" / f"{victim}.png").unlink()
    judged.snakemake("small_tables", **CHANGES)
    rows = {key: row for key, row in orders(judged).items() if row["status"] != "ok"}
    assert set(rows) == {(victim, *order) for pair in PAIRS if "mine" in pair for order in permutations(pair)}
    assert {row["status"] for row in rows.values()} == {"skipped"}
    with open(judged.results / "small" / "dropped.tsv", encoding="utf-8", newline="") as file:
        dropped = [row for row in csv.DictReader(file, delimiter="\t") if row["stage"] == "pair"]
    assert {row["image_set"] for row in dropped} == {f"{first}, {second}" for _, first, second in rows}
    assert all(row["reason"].startswith("pairs: mine: ") for row in dropped)
    compared = {(row["method"], row["other"]): int(row["n"]) for row in table(judged, "pairs")}
    assert (compared["mine", "sd"], compared["hosted", "sd"]) == (len(PROMPTS) - 1, len(PROMPTS))


def test_a_study_without_such_a_judge_has_none_of_its_files(study):
    assert not OF_PAIRS & set(planned(study.snakemake("-n", "--forceall")))
    names = {path.stem for path in (study.results / "parameters").glob("*.json")}
    assert not {"pairs_table", "judge-pairs"} & names
