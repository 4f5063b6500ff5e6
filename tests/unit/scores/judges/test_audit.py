"""Audit of critiques: a question per remark about the image before, those after and those of other seeds."""

import pytest

from detailscribe.scores.judges.audit import audit_critiques, count_questions, parameters
from tests.unit.prompts.test_parts import JUDGE
from tests.unit.scores.judges.questioned import RECORDS, REFUSED, AnsweringChat, image, judge
from tests.unit.study.configured import configured_study

AFTER = [["detailscribe-k0", 0], ["detailscribe-k2", 2]]
AUDITED = [
    {"critic": "detailscribe", "before": "original-1", "after": AFTER, "control": ["other"]},
    {"critic": "ablation", "before": "original-1", "after": [], "control": []},
]
CRITICS = [each["critic"] for each in AUDITED]
TWO = "1. The paw hovers.\n2. The pin has two handles.\n<A beaver rolls dough.>"
THERE, GONE = "I see it. <yes>", "Not any more. <no>"


def critique(text: str | None, status: str = "ok", refined_prompt: str | None = "A beaver rolls dough.") -> dict:
    return {"status": status, "reason": "declined", "critique": text, "refined_prompt": refined_prompt}


def run(tmp_path, critiques, answer=lambda request: THERE, images=None, on_done=None, **changes):
    sets = ("original-1", "detailscribe-k0", "detailscribe-k2", "other")
    shown = images or {
        name: {record["id"]: image(tmp_path, f"{name} {record['id']}") for record in RECORDS} for name in sets
    }
    chat, role = AnsweringChat(answer), judge("judge_remark", audited=AUDITED, **changes)
    every = {critic: critiques.get(critic, {}) for critic in CRITICS}
    rows = audit_critiques(RECORDS, every, shown, role, chat, on_done, "", tmp_path / "fingerprints")
    return rows, chat


def test_each_remark_is_asked_of_every_image(tmp_path):
    answers = {
        ("original-1", "The paw hovers."): THERE,
        ("original-1", "The pin has two handles."): GONE,
        ("detailscribe-k0", "The paw hovers."): GONE,
        ("detailscribe-k0", "The pin has two handles."): THERE,
    }

    def answer(request):
        image_set = request.images[0].stem.partition(" ")[0]
        return answers.get((image_set, request.fields["remark"]), GONE)

    rows, chat = run(tmp_path, {"detailscribe": {"dough-1": critique(TWO)}}, answer)
    asked = [row for row in rows if row["number"]]
    assert [(row["image_set"], row["when"], row["k"], row["number"], row["value"]) for row in asked] == [
        ("original-1", "before", None, 1, 1.0),
        ("original-1", "before", None, 2, 0.0),
        ("detailscribe-k0", "after", 0, 1, 0.0),
        ("detailscribe-k0", "after", 0, 2, 1.0),
        ("detailscribe-k2", "after", 2, 1, 0.0),
        ("detailscribe-k2", "after", 2, 2, 0.0),
        ("other", "control", None, 1, 0.0),
        ("other", "control", None, 2, 0.0),
    ]
    assert {row["remark"] for row in asked} == {"The paw hovers.", "The pin has two handles."}
    assert all(row["critic"] == "detailscribe" and row["id"] == "dough-1" for row in asked)
    assert all(row["status"] == "ok" and len(row["exchange"]) == 1 and row["fingerprint"] for row in asked)
    assert all(request.role == "judge_remark" and request.images_first for request in chat.asked)
    assert chat.asked[0].messages[-1]["content"].endswith("Fault: The paw hovers.")


@pytest.mark.parametrize(
    ("given", "status", "reason"),
    [
        (None, "skipped", "there is no critique"),
        (critique(None, "refused", None), "skipped", "the critique is refused: declined"),
        (critique("All good.", "nothing_to_correct"), "nothing_to_correct", ""),
        (critique("It looks odd. <A beaver rolls dough.>"), "ok", "the critique names no fault by number"),
        (critique("A beaver rolls dough."), "ok", "the critique names no fault by number"),
    ],
)
def test_a_critique_without_remarks_has_one_row(tmp_path, given, status, reason):
    critiques = {"detailscribe": {"dough-1": given} if given else {}}
    rows, chat = run(tmp_path, critiques)
    own = [row for row in rows if (row["id"], row["critic"]) == ("dough-1", "detailscribe")]
    assert [(row["image_set"], row["number"], row["status"], row["reason"]) for row in own] == [
        ("original-1", 0, status, reason)
    ]
    assert own[0]["value"] is own[0]["remark"] is None and not chat.asked


def test_every_prompt_and_critic_has_a_row(tmp_path):
    rows, _ = run(tmp_path, {"detailscribe": {"dough-1": critique(TWO)}})
    assert {(row["id"], row["critic"]) for row in rows} == {
        (record["id"], critic) for record in RECORDS for critic in CRITICS
    }
    keys = [(row["id"], row["critic"], row["image_set"], row["number"]) for row in rows]
    assert len(set(keys)) == len(keys)


@pytest.mark.parametrize(("reply", "status"), [("Who knows?", "unparsed"), (REFUSED, "refused"), (None, "failed")])
def test_an_answer_that_cannot_be_read_has_no_value(tmp_path, reply, status):
    rows, _ = run(tmp_path, {"detailscribe": {"dough-1": critique(TWO)}}, lambda request: reply)
    asked = [row for row in rows if row["number"]]
    assert {(row["value"], row["status"]) for row in asked} == {(None, status)} and all(row["reason"] for row in asked)


def test_an_image_that_is_not_there_is_skipped_and_counted(tmp_path):
    there = {"dough-1": image(tmp_path, "before")}
    images = {"original-1": there, "detailscribe-k0": {}, "detailscribe-k2": there, "other": there}
    done, critiques = [], {"detailscribe": {"dough-1": critique(TWO)}, "ablation": {}}
    rows, _ = run(tmp_path, critiques, images=images, on_done=lambda: done.append(1), draws=2)
    skipped = [row for row in rows if row["number"] and row["status"] == "skipped"]
    assert [(row["image_set"], row["reason"]) for row in skipped] == 2 * [("detailscribe-k0", "there is no image")]
    role = judge("judge_remark", audited=AUDITED, draws=2)
    assert len(done) == count_questions(RECORDS, critiques, role) == 2 * 2 * 4


def test_draws_are_averaged(tmp_path):
    answers = [THERE, GONE, "?"]
    rows, _ = run(tmp_path, {"ablation": {"saw-2": critique(TWO)}}, lambda request: answers[request.draw], draws=3)
    asked = [row for row in rows if row["number"]]
    assert [(row["value"], row["draws"]) for row in asked] == 2 * [(0.5, [1.0, 0.0, None])]


def test_the_audited_images_are_parameters_and_other_seeds_are_a_choice():
    entry = JUDGE | {"asks": "remarks", "template": "judge_remark"}
    study = configured_study(
        seeds=[1, 2, 3], judges={"audit": entry | {"control": False}, "sure": entry | {"control": True}}
    )
    files = parameters(study)
    plain, sure = ({each["critic"]: each for each in files[f"judge-{name}"]["audited"]} for name in ("audit", "sure"))
    assert list(plain) == list(study.config["critics"])
    after = [[f"detailscribe-k{k}", k] for k in (0, 1, 2, 4)]
    assert plain["detailscribe"] == {"critic": "detailscribe", "before": "original-1", "after": after, "control": []}
    assert sure["detailscribe"]["control"] == ["original-2", "original-3"]
    assert plain["gpt_refine"]["after"] == [["gpt_refine", None]]
    only = configured_study(judges={"audit": entry | {"critics": ["ablation"]}})
    assert [each["critic"] for each in parameters(only)["judge-audit"]["audited"]] == ["ablation"]
