"""Hosted models over real HTTP: refusals become rows, answers are paid for once, exchanges replay without a server."""

import csv

import pytest

from detailscribe.files.rows import read_rows
from tests.chat_replies import chat_body
from tests.chat_server import ChatServer
from tests.sample_images import smooth_image
from tests.workflow.small_study import PROMPTS, TABLE, merged

pytestmark = pytest.mark.slow  # several runs of a study each

VICTIM = PROMPTS[0][1]
ROLES = ["decompose", "critique", "refine", "rewrite"]
# Effect of a refusal of each role: stage, image sets of the rows that name it, and image sets that it leaves out.
REFUSALS = {
    "decompose": ("decompose", {""}, {"detailscribe-k0", "detailscribe-k1"}),
    "critique": ("critique", {"detailscribe"}, {"detailscribe-k0", "detailscribe-k1"}),
    "refine": ("critique", {"gpt_refine"}, {"gpt_refine"}),
    "rewrite": ("rewrite", {"gpt_rewrite"}, {"gpt_rewrite"}),
    "image": ("external", {"hosted"}, {"hosted"}),
    "judge": ("score", None, set()),
}


def on(server: ChatServer, **changes) -> dict:
    """Config changes that point every role at a server."""
    role = {"endpoint": "server", "model": "some-model"}
    hosted = {
        "endpoints": {"server": server.endpoint()},
        "roles": dict.fromkeys(ROLES, role),
        "external": {"hosted": role},
        "judges": {"main": role},
    }
    return merged(hosted, changes)


def dropped(study) -> list[dict]:
    """Rows of dropped.tsv."""
    with open(study.results / "small" / "dropped.tsv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))


def test_a_refusal_is_a_row_and_every_other_prompt_goes_on(study):
    prompts = [*PROMPTS, ("sweep step", "A hen sweeps a step."), ("drop nut", "A crow drops a nut on a road.")]
    texts = {role: prompt for role, (_, prompt) in zip(REFUSALS, prompts, strict=True)}
    study.prompts(prompts)
    with ChatServer(refuse=lambda role, prompt: role in texts and texts[role] in prompt) as server:
        study.snakemake(**on(server))
    ids = {row["prompt"]: row["id"] for row in study.rows("prompts.jsonl")}
    lost = dropped(study)
    assert {row["id"] for row in lost} == {ids[text] for text in texts.values()}
    assert all(row["reason"] for row in lost)
    for role, text in texts.items():
        stage, image_sets, left_out = REFUSALS[role]
        rows = [row for row in lost if row["id"] == ids[text]]
        roots = [row for row in rows if row["status"] == "refused"]
        assert roots and {row["stage"] for row in roots} == {stage}
        if image_sets:
            assert {row["image_set"] for row in roots} == image_sets
        missing = {row["image_set"] for row in rows if row["stage"] in ("generate", "refine", "external")}
        assert missing == left_out
    complete = {row["id"] for row in study.rows("dictionary.jsonl")}
    assert set(ids.values()) - complete == {ids[text] for role, text in texts.items() if REFUSALS[role][2]}
    scores = study.rows("scores/*/*.jsonl")
    assert all((row["score"] is None) == (row["status"] != "ok") for row in scores)


def test_what_was_answered_is_never_asked_again_and_replays_with_the_server_off(study):
    with ChatServer() as server:
        config = on(server)
        study.snakemake(**config)
        asked = len(server.calls)
        assert asked
        for path in (study.results / "small").glob("critiques/*/*.jsonl"):
            path.unlink()
        study.snakemake(**config)
        assert len(server.calls) == asked
    table, images = study.table(), study.images()
    stages = {path: path.read_bytes() for path in sorted((study.results / "small").glob("[dcrs]*/**/*.jsonl"))}
    for path in [*stages, study.folder / TABLE]:
        path.unlink()
    study.forked = False  # processes with other hash seeds, and so other orders of sets
    study.snakemake(**merged(config, {"exchanges": "replay"}))
    assert {path: path.read_bytes() for path in stages} == stages
    assert study.table() == table
    assert study.images() == images


def test_replay_names_a_missing_exchange_and_what_to_do(study):
    exchange = study.rows("decompositions/*.jsonl")[0]["exchange"]
    next((study.folder / "resources" / "exchanges").rglob(f"{exchange}.json")).unlink()
    for path in (study.results / "small" / "decompositions").glob("*.jsonl"):
        path.unlink()
    output = study.snakemake("small_decompose", expect=1, exchanges="replay")
    assert exchange[:8] in output and "live" in output


def test_an_endpoint_that_fails_stops_the_run_and_keeps_what_was_answered(fresh):
    with ChatServer(fault=lambda role, prompt: 503 if VICTIM in prompt else None) as server:
        output = fresh.snakemake("small_decompose", expect=1, **on(server))
        assert "server" in next(line for line in output.splitlines() if line.startswith("decompose_prompts:"))
        answered = len(server.prompts_of("decompose"))
    with ChatServer() as server:
        fresh.snakemake("small_decompose", **on(server))
        assert len(server.prompts_of("decompose")) < answered
    assert len(fresh.rows("decompositions/*.jsonl")) == len(PROMPTS)


def test_a_failed_call_is_tried_again_when_asked_for_and_not_before(study):
    with ChatServer(fault=lambda role, prompt: "blank" if role == "rewrite" and VICTIM in prompt else None) as server:
        config = on(server)
        study.snakemake("small_generate", **config)
        assert [row["status"] for row in study.rows("rewrites/*/*.jsonl")].count("failed") == 1
        server.fault, asked = None, len(server.calls)
        study.snakemake("small_generate", **config)
        assert len(server.calls) == asked
        study.snakemake("retry", **config)
        study.snakemake("small_generate", **config)
        assert len(server.calls) == asked + 1
    assert {row["status"] for row in study.rows("images/gpt_rewrite/*.jsonl")} == {"ok"}


def test_replies_that_could_not_be_read_are_counted_and_asked_for_again_on_request(fresh):
    with ChatServer(fault=lambda role, prompt: chat_body("No brackets.") if VICTIM in prompt else None) as server:
        config = on(server)
        output = fresh.snakemake("small_decompose", **config)
        assert (
            f"decompose_prompts: {len(PROMPTS)} rows asked: {len(PROMPTS) - 1} ok, 1 unparsed; the reasons are in"
            in output
        )
        server.fault, asked = None, len(server.calls)
        fresh.snakemake("retry", **config)
        assert "rows asked" not in fresh.snakemake("small_decompose", **config) and len(server.calls) == asked
        fresh.snakemake("retry", retry_statuses=["unparsed"], **config)
        fresh.snakemake("small_decompose", **config)
        assert len(server.calls) == asked + 1
    assert {row["status"] for row in fresh.rows("decompositions/*.jsonl")} == {"ok"}


def test_unreadable_replies_are_rows_without_an_invented_score(study):
    with ChatServer(answer=lambda body: "I would rather not say.") as server:
        study.snakemake(**on(server))
    assert {row["status"] for row in study.rows("decompositions/*.jsonl")} == {"unparsed"}
    assert {row["score"] for row in study.rows("scores/judge-main/*.jsonl")} == {None}
    assert {row["id"] for row in dropped(study)} == {row["id"] for row in study.rows("prompts.jsonl")}


def test_prompts_are_written_from_topics_and_become_a_scenario(fresh):
    (fresh.folder / "topics.txt").write_text("# two\npeel apple\nrow boat\n")
    fresh.snakemake(
        "mine_decompose",
        topics={"mine": {"file": "topics.txt", "kind": "functional"}},
        scenarios={"mine": "resources/written/mine.jsonl"},
    )
    prompts = read_rows(fresh.results / "mine" / "prompts.jsonl")
    assert {row["topic"] for row in prompts} == {"peel apple", "row boat"}
    assert len(read_rows(fresh.results / "mine" / "decompositions" / "000-of-001.jsonl")) == 2


def test_the_writing_of_prompts_is_in_the_cost_of_their_scenario(fresh):
    (fresh.folder / "topics.txt").write_text("peel apple\nrow boat\n")
    config = {
        "topics": {"mine": {"file": "topics.txt", "kind": "functional"}},
        "scenarios": {"mine": "resources/written/mine.jsonl"},
    }
    fresh.snakemake("results/mine/tables/cost.csv", **config)
    rows = list(csv.DictReader((fresh.results / "mine" / "tables" / "cost.csv").read_text().splitlines()))
    [written] = [row for row in rows if row["stage"] == "write"]
    assert written["name"] == "mine" and int(written["calls"]) >= 2
    (fresh.folder / "resources" / "written" / "mine.exchanges.txt").unlink()  # of prompts that came without it
    fresh.snakemake("results/mine/tables/cost.csv", "--force", **config)
    assert "write,mine" not in (fresh.results / "mine" / "tables" / "cost.csv").read_text()


def test_imported_images_are_an_image_set_and_a_gap_is_named(study, tmp_path):
    folder = tmp_path / "elsewhere"
    folder.mkdir()
    ids = [row["id"] for row in study.rows("prompts.jsonl")]
    for number, id in enumerate(ids[1:]):
        smooth_image(40, 30, seed=number).save(folder / f"{id}.png")
    config = {"external": {"elsewhere": {"folder": str(folder)}}}
    study.snakemake(**config)
    assert [(row["id"], row["stage"], row["image_set"]) for row in dropped(study)][0] == (
        ids[0],
        "external",
        "elsewhere",
    )
    smooth_image(40, 30, seed=98).save(folder / f"{ids[0]}.png")
    study.snakemake(**config)
    assert dropped(study) == []
    assert len(study.rows("dictionary.jsonl")) == len(PROMPTS)
    before = {row["id"]: row["sha256"] for row in study.rows("images/elsewhere/*.jsonl")}
    smooth_image(40, 30, seed=99).save(folder / f"{ids[0]}.png")  # in place
    study.snakemake("small_external", **config)
    after = {row["id"]: row["sha256"] for row in study.rows("images/elsewhere/*.jsonl")}
    assert [id for id in ids if before[id] != after[id]] == [ids[0]]
