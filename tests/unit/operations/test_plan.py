"""Plan of a study: work by stage and reason, calls priced, GPU time from measured or configured speed."""

import asyncio
import json
from pathlib import Path

import pytest

from detailscribe.files.ledger import Ledger
from detailscribe.files.rows import write_rows
from detailscribe.llm import exchange_store
from detailscribe.llm.prices import estimate_input_tokens
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.spending.bounds import call_bound
from detailscribe.llm.spending.budget import Budget
from detailscribe.methods.decompose import decompose
from detailscribe.operations.plan.ceiling import budget_sentence, spent_sentence
from detailscribe.operations.plan.estimate import Estimate, Line
from detailscribe.operations.plan.llm_stages import DryRunChat
from detailscribe.operations.plan.report import plan_report
from detailscribe.operations.plan.study_plan import plan_study
from detailscribe.workflow.parameters import stage_parameters
from tests.unit.llm.served_helpers import ENDPOINT as SERVED
from tests.unit.study.configured import configured_study

SERVER = {
    **{"kind": "openai", "base_url": "http://127.0.0.1:9/v1", "key_env": "", "in_flight": 1, "timeout_s": 1},
    **{"max_retries": 0, "input_usd_per_million": 2.0, "output_usd_per_million": 8.0},
}
RECORDS = [{"id": f"fox-{n}", "topic": "fox", "prompt": f"A fox {n}."} for n in "ab"]
ONE_SHARD = "000-of-001"


class Planned:
    """A study of one shard in the working directory, with decompositions at a priced endpoint."""

    def __init__(self, folder: Path):
        self.folder = folder / "results" / "demo"
        self.study = configured_study(
            study=["demo"],
            shards=1,
            scenarios={"demo": {"file": "config/prompts/demo.jsonl", "shards": 1}},
            endpoints={"server": SERVER},
            roles={"decompose": {"endpoint": "server", "model": "m"}},
            plan={"step_s": 3600, "score_s": 60, "output_tokens": 50},
            budget_usd=1,
        )
        self.parameters = stage_parameters(self.study)
        for name, values in self.parameters.items():
            path = folder / "results" / "parameters" / f"{name}.json"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(json.dumps(values))
        (folder / "resources" / "miniature" / "sd3").mkdir(parents=True)  # the identity of no weights
        write_rows(self.folder / "shards" / f"{ONE_SHARD}.jsonl", RECORDS)

    def lines(self) -> dict[tuple[str, str], Line]:
        """Lines with work, by stage and name."""
        plan = plan_study(self.study, self.parameters)
        return {(line.stage, line.name): line for line in plan.lines if line.reasons}

    def requests(self) -> list[Request]:
        """The requests that decompose would send."""
        chat = DryRunChat(Estimate(self.study, self.parameters))
        decompose(RECORDS, self.parameters["decompose"] | {"endpoint": "server"}, chat)
        return list(chat.unanswered.values())


@pytest.fixture
def planned(tmp_path, monkeypatch) -> Planned:
    monkeypatch.chdir(tmp_path)
    return Planned(tmp_path)


def test_a_new_study_is_all_new_or_estimated(planned):
    lines = planned.lines()
    calls, seed = lines["decompose", ""], planned.study.originals()[0]
    assert (calls.reasons, calls.calls, calls.output_tokens) == ({"new": 2}, 2, 100)
    assert calls.cost_usd == pytest.approx((calls.input_tokens * 2 + 100 * 8) / 1e6)
    steps = planned.study.config["generation"]["steps"]
    assert (lines["generate", seed].reasons, lines["generate", seed].gpu_s) == ({"new": 2}, 2 * steps * 3600)
    assert lines["critique", "detailscribe"].reasons == {"estimate": 2}
    assert lines["refine", "detailscribe"].reasons == {"estimate": 2 * len(planned.study.candidates("detailscribe"))}
    images = 2 * len(planned.study.image_sets())
    assert lines["score", "clip_score"].reasons == {"estimate": images}
    assert lines["score", "clip_score"].gpu_s == images * 60
    draws = planned.study.config["judges"]["main"]["draws"]
    assert lines["judge", "main"].reasons == {"estimate": images * draws}


def test_recorded_answers_are_not_requested_again_and_lost_ones_are(planned):
    answer = Answer("ok", text="<(concept: x) = (a) + (b)>", usage={"input_tokens": 9, "output_tokens": 9})
    store = Path("resources/exchanges")
    reply = exchange_store.record_answer(store, planned.requests()[0], answer, SERVER)
    write_rows(planned.folder / "decompositions" / f"{ONE_SHARD}.jsonl", [{"id": "fox-a", "exchange": reply.digest}])
    line = planned.lines()["decompose", ""]
    assert (line.reasons, line.input_tokens) == ({"new": 1}, estimate_input_tokens(planned.requests()[0]))
    exchange_store.exchange_path(store, reply.digest).unlink()
    assert planned.lines()["decompose", ""].reasons == {"missing file": 1, "new": 1}


def test_an_edited_prompt_and_changed_parameters_are_told_from_new_work(planned):
    rows = [{"id": "fox-a", "exchange": "0" * 64}, {"id": "fox-z", "exchange": "1" * 64}]
    write_rows(planned.folder / "decompositions" / f"{ONE_SHARD}.jsonl", rows)
    assert planned.lines()["decompose", ""].reasons == {"changed parameter": 1, "changed prompt": 1}
    image_set = planned.study.originals()[0]
    ledger = Ledger(planned.folder / "ledgers" / "images" / image_set / f"{ONE_SHARD}.jsonl")
    ledger.add({"id": "fox-a", "key": "old", "file": "x", "prompt": "A fox a."})
    assert planned.lines()["generate", image_set].reasons == {"changed parameter": 1, "changed prompt": 1}


def test_the_report_has_a_total_the_meaning_of_its_marks_and_the_budget(planned):
    lines = plan_report(plan_study(planned.study, planned.parameters))
    assert lines[0].split()[:3] == ["scenario", "stage", "name"]
    [total] = [line for line in lines if line.startswith("total")]
    assert "0.00" in total
    assert "An estimate depends on outputs that do not exist yet; plan again when they do." in lines
    assert lines[-2] == "Spent so far: 0.0000 dollars."
    assert lines[-1].startswith("Budget: 1 dollars, an estimate for decompose: nothing limits what these calls write")
    assert "at most" not in "".join(lines), "without a limit nothing is certain"


def test_the_report_states_the_bound_of_the_calls_and_what_may_be_spent(planned):
    limited = {**SERVER, "max_output_tokens": 100}
    planned.study.config["endpoints"]["server"] = limited
    requests, store = planned.requests(), Path("resources/exchanges")
    bound = sum(call_bound(request, limited).amount_usd for request in requests)
    lines = plan_report(plan_study(planned.study, planned.parameters))
    assert [line for line in lines if f"2 calls with known requests and `max_tokens` cost at most {bound:.4f}" in line]
    assert lines[-1].startswith("Budget: 1 dollars, a ceiling: each call reserves the most it can cost")
    with Budget(store, 1.0) as budget:
        timed_out = asyncio.run(budget.reserve(requests[0], limited))
        budget.settle(timed_out, requests[0], None, limited, unknown=True)
        asyncio.run(budget.reserve(requests[1], limited))  # in flight to the end
    assert spent_sentence(store) == (
        f"Spent so far: {bound:.4f} dollars, {bound:.4f} of them the most that 2 calls can have cost whose cost no "
        "server has reported."
    )


def test_a_mark_alone_counts_with_few_output_tokens_and_is_limited(tmp_path, monkeypatch):
    """A judge that reads probabilities asks for a mark alone, whatever other judges of its model write."""
    monkeypatch.chdir(tmp_path)
    judge = {"endpoint": "server", "model": "m", "reading": "expected"}
    for reading, tokens, said in (("expected", 16, "a ceiling"), ("sampled", 300, "an estimate for judge main")):
        study = configured_study(
            endpoints={"server": SERVER},
            judges={"main": judge | {"reading": reading}},
            plan={"output_tokens": 300},
            budget_usd=1,
        )
        parameters = stage_parameters(study)["judge-main"]
        estimate = Estimate(study, {})
        request = Request("judge", "server", "m", [], options=parameters["options"])
        estimate.add_call(estimate.line("demo", "judge", "main"), request, "new")
        estimate.add_unknown_call(estimate.line("demo", "judge", "main"), "judge", "server", "m", parameters["options"])
        assert (estimate.lines[0].calls, estimate.lines[0].output_tokens) == (2, 2 * tokens)
        assert said in budget_sentence(study, [("judge", "main")])


def test_free_calls_need_no_word_of_the_budget(planned):
    planned.study.config["endpoints"]["server"] = {**SERVER, "input_usd_per_million": 0, "output_usd_per_million": 0}
    assert budget_sentence(planned.study, planned.study.llm_stages()) == ""


def test_a_scenario_without_prompts_is_a_note(planned):
    (planned.folder / "shards" / f"{ONE_SHARD}.jsonl").unlink()
    plan = plan_study(planned.study, planned.parameters)
    assert plan.lines == [] and "config/prompts/demo.jsonl`, with the same options, makes it" in plan.notes[0]


def test_the_time_of_calls_to_a_server_of_the_job_is_in_the_line_of_the_calls(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    gpus = {"options": {"tensor_parallel": 2}}
    estimates = {}
    for name, assumed in {"none": {}, "calls": {"call_s": 3}, "both": {"call_s": 3, "server_start_s": 100}}.items():
        study = configured_study(endpoints={"own": SERVED | gpus}, plan=assumed)
        estimates[name] = Estimate(study, {})
        for shard_calls in (5, 7):
            for _ in range(shard_calls):
                estimates[name].add_unknown_call(estimates[name].line("demo", "judge", "main"), "judge", "own", "m")
            estimates[name].add_server_start("demo", "judge", "main", "own", shard_calls)
    seconds = {name: {line.name: line.gpu_s for line in each.lines} for name, each in estimates.items()}
    assert seconds == {
        "none": {"main": None, "main server": None},
        "calls": {"main": 2 * 12 * 3, "main server": None},
        "both": {"main": 2 * 12 * 3, "main server": 2 * 2 * 100},
    }
    report = {name: "\n".join(plan_report(each)) for name, each in estimates.items()}
    assert "0.111 of 0.131 GPU hours (85%); half" in report["both"]
    for name in ("none", "calls"):
        assert "for the GPU hours marked ?, set `plan: {server_start_s, call_s}`" in report[name]
    assert not any("make bench-engine" in text for text in report.values()), "which measures no server"


@pytest.mark.parametrize("known", [False, True])
def test_prompts_that_are_missing_are_said_before_any_number(planned, known):
    plan = plan_study(planned.study, planned.parameters) if known else Estimate(planned.study, planned.parameters)
    plan.notes.append("other: its prompt file does not exist yet")
    lines = plan_report(plan)
    assert lines[1] == plan.notes[0]
    assert lines[0].startswith("Not counted below" if known else "Nothing is known of this study yet")
    assert any(line.startswith("total") for line in lines) == known
