"""What a comparison finds: each kind of change in the part that it belongs to, and nothing without one."""

import json
import shutil
from pathlib import Path

import pytest

from detailscribe.capsule.compare.conclusion import BUT, NO, UNKNOWN, YES
from detailscribe.capsule.compare.differences import (
    ABSENT,
    ANSWERS,
    IMAGES,
    INPUTS,
    MEANS,
    MODELS,
    PARAMETERS,
    PARTS,
    RANKINGS,
    SCORES,
    TABLES,
    TEMPLATES,
    VERDICTS,
    VERSIONS,
    WIN_RATES,
)
from tests.unit.capsule.compare.small_study import (
    CLIP,
    DEMO,
    MAIN,
    SHARD,
    capsule_of,
    compared,
    read_rows,
    read_table,
    sha,
    small_study,
    write_rows,
    write_table,
)


@pytest.fixture
def study(tmp_path) -> Path:
    return small_study(tmp_path / "a")


@pytest.fixture
def other(study) -> Path:
    shutil.copytree(study, study.with_name("b"))
    return study.with_name("b")


def edit_rows(file: str, **values):
    """An edit of the first row of a file; a value may be a function of the row."""

    def edit(root: Path) -> None:
        rows = read_rows(root / file)
        rows[0] |= {name: value(rows[0]) if callable(value) else value for name, value in values.items()}
        write_rows(root / file, rows)

    return edit


def edit_record(file: str, change):
    def edit(root: Path) -> None:
        record = json.loads((root / file).read_text())
        change(record)
        (root / file).write_text(json.dumps(record))

    return edit


def edit_table(file: str, chosen: dict, **values):
    """An edit of the rows of a table that have certain values."""

    def edit(root: Path) -> None:
        rows = read_table(root / file)
        hits = [row for row in rows if all(row.get(name) == value for name, value in chosen.items())]
        assert hits
        for row in hits:
            row |= values
        write_table(root / file, rows)

    return edit


def without(file: str):
    return lambda root: (root / file).unlink()


def edit_prompt(root: Path) -> None:
    """What editing a prompt does to a study: the prompt has another id everywhere."""
    for path in (root / DEMO).rglob("*.jsonl"):
        text = path.read_text().replace("b-2", "b-9").replace("A dog with a ball.", "A dog with a red ball.")
        path.write_text(text)


def remove_prompt(root: Path) -> None:
    for path in (root / DEMO).rglob("*.jsonl"):
        write_rows(path, [row for row in read_rows(path) if row["id"] != "c-3"])


def join_shards(root: Path) -> None:
    """The same rows in two shards instead of one."""
    for path in list((root / DEMO).rglob(SHARD)):
        rows = read_rows(path)
        write_rows(path.with_name("000-of-002.jsonl"), rows[1:])
        write_rows(path.with_name("001-of-002.jsonl"), rows[:1])
        path.unlink()


BETTER = {"metric": "clip_score", "method": "better", "honest": "True"}
THIRD = BETTER | {"method": "third"}
SET = f"{DEMO}/images/better-k0/{SHARD}"
CASES = {
    "nothing": (lambda root: None, set(), YES, "all 7 verdicts"),
    "another number of shards": (join_shards, set(), YES, ""),
    "where a folder is, keys, requests": (
        edit_rows(f"{DEMO}/decompositions/{SHARD}", exchange="2" * 64),
        set(),
        YES,
        "",
    ),
    # what went in
    "an edited prompt": (edit_prompt, {INPUTS}, YES, "edited, now b-9"),
    "a prompt less": (remove_prompt, {INPUTS}, YES, "only in A"),
    "a prompt more": (
        lambda root: write_rows(
            root / f"{DEMO}/prompts.jsonl",
            [*read_rows(root / f"{DEMO}/prompts.jsonl"), {"id": "d-4", "topic": "d", "prompt": "New."}],
        ),
        {INPUTS},
        YES,
        "only in B",
    ),
    "a stratum": (
        edit_rows(f"{DEMO}/prompts.jsonl", stratum="easy"),
        {INPUTS},
        YES,
        "the same prompt with other columns",
    ),
    "a parameter": (
        edit_record("results/parameters/generate-1.json", lambda r: r["generation"].update(steps=30)),
        {PARAMETERS},
        YES,
        "generation.steps 28 30",
    ),
    "a new key": (
        edit_record("results/parameters/generate-1.json", lambda r: r.update(new={"key": True})),
        {PARAMETERS},
        YES,
        f"new.key {ABSENT} true",
    ),
    "a critic less": (without("results/parameters/critique-better.json"), {PARAMETERS}, YES, "only in A"),
    "phrases of a scenario without results": (
        lambda root: (root / "results/parameters/phrases-mine.json").write_text("{}"),
        set(),
        YES,
        "",
    ),
    "phrases of a scenario": (
        lambda root: (root / "results/parameters/phrases-demo.json").write_text("{}"),
        {PARAMETERS},
        YES,
        "phrases-demo",
    ),
    "candidates of a method": (
        edit_record("results/parameters/tabulate.json", lambda r: r["methods"][1]["candidates"].pop()),
        {PARAMETERS},
        YES,
        "methods.better.candidates",
    ),
    "a template": (
        edit_record("results/parameters/critique-better.json", lambda r: r["template"].update(user="Say it.")),
        {TEMPLATES},
        YES,
        "template.user",
    ),
    "a requested model": (
        edit_record("results/parameters/critique-better.json", lambda r: r.update(model="gpt-y")),
        {MODELS},
        YES,
        "model gpt-x gpt-y",
    ),
    "a revision of the image model": (
        edit_record("results/parameters/generate-1.json", lambda r: r["model"].update(revision="def")),
        {MODELS},
        YES,
        "model.revision abc def",
    ),
    "a served model": (
        edit_table(f"{DEMO}/tables/cost.csv", {}, served_model="gpt-x-2027"),
        {MODELS, TABLES},
        YES,
        "served_model gpt-x-2026 gpt-x-2027",
    ),
    "weights of a metric": (
        edit_record(f"results/fingerprints/{'d' * 64}.json", lambda r: r.update(weights="0" * 64)),
        {MODELS},
        YES,
        "weights",
    ),
    "fetched weights": (
        edit_record("resources/weights/some--model@abc.json", lambda r: r["files"].update({"a.safetensors": "0" * 64})),
        {MODELS},
        YES,
        "files.a.safetensors",
    ),
    "a recipe of a metric": (
        edit_record(f"results/fingerprints/{'d' * 64}.json", lambda r: r["recipe"].update(tokens=60)),
        {PARAMETERS},
        YES,
        "recipe.tokens 77 60",
    ),
    "a library of a metric": (
        edit_record(f"results/fingerprints/{'d' * 64}.json", lambda r: r["libraries"].update(torch="2.1")),
        {VERSIONS},
        YES,
        "libraries.torch 2.0 2.1",
    ),
    "an algorithm": (
        edit_record("results/parameters/critique-better.json", lambda r: r.update(algorithm=4)),
        {VERSIONS},
        YES,
        "algorithm 3 4",
    ),
    "a machine": (
        edit_rows(SET, software={"torch": "2.0", "cpu": "another"}),
        {VERSIONS},
        YES,
        "cpu some CPU another and some CPU",
    ),
    # what came out
    "an image": (edit_rows(SET, sha256=sha("x")), {IMAGES}, YES, "1 with other bytes"),
    "an image less": (edit_rows(SET, sha256=None, status="failed"), {IMAGES}, YES, "1 missing in B"),
    "an image set less": (without(SET), {IMAGES}, YES, "3 only in A"),
    "an answer": (
        edit_rows(f"{DEMO}/critiques/better/{SHARD}", critique="Else."),
        {ANSWERS},
        YES,
        "1 to the same request",
    ),
    "another request": (
        edit_rows(f"{DEMO}/critiques/better/{SHARD}", critique="Else.", exchange="9" * 64),
        {ANSWERS},
        YES,
        "such as critique of a-1",
    ),
    "a refusal": (
        edit_rows(f"{DEMO}/decompositions/{SHARD}", status="refused"),
        {ANSWERS},
        YES,
        "1 with another status",
    ),
    "a choice of a judge": (edit_rows(f"{DEMO}/pairs/main/{SHARD}", value=-1.0), {ANSWERS}, YES, "pairs main"),
    "a score": (edit_rows(CLIP, score=lambda row: row["score"] + 3), {SCORES}, YES, "clip_score of sd 1 2"),
    "the last digit of a score": (edit_rows(CLIP, score=1e-12), {SCORES}, YES, "clip_score of sd 1 1.0000000000003"),
    "a score less": (edit_rows(CLIP, score=None, status="failed"), {SCORES}, YES, "1 with another status"),
    "a second mean of a judge": (
        edit_rows(f"{DEMO}/scores/judge-main/{SHARD}", geometric=0.4),
        {SCORES},
        YES,
        "judge-main-geometric of sd",
    ),
    "single answers of a judge": (
        edit_rows(f"{DEMO}/scores/judge-main/{SHARD}", draws=[1.0]),
        {SCORES},
        YES,
        "judge-main of sd",
    ),
    "a metric less": (without(CLIP), {SCORES}, YES, "only one side has them"),
    "a mean": (edit_table(MAIN, BETTER, mean="2.1"), {MEANS, TABLES}, YES, "inside A's 95 % interval"),
    "a mean far away": (edit_table(MAIN, BETTER, mean="2.4"), {MEANS, TABLES}, YES, "outside A's 95 % interval"),
    "a mean of an oracle cell": (
        edit_table(MAIN, {"oracle": "True"}, mean="2.6"),
        {MEANS, TABLES},
        YES,
        "clip_score, better (headline)",
    ),
    "a win rate": (edit_table(MAIN, BETTER, win_rate="0.5"), {WIN_RATES, TABLES}, YES, "clip_score, better 1 0.5"),
    "an order": (edit_table(MAIN, THIRD, mean="1.2"), {RANKINGS, MEANS, TABLES}, BUT, "sd 2 → 3, third 3 → 2"),
    "an order of oracle cells": (
        edit_table(MAIN, {"oracle": "True"}, mean="0.9"),
        {RANKINGS, MEANS, TABLES},
        YES,
        "headline rows",
    ),
    "an order by strength": (
        edit_table(f"{DEMO}/tables/strengths.csv", {"method": "sd"}, strength="0.9"),
        {RANKINGS, TABLES},
        BUT,
        "main, strengths",
    ),
    "an order of people": (
        edit_table(f"{DEMO}/human/main.csv", {"method": "sd"}, mean="4.9"),
        {RANKINGS, MEANS, TABLES},
        BUT,
        "people, headline rows",
    ),
    "a verdict": (
        edit_table(MAIN, BETTER, p_holm="0.2"),
        {VERDICTS, TABLES},
        NO,
        "better (p 0.01) no difference shown (p 0.2)",
    ),
    "another p of the same verdict": (edit_table(MAIN, BETTER, p_holm="0.04"), {TABLES}, YES, ""),
    "the other sign": (
        edit_table(MAIN, BETTER, difference="-1.0"),
        {VERDICTS, TABLES},
        NO,
        "better (p 0.01) worse (p 0.01)",
    ),
    "a p of an oracle cell": (edit_table(MAIN, {"oracle": "True"}, p_holm="0.9"), {TABLES}, YES, ""),
    "a verdict by pairs": (
        edit_table(f"{DEMO}/tables/pairs.csv", {}, p_holm="0.5"),
        {VERDICTS, TABLES},
        NO,
        "main, better against sd",
    ),
    "a verdict of people": (
        edit_table(f"{DEMO}/human/pair_main.csv", {}, p_holm="0.001"),
        {VERDICTS, TABLES},
        NO,
        "people, better against sd",
    ),
    "a verdict on a published number": (
        edit_table(f"{DEMO}/tables/published.csv", {}, verdict="not reproduced"),
        {VERDICTS, TABLES},
        NO,
        "published C sd reproduced not reproduced",
    ),
    "a lead": (edit_table(MAIN, BETTER, leads="False"), {VERDICTS, TABLES}, NO, "clip_score, lead better no sure lead"),
    "a rater's mark": (
        edit_table(f"{DEMO}/human/ratings.csv", {"rater": "Bob"}, rating="1"),
        {TABLES},
        YES,
        "human/ratings.csv",
    ),
    "a rater's name": (edit_table(f"{DEMO}/human/ratings.csv", {"rater": "Bob"}, rater="Bo"), set(), YES, ""),
    "who rated": (edit_table(f"{DEMO}/human/ratings.csv", {"rater": "Bob"}, rater="Ada"), {TABLES}, YES, "1 of 3"),
    "a dropped prompt": (edit_table(f"{DEMO}/dropped.tsv", {}, reason="failed"), {TABLES}, YES, "dropped.tsv"),
    "a table less": (without(f"{DEMO}/tables/cost.csv"), {TABLES}, YES, "only one side has it"),
    "no main table": (
        without(MAIN),
        {VERDICTS, RANKINGS, WIN_RATES, MEANS, TABLES},
        UNKNOWN,
        "It cannot be said: B has no main table of demo",
    ),
    "a table of the whole study": (
        edit_table("results/tables/main.csv", BETTER, mean="2.1"),
        {TABLES},
        YES,
        "tables/main.csv",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_change_is_found_where_it_belongs_and_nowhere_else(study, other, case):
    change, parts, answer, words = CASES[case]
    change(other)
    found = compared(study, other)
    assert {part.name for part in found.parts if part.differences} == parts
    assert found.equal == (not parts)
    assert found.conclusion.answer == answer
    shown = [
        f"{each.item} {each.a} {each.b} {each.note} {each.changed} of {each.compared}" for each in found.differences
    ]
    assert words in " | ".join([found.conclusion.text, *shown])
    back = compared(other, study)
    assert {part.name for part in back.parts if part.differences} == parts
    assert back.conclusion.answer == answer


def test_every_part_has_a_case():
    assert set.union(*(parts for _, parts, _, _ in CASES.values())) == set(PARTS)


def test_everything_is_compared(study, other):
    found = compared(study, other)
    counts = {part.name: part.compared for part in found.parts}
    assert list(counts) == list(PARTS) and min(counts.values()) > 0
    assert (counts[INPUTS], counts[IMAGES], counts[SCORES], counts[TABLES]) == (3, 9, 27, 10)


def test_numbers_of_a_method_are_those_of_its_images(study, other):
    rows = read_rows(other / CLIP)
    for row in rows:
        row["score"] += {"better-k0": 0.5, "better-k2": -0.25}.get(row["image_set"], 0.0)
    write_rows(other / CLIP, rows)
    (found,) = compared(study, other).part(SCORES).differences
    assert (found.item, found.changed, found.compared) == ("clip_score of better", 6, 6)
    assert found.mean == pytest.approx(0.125) and found.largest == 0.5 and "better-k0" in found.note


def test_equal_settings_of_many_records_are_one_difference(study, other):
    for name in ("generate-1", "generate-2"):
        edit_record(f"results/parameters/{name}.json", lambda r: r["generation"].update(steps=30))(other)
    (found,) = compared(study, other).part(PARAMETERS).differences
    assert (found.item, found.a, found.b, found.places) == (
        "generation.steps",
        "28",
        "30",
        ("generate-1", "generate-2"),
    )


def test_tables_older_than_the_scores_are_pointed_out(study, other):
    CASES["a score"][0](other)
    assert any("older than its scores" in hint for hint in compared(study, other).hints)
    edit_table(MAIN, BETTER, mean="2.1")(other)
    assert not any("older than its scores" in hint for hint in compared(study, other).hints)


def test_results_that_differ_for_no_recorded_reason_are_pointed_out(study, other):
    CASES["an image"][0](other)
    assert any(hint.startswith("Nothing that went in differs") for hint in compared(study, other).hints)
    CASES["a parameter"][0](other)
    assert compared(study, other).hints == []


def test_several_scenarios(study, other):
    """What both have is compared; a scenario of one side is named, and the pooled table decides, too."""
    shutil.copytree(study / DEMO, study / "results/mine")
    found = compared(study, other)
    assert [each.item for each in found.part(INPUTS).differences] == ["the whole scenario"]
    assert found.part(IMAGES).differences == [] and "scenario mine (only in A)" in found.conclusion.text
    shutil.copytree(other / DEMO, other / "results/mine")
    for root in (study, other):
        shutil.copy(root / MAIN, root / "results/tables/pooled.csv")
    edit_table("results/tables/pooled.csv", BETTER, p_holm="0.9")(other)
    found = compared(study, other)
    assert [each.scenario for each in found.part(VERDICTS).differences] == ["all scenarios"]
    assert found.conclusion.answer == NO


def test_a_scenario_that_has_prompts_alone_is_none(study, other):
    """As those that the configuration names besides: a start of a run writes their prompts."""
    for name in ("prompts.jsonl", "shards/000-of-001.jsonl"):
        write_rows(other / "results/mine" / name, [{"id": "x", "topic": "x", "prompt": "X."}])
    found = compared(study, other)
    assert found.equal and list(found.b.scenarios) == ["demo"]


def test_nothing_in_common_has_no_answer(study, other):
    for root in (study, other):
        shutil.rmtree(root / DEMO / "tables")
        shutil.rmtree(root / DEMO / "human")
    found = compared(study, other)
    assert found.conclusion.answer == UNKNOWN and "cannot be said" in found.conclusion.text
    (other / DEMO).rename(other / "results/other")
    found = compared(study, other)
    assert found.conclusion.answer == UNKNOWN and len(found.part(INPUTS).differences) == 2


def test_tables_of_earlier_versions_have_no_honest_rows(study, other):
    for root in (study, other):
        rows = [
            {k: v for k, v in row.items() if k not in ("honest", "oracle", "leads")} for row in read_table(root / MAIN)
        ]
        write_table(root / MAIN, rows)
    edit_table(MAIN, {"metric": "clip_score", "method": "third"}, p_holm="0.9")(other)
    assert compared(study, other).conclusion.answer == NO


SIDES = {
    "a capsule": lambda root: capsule_of(root, root.with_name("c.zip")),
    "a capsule with codes for names": lambda root: capsule_of(
        root, root.with_name("c.zip"), {"Ada": "rater-1", "some CPU": "[withheld]"}
    ),
    "an unpacked capsule": lambda root: (
        shutil.unpack_archive(capsule_of(root, root.with_name("c.zip")), root.with_name("unpacked"))
        or root.with_name("unpacked")
    ),
}


@pytest.mark.parametrize("kind", SIDES)
def test_a_capsule_equals_the_folder_that_it_was_made_of(study, kind):
    """Also where it holds words that replace others: it names the digests of the study's own files."""
    capsule = SIDES[kind](study)
    found = compared(capsule, study)
    assert (found.a.kind, found.b.kind) == ("capsule", "folder")
    assert found.equal and found.conclusion.answer == YES and found.part(IMAGES).compared == 9
    assert compared(study, capsule).equal and compared(capsule, capsule).equal
    CASES["a score"][0](study)
    assert [part.name for part in compared(capsule, study).parts if part.differences] == [SCORES]


def test_a_withheld_word_is_no_difference(study):
    """Where something else in its file differs, so that the digest of the study's own file says nothing of it."""
    for file, column in ((CLIP, "reason"), (SET, "software")):
        edit_rows(file, **{column: {"torch": "a secret"} if column == "software" else "on a secret host"})(study)
    edit_table(f"{DEMO}/dropped.tsv", {}, reason="a secret")(study)
    capsule = capsule_of(study, study.with_name("c.zip"), {"a secret": "[withheld]"})
    edit_rows(CLIP, score=lambda row: row["score"] + 1)(study)
    edit_rows(SET, sha256=sha("x"))(study)
    edit_table(f"{DEMO}/dropped.tsv", {}, stage="audit")(study)
    found = compared(capsule, study)
    assert {part.name for part in found.parts if part.differences} == {SCORES, IMAGES, TABLES}
    assert [each.changed for each in found.differences] == [1, 1, 1]
    assert found.differences[-1].note == "not compared, as words are withheld: reason"


def test_the_code_of_two_capsules_is_compared(study, tmp_path):
    one = capsule_of(study, tmp_path / "1.zip", code={"version": "0.1", "commit": "aaa"}, date="2026-01-01")
    two = capsule_of(study, tmp_path / "2.zip", code={"version": "0.1", "commit": "bbb"})
    found = compared(one, two)
    assert [(each.item, each.a, each.b) for each in found.differences] == [("code commit", "aaa", "bbb")]
    assert (found.a.code, found.a.date) == ("0.1 aaa", "2026-01-01")
