"""Judges of parts and of remarks in a study: their rows and tables, and what is asked again after a change."""

import csv
from collections import Counter

import pytest

from tests.chat_replies import ROLE_OF, read_messages, read_values, reply_by_rule, template_name
from tests.chat_server import ChatServer
from tests.workflow.small_study import PROMPTS, merged, planned
from tests.workflow.test_chat_stages import on

pytestmark = pytest.mark.slow  # several runs of a study each

JUDGE = {
    **{"endpoint": "server", "model": "some-model", "scenario_templates": {}, "scale": "yes_no", "reply": "brackets"},
    **{"options": {}, "draws": 1},
}
JUDGES = {
    "parts": JUDGE | {"asks": "parts", "template": "judge_part"},
    "audit": JUDGE | {"asks": "remarks", "template": "judge_remark", "critics": ["detailscribe"], "control": True},
}
VICTIM = PROMPTS[0][1]
ASKING = ("judge_part", "judge_remark")
SETS = ("original-11", "detailscribe-k0", "detailscribe-k1", "original-12")


class Critic:
    """Answers of a server whose critic names two faults, and others once `changed` for the first prompt."""

    def __init__(self):
        self.changed = False

    def __call__(self, body: dict) -> str:
        system, user, image = read_messages(body)
        name, values = template_name(system), read_values(user)
        if name == "critique_detailscribe":
            fault = "The rope is cut." if self.changed and values["prompt"] == VICTIM else "The tail is missing."
            return f"1. {fault}\n2. The ear is round.\n<{values['prompt']} With a long tail. {fault}>"
        return reply_by_rule(name, ROLE_OF[name], values, image, 0)


@pytest.fixture
def asked(study):
    """A finished study with both judges, its server, and its configuration."""
    with ChatServer(answer=Critic()) as server:
        config = merged(on(server), {"judges": JUDGES})
        study.snakemake(**config)
        yield study, server, config


def questions(server) -> Counter:
    return Counter(call["role"] for call in server.calls if call["role"] in ASKING)


def table(study, name: str) -> list[dict]:
    with open(study.results / "small" / "tables" / f"{name}.csv", encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_rows_tables_and_pages_and_only_what_a_changed_critique_needs_is_asked_again(asked):
    study, server, config = asked
    parts = {row["id"]: row["parts"] for row in study.rows("parts/*.jsonl")}
    scores = study.rows("scores/judge-parts/*.jsonl")
    assert all(parts.values()) and {row["status"] for row in scores} == {"ok"}
    assert {row["id"]: len(row["parts"]) for row in scores} == {id: len(each) for id, each in parts.items()}
    audits = study.rows("audits/audit/*.jsonl")
    keys = {(row["id"], row["image_set"], row["number"]) for row in audits}
    assert keys == {(id, name, number) for id in parts for name in SETS for number in (1, 2)}
    metrics = {row["metric"] for row in table(study, "main")}
    assert {"judge-parts", "judge-parts-geometric"} <= metrics
    assert {row["method"] for row in table(study, "main") if row["metric"] == "judge-parts-geometric"} >= {"sd"}
    lines = {(row["image_set"], row["kind"]) for row in table(study, "parts")}
    assert {(name, kind) for name in SETS for kind in ("all", "interaction", "entity")} <= lines
    audited = {row["image_set"]: row for row in table(study, "critique_audit")}
    assert list(audited) == list(SETS) and audited["original-12"]["when"] == "control"
    page = (study.results / "small" / "report" / "prompts" / f"{next(iter(parts))}.html").read_text(encoding="utf-8")
    assert "Parts before and after" in page and "Remarks, checked by judge audit" in page
    cost = {(row["stage"], row["name"]) for row in table(study, "cost")}
    assert {("judge", "judge-parts"), ("judge", "judge-audit")} <= cost
    assert study.nothing_to_do(**config)

    victim = next(row["id"] for row in study.rows("prompts.jsonl") if row["prompt"] == VICTIM)
    before = {(row["id"], row["image_set"], row["number"]): row for row in audits}
    server.calls.clear()
    server.answer.changed = True
    study.snakemake(**config, refresh={"critique": 1})
    refined = len([name for name in SETS if name.startswith("detailscribe")])
    # The two refined images are new, and have both remarks and all parts; the others have the new remark alone.
    assert questions(server) == {"judge_part": refined * len(parts[victim]), "judge_remark": refined * 2 + 2}
    for row in study.rows("audits/audit/*.jsonl"):
        same = row["id"] != victim or (row["number"] == 2 and row["image_set"].startswith("original"))
        assert (row == before[row["id"], row["image_set"], row["number"]]) == same
    server.calls.clear()
    study.snakemake(**config)
    assert not server.calls  # the earlier answers are kept


def test_parts_that_were_changed_by_hand_are_made_again(asked):
    study, server, config = asked
    files = [study.results / "small" / name / "000-of-001.jsonl" for name in ("parts", "scores/judge-parts")]
    before = [file.read_bytes() for file in files]
    files[0].write_bytes(before[0].replace(b'"entity"', b'"entitx"', 1))
    server.calls.clear()
    output = study.snakemake("verify", **config)
    assert all(f"{file.relative_to(study.folder)}: " in output for file in files)
    study.snakemake(**config)
    assert [file.read_bytes() for file in files] == before and not server.calls
    assert study.nothing_to_do(**config)


def test_a_study_without_critics_ends_although_the_demo_audits_them(study):
    judge = JUDGES["audit"] | {"endpoint": "offline", "model": "offline-stand-in", "critics": [], "demo": True}
    changes = {"critics": {"detailscribe": None, "gpt_refine": None}, "judges": {"audit": judge}}
    jobs = planned(study.snakemake(**changes))
    assert "write_report" in jobs and not {"audit_critiques", "tabulate_audit"} & set(jobs)
    assert not (study.results / "small" / "audits" / "audit").exists()
    assert "0 problems" in study.snakemake("verify", **changes) and study.nothing_to_do(**changes)


def test_an_answer_that_cannot_be_read_is_a_row_and_the_tables_go_on(study):
    def answer(body: dict) -> str:
        system, user, _ = read_messages(body)
        is_odd = ROLE_OF.get(template_name(system)) == "judge_remark" and VICTIM in user
        return "It depends." if is_odd else Critic()(body)

    with ChatServer(answer=answer) as server:
        config = merged(on(server), {"judges": JUDGES})
        study.snakemake(**config)
    victim = next(row["id"] for row in study.rows("prompts.jsonl") if row["prompt"] == VICTIM)
    odd = [row for row in study.rows("audits/audit/*.jsonl") if row["id"] == victim]
    assert {(row["status"], row["value"]) for row in odd} == {("unparsed", None)}
    with open(study.results / "small" / "dropped.tsv", encoding="utf-8", newline="") as file:
        dropped = list(csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE))
    assert {row["stage"] for row in dropped if row["id"] == victim} >= {"audit"}
    line = next(row for row in table(study, "critique_audit") if row["image_set"] == "detailscribe-k0")
    assert (line["remarks"], line["unread"]) == ("8", "2")


def test_a_study_without_such_judges_has_none_of_their_files(study):
    output = study.snakemake("-n", "--forceall")
    jobs = planned(output)
    assert not {"list_parts", "judge_parts", "audit_critiques", "tabulate_parts", "tabulate_audit"} & set(jobs)
    names = {path.stem for path in (study.results / "parameters").glob("*.json")}
    assert not {"parts", "parts_table", "critique_audit", "judge-parts", "judge-audit"} & names
