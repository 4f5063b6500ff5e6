"""Inputs of the report."""

from detailscribe.llm.exchange_store import record_answer
from detailscribe.llm.request import Answer, Request
from detailscribe.report.inputs import read_judge_replies, read_unread_replies
from detailscribe.report.provenance import (
    git_commit,
    public_config,
    recorded_machines,
    recorded_versions,
    run_times,
)


def test_run_times_add_up_the_jobs_of_a_rule(tmp_path):
    for shard, seconds in (("a", 1.5), ("b", 2.0)):
        path = tmp_path / "generate" / "mine" / f"{shard}.tsv"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"s\th:m:s\n{seconds}\t0:00:01\n")
    assert run_times(tmp_path, ["mine"]) == [{"rule": "generate", "jobs": 2, "seconds": 3.5}]
    assert run_times(tmp_path, ["other"]) == []


def test_a_judge_reply_that_the_store_lacks_is_left_out(tmp_path):
    rows = {("a", "o1"): {"exchange": ["0" * 64]}, ("b", "o1"): {"exchange": [None]}}
    assert read_judge_replies({"judge-main": rows}, tmp_path) == {}


def test_whole_replies_are_read_of_rows_that_are_not_ok(tmp_path):
    text = "A long answer without brackets. " * 99
    request = Request("decompose", "mine", "m", [{"role": "user", "content": "x"}])
    digest = record_answer(tmp_path, request, Answer("ok", "", text), {}).digest
    unread = {"a": {"status": "unparsed", "exchange": digest}, "b": {"status": "failed", "exchange": None}}
    rows = {"decompose": unread | {"c": {"status": "ok", "exchange": digest}}, "gpt_rewrite": {}}
    assert read_unread_replies(rows, tmp_path) == {"decompose": {"a": text}}


def test_the_configuration_is_shown_without_credentials():
    text = public_config(
        {"endpoints": {"mine": {"base_url": "https://me:secret@host.example/v1", "key_env": "MY_KEY"}}}
    )
    assert "secret" not in text and "https://host.example/v1" in text and "MY_KEY" in text


def test_a_folder_without_git_has_no_commit(tmp_path):
    assert git_commit(tmp_path) == ""


def test_all_library_versions_of_the_images_are_named():
    rows = [{"software": {"torch": "2.1"}}, {"software": {"torch": "2.0", "source": "a folder"}}, {}]
    assert recorded_versions(rows) == {"torch": "2.0 and 2.1"}


def test_images_are_counted_by_the_machine_that_made_them():
    card = {"torch": "2.1", "gpu": "Card A", "compute_capability": "9.0", "driver": "580.1", "cuda": "13.0"}
    older, imported = {"software": {"torch": "2.0"}}, {"software": {"source": "a folder"}}
    rows = [{"software": card}, older, imported, {"software": card}, {"software": None}, {"status": "failed"}]
    assert recorded_machines(rows) == {
        "Card A, compute capability 9.0, driver 580.1, CUDA 13.0": 2,
        "a machine that was not recorded": 1,
    }
    assert recorded_versions(rows) == {"torch": "2.0 and 2.1"}
    processor = {"software": {"torch": "2.1", "cpu": "Model 7", "cpu_threads": "1", "cpu_capability": "AVX2"}}
    assert recorded_machines([processor]) == {"Model 7, 1 thread, CPU instructions AVX2": 1}
