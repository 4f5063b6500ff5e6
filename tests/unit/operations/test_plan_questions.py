"""Plan of judges of parts and remarks: known questions are calls of their own, unknown ones are counted by estimate."""

import pytest

from detailscribe.files.rows import write_rows
from detailscribe.llm import exchange_store
from detailscribe.llm.request import Answer
from detailscribe.operations.plan.estimate import Estimate
from detailscribe.operations.plan.llm_stages import DryRunChat
from detailscribe.operations.plan.question_stages import (
    ASSUMED_PARTS,
    ASSUMED_REMARKS,
    add_audit_stage,
    add_part_stage,
)
from detailscribe.operations.plan.shard import PENDING, Shard
from detailscribe.prompts.parts import list_parts
from detailscribe.scores.judges.audit import audit_critiques
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.operations.test_plan import ONE_SHARD, RECORDS, SERVER
from tests.unit.prompts.test_parts import JUDGE
from tests.unit.scores.judges.questioned import image
from tests.unit.study.configured import configured_study

COMPONENTS = ["paw holds pin", "pin presses dough", "dough lies on table"]
TWO = "1. The paw hovers.\n2. The pin has two handles.\n<A fox.>"
WAITING = {"status": PENDING, "reason": ""}


@pytest.fixture
def shard(tmp_path, monkeypatch) -> Shard:
    monkeypatch.chdir(tmp_path)
    judges = {"parts": JUDGE | {"endpoint": "server", "model": "m", "draws": 2}}
    judges["audit"] = JUDGE | {"endpoint": "server", "model": "m", "asks": "remarks", "template": "judge_remark"}
    judges["audit"] |= {"critics": ["detailscribe"], "control": False}
    study = configured_study(study=["demo"], judges=judges, endpoints={"server": SERVER})
    estimate = Estimate(study, stage_parameters(study))
    return Shard(estimate, "demo", ONE_SHARD, RECORDS, {})


def images(tmp_path, *names: str) -> dict:
    return {name: {record["id"]: image(tmp_path, f"{name} {record['id']}") for record in RECORDS} for name in names}


def decompositions(*statuses: str) -> dict:
    return {
        record["id"]: {"id": record["id"], "status": status, "reason": "", "components": COMPONENTS}
        for record, status in zip(RECORDS, statuses, strict=True)
    }


def test_listed_parts_are_calls_whose_requests_are_known(shard, tmp_path):
    known = decompositions("ok", "ok")
    parts = list_parts(RECORDS, known, {"by": "rules"})
    write_rows(shard.folder / "parts" / f"{ONE_SHARD}.jsonl", parts)
    add_part_stage(shard, "parts", known, images(tmp_path, "a", "b"))
    line = shard.line("judge", "parts")
    assert line.reasons == {"new": sum(len(row["parts"]) for row in parts) * 2 * 2}
    assert line.calls == line.reasons.total() and line.cost_usd > 0


@pytest.mark.parametrize(
    ("statuses", "each"), [(("ok", "ok"), (7, 7)), (("ok", PENDING), (7, 7)), (2 * (PENDING,), 2 * (ASSUMED_PARTS,))]
)
def test_parts_that_are_not_listed_yet_are_counted(shard, tmp_path, statuses, each):
    known = decompositions(*statuses)
    count = len(list_parts(RECORDS[:1], decompositions("ok", "ok"), {"by": "rules"})[0]["parts"])
    assert count == 7  # three interactions, and paw, pin, dough, table
    add_part_stage(shard, "parts", known, images(tmp_path, "a", "b"))
    assert shard.line("judge", "parts").reasons == {"estimate": sum(each) * 2 * 2}


def test_a_list_of_another_decomposition_is_not_taken(shard, tmp_path):
    others = {id: row | {"components": ["cat sees dog"]} for id, row in decompositions("ok", "ok").items()}
    write_rows(shard.folder / "parts" / f"{ONE_SHARD}.jsonl", list_parts(RECORDS, others, {"by": "rules"}))
    add_part_stage(shard, "parts", decompositions("ok", "ok"), images(tmp_path, "a"))
    assert shard.line("judge", "parts").reasons == {"estimate": 2 * 7 * 2}


def test_a_refused_decomposition_costs_nothing(shard, tmp_path):
    add_part_stage(shard, "parts", decompositions("refused", "refused"), images(tmp_path, "a"))
    assert not shard.line("judge", "parts").reasons


def critiques(*rows: dict) -> dict:
    return {"detailscribe": {record["id"]: row for record, row in zip(RECORDS, rows, strict=True)}}


def shown(shard, tmp_path) -> dict:
    (audited,) = shard.estimate.parameters["judge-audit"]["audited"]
    return images(tmp_path, audited["before"], *(name for name, _ in audited["after"]))


OK = {"status": "ok", "reason": "", "critique": TWO, "refined_prompt": "A fox."}
NOTHING = OK | {"critique": "It is odd. <A fox.>"}


@pytest.mark.parametrize(
    ("rows", "known", "unknown"),
    [
        ((OK, OK), 4, 0),
        ((OK, WAITING), 2, 2),
        ((WAITING, WAITING), 0, 2 * ASSUMED_REMARKS),
        ((OK, NOTHING), 2, 0),
        ((NOTHING, WAITING), 0, 0),
    ],
)
def test_remarks_are_calls_and_critiques_to_come_are_counted(shard, tmp_path, rows, known, unknown):
    found = shown(shard, tmp_path)
    add_audit_stage(shard, "audit", critiques(*rows), found)
    expected = {"new": known * len(found), "estimate": unknown * len(found)}
    assert shard.line("judge", "audit").reasons == {reason: count for reason, count in expected.items() if count}


def test_an_image_to_come_is_one_unknown_call_per_remark(shard, tmp_path):
    found = shown(shard, tmp_path)
    found["detailscribe-k4"] = {record["id"]: WAITING | {"path": None} for record in RECORDS}
    add_audit_stage(shard, "audit", critiques(OK, OK), found)
    assert shard.line("judge", "audit").reasons == {"new": 4 * (len(found) - 1), "estimate": 4}


def test_recorded_answers_are_not_priced_again(shard, tmp_path):
    found, chat = shown(shard, tmp_path), DryRunChat(shard.estimate)
    role = shard.estimate.parameters["judge-audit"] | {"endpoint": "server"}
    audit_critiques(RECORDS, critiques(OK, OK), found, role, chat, fingerprints=tmp_path / "fingerprints")
    for request in list(chat.unanswered.values())[:3]:
        answer = Answer("ok", text="<yes>", usage={"input_tokens": 9, "output_tokens": 9})
        exchange_store.record_answer(shard.estimate.store, request, answer, SERVER)
    add_audit_stage(shard, "audit", critiques(OK, OK), found)
    assert shard.line("judge", "audit").reasons.total() == 4 * len(found) - 3
