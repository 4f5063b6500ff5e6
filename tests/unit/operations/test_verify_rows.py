"""Verification of rows: one digit changed in a score, its ledger or a reply, and what earlier versions left."""

import hashlib
import json

import pytest

from detailscribe.files.atomic import write_text
from detailscribe.files.ledger import Ledger, write_ledger
from detailscribe.files.output_records import forget_outputs, record_outputs, recorded_sha256
from detailscribe.files.rows import write_rows
from detailscribe.images.seconds import LEDGERS, seconds_of
from detailscribe.llm.exchange_store import exchange_path, record_answer
from detailscribe.llm.request import Answer, Request
from detailscribe.operations.outputs import remove_damaged_outputs
from detailscribe.operations.retry import remove_for_retry
from detailscribe.operations.verify import verify_study
from detailscribe.operations.verify_outputs import verify_outputs

KEYS = {id: hashlib.sha256(id.encode()).hexdigest() for id in "ab"}


@pytest.fixture
def ledgers(tmp_path):
    """Scores of two prompts in an output and its ledger, as a job leaves them: output, ledger, rows."""
    output = tmp_path / "results" / "s" / "scores" / "clip" / "000-of-001.jsonl"
    ledger = tmp_path / "results" / "s" / "ledgers" / "scores" / "clip" / "000-of-001.jsonl"
    rows = [
        {"id": id, "image_set": "o1", "score": 1.5, "status": "ok", "reason": "", "fingerprint": "f", "key": KEYS[id]}
        for id in "ab"
    ]
    write_rows(output, [*rows, rows[0] | {"image_set": "o2"}, rows[1] | {"image_set": "o2"}])
    write_ledger(ledger, rows)
    record_outputs(tmp_path / "results", [output])
    return output, ledger, rows


def edit(path, old, new):
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new, 1))


def older(path):
    """A ledger as earlier versions wrote it."""
    write_rows(path, Ledger(path).rows())


@pytest.mark.parametrize(
    ("recorded", "checked", "edited", "gone"),
    [
        (True, True, "output", {"output"}),
        (True, True, "ledger", set()),  # restored from the output
        (True, False, "ledger", set()),
        (False, True, "output", {"output"}),
        (False, True, "ledger", {"row"}),
        (False, False, "ledger", {"output", "row"}),
        (False, False, "output", {"output", "row"}),
        (True, False, "output", {"output"}),
    ],
)
def test_one_digit_of_a_score_is_found_in_output_and_ledger(ledgers, tmp_path, recorded, checked, edited, gone):
    output, ledger, rows = ledgers
    if not recorded:
        forget_outputs(tmp_path / "results", [output])
    if not checked:
        older(ledger)
    edit({"output": output, "ledger": ledger}[edited], "1.5", "4.5")
    *problems, _ = verify_study(tmp_path / "results", tmp_path / "resources", ["s"])
    assert any(str({"output": output, "ledger": ledger}[edited]) in problem for problem in problems)
    assert output.exists() is ("output" not in gone)
    kept = sorted(Ledger(ledger).rows(), key=lambda row: row["id"])
    assert kept == ([rows[1]] if "row" in gone else rows) and not Ledger(ledger).unchecked()
    assert "0 problems" in verify_study(tmp_path / "results", tmp_path / "resources", ["s"])[-1]


def test_seconds_whose_digit_was_changed_are_unknown_from_then_on(tmp_path):
    row = {"id": "a", "key": KEYS["a"], "seconds": 1.5, "steps": 28, "images": 1, "processor": "card", "first": False}
    ledger = tmp_path / "results" / "s" / LEDGERS / "o1" / "000-of-001.jsonl"
    write_ledger(ledger, [row, row | {"id": "b"}])
    edit(ledger, "1.5", "4.5")
    *problems, _ = verify_study(tmp_path / "results", tmp_path / "resources", ["s"])
    assert problems == [f"{ledger}: 1 changed rows; removed, their seconds are unknown from now on"]
    assert list(seconds_of(tmp_path / "results" / "s", "o1")) == [("b", KEYS["a"])]
    assert "0 problems" in verify_study(tmp_path / "results", tmp_path / "resources", ["s"])[-1]


def test_what_earlier_versions_left_is_recorded_at_the_first_look_and_checked_from_then_on(ledgers, tmp_path):
    output, ledger, rows = ledgers
    results, resources = tmp_path / "results", tmp_path / "resources"
    forget_outputs(results, [output])
    older(ledger)
    request = Request("critique", "here", "m", [{"role": "user", "content": "?"}])
    reply = record_answer(resources / "exchanges", request, Answer("ok", text="<4>", served_model="m"), {})
    exchange = exchange_path(resources / "exchanges", reply.digest)
    content = json.loads(exchange.read_text())
    del content["check"]
    exchange.write_text(json.dumps(content))
    seen, counts = verify_study(results, resources, ["s"])
    assert seen.startswith("1 files, 2 rows of ledgers, 1 exchanges of an earlier version had no digest")
    assert "0 problems" in counts and Ledger(ledger).rows() == rows
    assert len(verify_study(results, resources, ["s"])) == 1
    edit(output, "1.5", "4.5")
    edit(exchange, "<4>", "<5>")
    ledger.write_text(ledger.read_text().replace("1.5", "4.5"))
    problems = verify_study(results, resources, ["s"])
    assert problems[-1].endswith("3 problems; run again to remake them")
    assert not output.exists() and not exchange.exists() and Ledger(ledger).rows() == []


@pytest.mark.parametrize("value", ["Infinity", "NaN", "1e999"])
def test_a_score_that_is_no_number_is_removed(ledgers, tmp_path, value):
    output, *_ = ledgers
    edit(output, "1.5", value)
    forget_outputs(tmp_path / "results", [output])
    [message] = remove_damaged_outputs(tmp_path / "results", "s")
    assert "line 1" in message and not output.exists()


def test_sheets_that_raters_filled_in_and_prompts_are_left(tmp_path):
    results = tmp_path / "results"
    files = [results / "s" / "human" / "sheets" / "one.xlsx", results / "s" / "prompts.jsonl"]
    for file in files:
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("written")
        record_outputs(results, [file])
        file.write_text("filled in")
    assert verify_outputs(results) == (0, [])


# Files that no target asks for, and what is made from them: the only reason why a run makes them again.
UNASKED = {"noun_phrases": "tables/truncation.csv", "parts": "scores/judge-b/000-of-002.jsonl"}
KEPT = ["tables/main.csv", "scores/judge-a/000-of-002.jsonl", "scores/judge-b/001-of-002.jsonl"]
# How one of them is lost: what is written into it, and what finds it.
LOSSES = {
    "changed by hand": ('{"id": "a", "status": "ok", "reason": "", "more": 1}\n', verify_outputs),
    "damaged": ("{cut", lambda results: (1, remove_damaged_outputs(results, "s"))),
    "failed": (
        '{"id": "a", "status": "failed", "reason": "too long"}\n',
        lambda results: (1, remove_for_retry(results, ["s"])[:-1]),
    ),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("folder", UNASKED)
def test_a_lost_file_that_no_target_asks_for_takes_what_was_made_from_it_along(tmp_path, folder, loss):
    results = tmp_path / "results"
    output, made = results / "s" / folder / "000-of-002.jsonl", results / "s" / UNASKED[folder]
    other = results / "s" / next(name for name in UNASKED.values() if name != UNASKED[folder])
    for shard in ("000-of-002", "001-of-002"):
        write_rows(results / "s" / "shards" / f"{shard}.jsonl", [{"id": "a"}])
        write_rows(results / "s" / folder / f"{shard}.jsonl", [{"id": "a", "status": "ok", "reason": ""}])
        for judge, parts in (("a", {}), ("b", {"parts": []})):
            row = {"id": "a", "image_set": "o", "status": "ok", "reason": "", "exchange": [], "score": 1.0} | parts
            write_rows(results / "s" / "scores" / f"judge-{judge}" / f"{shard}.jsonl", [row])
    kept = [*(results / "s" / name for name in KEPT), other]
    for table in ("truncation", "main"):
        write_text(results / "s" / "tables" / f"{table}.csv", "id\n")
    record_outputs(results, [output, made, *kept])
    text, find = LOSSES[loss]
    output.write_text(text)
    _, problems = find(results)
    assert not output.exists() and not made.exists() and all(path.exists() for path in kept)
    assert [problem.partition(": ")[0] for problem in problems] == [str(output), str(made)]
    assert recorded_sha256(results, made) is None


def test_what_was_made_from_a_lost_file_and_changed_by_hand_is_kept_aside(tmp_path):
    results = tmp_path / "results"
    phrases, table = results / "s/noun_phrases/000-of-001.jsonl", results / "s/tables/truncation.csv"
    for file in (phrases, table):
        write_text(file, "{}\n")
    record_outputs(results, [phrases, table])
    for file in (phrases, table):
        file.write_text("[]\n")
    verify_outputs(results)
    assert not phrases.exists() and not table.exists()
    assert [(results / "changed" / path.relative_to(results)).read_text() for path in (phrases, table)] == ["[]\n"] * 2
