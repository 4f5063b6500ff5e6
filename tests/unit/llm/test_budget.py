"""Spend log and budget, which all jobs of a study share."""

import asyncio
import contextlib
import json
import time

import pytest
from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.llm import exchange_store, retry
from detailscribe.llm.client import Chat
from detailscribe.llm.endpoint_state import EndpointState
from detailscribe.llm.request import Answer
from detailscribe.llm.spending.account import read_account
from detailscribe.llm.spending.bounds import Bound, call_bound, input_bound, output_limit
from detailscribe.llm.spending.budget import Budget
from detailscribe.llm.spending.spend_log import read_spending
from tests.budget_attack import run_attack
from tests.chat_replies import chat_body
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import CALL_USD, asker, question, total_usd


def budgeted(server, store, budget, **changes) -> Chat:
    return Chat({"server": server.endpoint(**changes)}, store, "live", budget)


def test_every_paid_answer_is_a_row_of_the_spend_log(tmp_path):
    with ChatServer(answer=lambda body: "<fine>") as server:
        budgeted(server, tmp_path, None).ask([question(n) for n in range(3)])
        budgeted(server, tmp_path, None).ask([question(n) for n in range(3)])  # from the store, at no cost
    rows = read_spending(tmp_path)
    assert len(rows) == 3
    assert rows[0] | {"date": "", "digest": ""} == {
        **{"date": "", "digest": "", "role": "rewrite", "model": "some-model", "batch": False},
        **{"input_tokens": 100, "output_tokens": 20, "cost_usd": pytest.approx(CALL_USD)},
    }
    assert {row["digest"] for row in rows} == {question(n).digest for n in range(3)}


def test_a_run_stops_before_its_budget_and_keeps_the_paid_answers(tmp_path):
    budget = 7.5 * CALL_USD
    with ChatServer(answer=lambda body: "<fine>") as server:
        stopped = r"was stopped by the budget: .*`budget_usd`.* calls are unanswered"
        with pytest.raises(SetupError, match=stopped) as error:
            budgeted(server, tmp_path, budget).ask([question(n) for n in range(20)])
        assert "\n" not in str(error.value)
        assert 6 <= len(server.calls) <= 7
        assert len(list(tmp_path.glob("*/*.json"))) == len(server.calls)
        assert total_usd(tmp_path) == pytest.approx(len(server.calls) * CALL_USD) and total_usd(tmp_path) <= budget
        calls = len(server.calls)
        with pytest.raises(SetupError, match="budget"):
            budgeted(server, tmp_path, budget).ask([question(n) for n in range(20)])
        assert len(server.calls) == calls, "a second run spends nothing more"
        budgeted(server, tmp_path, 1.0).ask([question(n) for n in range(20)])
        assert len(server.calls) == 20


def test_jobs_share_the_budget(tmp_path):
    budget = 8.5 * CALL_USD
    with ChatServer(answer=lambda body: "<fine>", delay_s=0.05) as server:
        jobs = [asker(server, tmp_path, f"{budget:f}", *range(at * 100, at * 100 + 20)) for at in range(2)]
        errors = [process.communicate()[1] for process in jobs]
        assert all("budget" in each for each in errors), errors
        assert 6 <= len(server.calls) <= 8
    assert total_usd(tmp_path) <= budget


def test_max_tokens_bounds_the_cost_of_a_first_call(tmp_path):
    options = {"max_tokens": 1000}
    with ChatServer(answer=lambda body: "<fine>") as server:
        with pytest.raises(SetupError, match=r"the next call may cost 0\.008"):
            budgeted(server, tmp_path, 0.005).ask([question(1, options=options)])
        assert server.calls == []
        budgeted(server, tmp_path, 0.01).ask([question(1, options=options)])


def test_free_answers_need_no_budget(tmp_path):
    with ChatServer(answer=lambda body: "<fine>") as server:
        free = {"input_usd_per_million": 0, "output_usd_per_million": 0}
        budgeted(server, tmp_path, 0, **free).ask([question(n) for n in range(5)])
        assert len(server.calls) == 5


def test_a_models_own_price_applies_and_is_recorded(tmp_path):
    prices = {"some-model": {"input_usd_per_million": 20.0}, "painter": {"image_usd": 0.04}}
    with ChatServer(answer=lambda body: "<fine>") as server:
        chat = budgeted(server, tmp_path, None, prices=prices)
        [reply, image] = chat.ask([question(1), question(2, model="painter", kind="image")])
    exchange = json.loads(exchange_store.exchange_path(tmp_path, reply.digest).read_text())
    assert exchange["prices"] == {"input_usd_per_million": 20.0, "output_usd_per_million": 8.0}
    assert exchange["cost_usd"] == pytest.approx((100 * 20 + 20 * 8) / 1e6)
    assert json.loads(exchange_store.exchange_path(tmp_path, image.digest).read_text())["cost_usd"] == 0.04
    assert total_usd(tmp_path) == pytest.approx(0.04 + (100 * 20 + 20 * 8) / 1e6)


def test_incomplete_lines_of_the_spend_log_are_skipped(tmp_path):
    (tmp_path / "spend.jsonl").write_text('{"cost_usd": 1.0, "role": "a", "model": "b", "batch": false}\n{"cost_us')
    assert total_usd(tmp_path) == 1.0


# ---- bounds ----


@pytest.mark.parametrize(
    ("options", "entry", "limit"),
    [
        ({}, {}, 0),
        ({"max_tokens": 100}, {}, 100),
        ({"max_completion_tokens": 100}, {}, 100),
        ({"max_completion_tokens": 100, "max_tokens": 300}, {}, 300),  # a server may know only one of them
        ({"max_tokens": None}, {}, 0),
        ({"max_tokens": True}, {}, 0),
        ({"max_tokens": -1}, {}, 0),
        ({"max_tokens": "100"}, {}, 0),
        ({}, {"max_output_tokens": 400}, 400),
        ({}, {"max_output_tokens": 400, "prices": {"some-model": {"max_output_tokens": 500}}}, 500),
        ({"max_tokens": 100}, {"max_output_tokens": 400}, 100),
    ],
)
def test_what_limits_the_output_of_a_call(options, entry, limit):
    assert output_limit(options, entry, "some-model") == limit


def test_the_bound_of_a_call_is_above_what_any_tokenizer_counts(tmp_path):
    prices = {"input_usd_per_million": 1.0, "output_usd_per_million": 10.0}
    text, options = question(1, messages=[{"role": "user", "content": "é" * 1000}]), {"max_tokens": 500}
    assert 2000 < input_bound(text) < 2400, "a token is at least one byte"
    schema = question(1, messages=text.messages, options={"response_format": {"schema": "x" * 3000}})
    assert input_bound(schema) > input_bound(text) + 3000, "a schema is part of the input"
    for side, tokens in ((64, 6500), (1024, 6500), (2048, 18724)):
        Image.new("L", (side, side)).save(path := tmp_path / f"{side}.png")
        assert input_bound(question(1, messages=text.messages, images=(path,))) - input_bound(text) == tokens
    Image.new("L", (64, 64)).save(tmp_path / "small.png")
    mini = question(1, messages=text.messages, images=(tmp_path / "small.png",), model="gpt-4o-mini-2024-07-18")
    assert input_bound(mini) - input_bound(text) == 48_500
    limited = call_bound(question(1, messages=text.messages, options=options), prices)
    assert limited.certain and limited.amount_usd == pytest.approx((input_bound(text) + 20) * 1e-6 + 500e-5, rel=1e-3)
    assert call_bound(text, prices).amount_usd > 1.3 and not call_bound(text, prices).certain
    assert call_bound(text, {**prices, "batch": True}).amount_usd == pytest.approx(
        call_bound(text, prices).amount_usd / 2
    )
    painted = question(1, kind="image", role="image")
    assert call_bound(painted, {**prices, "image_usd": 0.04}) == Bound(0.04, True)
    assert call_bound(text, {"input_usd_per_million": 0, "output_usd_per_million": 0}) == Bound(0.0, True)


# ---- calls without a reported cost ----

LIMITED = {"options": {"max_tokens": 1000}}


@pytest.mark.parametrize(
    ("fault", "booked"),
    [
        ("drip", True),
        ("cut", True),
        ("close", True),
        ("garbage", True),
        (504, True),
        (500, False),
        (429, False),
        (400, False),
        (401, False),
    ],
)
def test_a_call_without_an_answer_counts_if_it_may_be_billed(tmp_path, fault, booked):
    with ChatServer(fault=lambda *_: fault) as server, contextlib.suppress(SetupError):
        budgeted(server, tmp_path, 1.0, timeout_s=0.3).ask([question(1, **LIMITED)])
    found, bound = read_account(tmp_path), call_bound(question(1, **LIMITED), server.endpoint()).amount_usd
    assert found.open == {} and found.cost_usd == 0
    assert found.booked_usd == pytest.approx(bound if booked else 0) and found.booked == booked


def test_a_server_that_is_not_there_bills_nothing(tmp_path):
    with ChatServer() as server:
        pass
    with pytest.raises(SetupError):
        budgeted(server, tmp_path, 1.0).ask([question(1, **LIMITED)])
    assert (read_account(tmp_path).booked, read_account(tmp_path).open) == (0, {})


@pytest.mark.parametrize("usage", [None, {}, {"prompt_tokens": -5, "completion_tokens": 10}, {"completion_tokens": 10}])
def test_an_answer_without_usage_counts_as_its_bound_and_is_told_of_once(tmp_path, usage):
    body = chat_body("<fine>") | {"usage": usage}
    said = []
    with ChatServer(fault=lambda *_: body) as server:
        chat = Chat({"server": server.endpoint()}, tmp_path, "live", 1.0, say=said.append)
        chat.ask([question(n, **LIMITED) for n in range(3)])
    bound = call_bound(question(1, **LIMITED), server.endpoint()).amount_usd
    assert read_account(tmp_path).booked_usd == pytest.approx(3 * bound)
    assert len(said) == 1 and "'server' reports no usage" in said[0]


def test_a_call_that_is_cancelled_counts_only_if_it_was_sent(tmp_path):
    """Ctrl-C while one call is in flight and another waits for its turn."""

    async def interrupted():
        budget = Budget(tmp_path, 1.0)
        state = EndpointState("server", server.endpoint(in_flight=1), budget)
        calls = [asyncio.create_task(state.answer(question(n, **LIMITED))) for n in range(2)]
        await asyncio.sleep(0.3)
        for call in calls:
            call.cancel()
        await asyncio.gather(*calls, return_exceptions=True)
        await state.provider.close()

    with ChatServer(delay_s=2) as server:
        asyncio.run(interrupted())
        assert len(server.calls) == 1
    assert read_account(tmp_path).booked == 1 and read_account(tmp_path).open == {}


def test_a_refused_image_costs_nothing(tmp_path):
    with ChatServer(refuse=lambda *_: True) as server:
        chat = budgeted(server, tmp_path, 1.0, prices={"painter": {"image_usd": 0.04}})
        [reply] = chat.ask([question(1, model="painter", kind="image", role="image")])
    assert reply.status == "refused" and read_account(tmp_path).cost_usd == read_account(tmp_path).booked_usd == 0
    exchange = json.loads(exchange_store.exchange_path(tmp_path, reply.digest).read_text())
    assert exchange["cost_usd"] is None


# ---- the spend log ----


def test_logs_of_earlier_versions_count_and_a_refund_does_not(tmp_path):
    rows = [
        {"role": "a", "model": "b", "batch": False, "digest": "1", "cost_usd": 1.0},
        {"role": "a", "model": "b", "batch": False, "digest": "2", "cost_usd": -3.0, "output_tokens": -1},
        {"role": "a", "model": "b", "batch": False, "digest": "3", "cost_usd": None},
        {"role": "a", "model": "b", "batch": True, "digest": "4", "cost_usd": 2},
        {"role": "a", "model": "b", "batch": False, "digest": "5", "cost_usd": float("inf")},
    ]
    text = "".join(json.dumps(row) + "\n" for row in rows)
    (tmp_path / "spend.jsonl").write_text(text + "[[[\n7\n" + '{"cost_usd": 9, "ro' + '{"cost_usd":4.0,"role":"a"}\n')
    (tmp_path / ".spending.json").write_text('{"reserved": {"123": 5.0}}')
    assert read_account(tmp_path).cost_usd == 7.0
    with ChatServer() as server, pytest.raises(SetupError, match=r"7\.0000 of 7 dollars"):
        budgeted(server, tmp_path, 7.0).ask([question(1)])


def test_a_second_row_of_the_same_answer_in_a_batch_counts_once(tmp_path):
    budget, request = Budget(tmp_path, None), question(1)
    answer = Answer("ok", usage={"input_tokens": 100, "output_tokens": 20})
    endpoint = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0, "batch": True}
    for batch in ("one", "one", "two"):
        budget.record(request, answer, endpoint, batch)
    assert len(read_spending(tmp_path)) == 2 and read_account(tmp_path).cost_usd == pytest.approx(CALL_USD)


# ---- more than one call ----


def test_calls_begin_one_at_a_time_and_then_run_together(tmp_path):
    with ChatServer(answer=lambda body: "<fine>", delay_s=0.05) as server:
        budgeted(server, tmp_path, 10.0, in_flight=16).ask([question(n, **LIMITED) for n in range(1)])
        assert server.max_concurrent == 1
        budgeted(server, tmp_path, 10.0, in_flight=16).ask([question(n, **LIMITED) for n in range(100)])
        assert server.max_concurrent > 8
    with ChatServer(answer=lambda body: "<fine>", delay_s=0.05) as server:
        budgeted(server, tmp_path / "all", None, in_flight=16).ask([question(n, **LIMITED) for n in range(16)])
        assert server.max_concurrent > 8, "without a budget nobody waits"


def test_a_server_that_reports_more_than_the_bound_is_believed_and_asked_less(tmp_path):
    """Each answer costs 30 times `max_tokens`: one call is over the budget, and none follows."""
    body = chat_body("<fine>") | {"usage": {"prompt_tokens": 100, "completion_tokens": 30_000}}
    with ChatServer(fault=lambda *_: body, delay_s=0.05) as server:
        with pytest.raises(SetupError, match=r"more than the bound of rewrite"):
            budgeted(server, tmp_path, 0.2, in_flight=16).ask([question(n, **LIMITED) for n in range(20)])
        assert len(server.calls) == 1
    history = read_account(tmp_path).history(("rewrite", "some-model"))
    assert history.exceeded == 1 and history.margin > 30 and history.concurrent == 1


def test_a_killed_process_leaves_its_calls_counted(tmp_path):
    with ChatServer(delay_s=30) as server:
        process = asker(server, tmp_path, "1000000", 1, 2)
        while not server.calls:
            time.sleep(0.02)
        process.kill()
        process.communicate()
    [call] = read_account(tmp_path).open.values()
    assert call.amount_usd > 1, "nothing limits the output of this call"
    with ChatServer() as server, pytest.raises(SetupError, match=r"of them by calls without an answer"):
        budgeted(server, tmp_path, call.amount_usd).ask([question(3)])
    assert server.calls == []


# ---- the attack ----


@pytest.mark.parametrize(
    ("processes", "kills", "usage", "limited"),
    [(1, 2, "true", True), (3, 2, "mixed", True), (3, 2, "true", False), (8, 1, "absent", True), (3, 0, "over", True)],
)
def test_the_budget_is_a_ceiling(tmp_path, processes, kills, usage, limited):
    outcome = run_attack(7, tmp_path, processes, kills, usage, limited, delay_s=0.05)
    assert outcome.billed <= outcome.ceiling + 1e-9, outcome
    assert outcome.billed <= outcome.counted + 1e-9, outcome


@pytest.mark.parametrize(("usage", "budget"), [("true", 5.0), ("zero_first", 5.0), ("true", 40.0)])
def test_a_stop_by_the_budget_keeps_what_is_in_flight(tmp_path, usage, budget):
    outcome = run_attack(7, tmp_path, 1, 0, usage, True, budget_usd=budget, delay_s=0.05)
    assert outcome.recorded == pytest.approx(outcome.billed) == pytest.approx(outcome.exchanges)
    assert outcome.answered == outcome.calls and outcome.billed <= budget
    assert outcome.billed > budget - 2.1, "what the budget allows is asked"


def test_tries_that_were_paid_for_stay_in_the_exchange(tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)
    replies = iter(["blank", "blank", None])
    with ChatServer(answer=lambda body: "<fine>", fault=lambda *_: next(replies)) as server:
        [reply] = budgeted(server, tmp_path, None, max_retries=2).ask([question(1)])
    exchange = json.loads(exchange_store.exchange_path(tmp_path, reply.digest).read_text())
    usage = {"input_tokens": 100, "output_tokens": 20}
    assert exchange["tries"] == [{"usage": usage, "cost_usd": pytest.approx(CALL_USD)}] * 2
    assert total_usd(tmp_path) == pytest.approx(3 * CALL_USD)


def test_a_failure_that_is_asked_again_leaves_its_cost_in_the_exchange(tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)
    replies = iter(["blank", "blank", None])
    with ChatServer(answer=lambda body: "<fine>", fault=lambda *_: next(replies)) as server:
        assert budgeted(server, tmp_path, None, max_retries=1).ask([question(1)])[0].status == "failed"
        [reply] = budgeted(server, tmp_path, None).ask([question(1)])
    exchange = json.loads(exchange_store.exchange_path(tmp_path, reply.digest).read_text())
    assert reply.status == "ok" and len(exchange["tries"]) == 2 and total_usd(tmp_path) == pytest.approx(3 * CALL_USD)


def test_odd_rows_of_a_spend_log_count_nothing(tmp_path):
    rows = ['{"cost_usd": 1' + "0" * 399 + "}", '{"cost_usd": NaN}', '{"cost_usd": 1.5, "bound_usd": 1e-300}']
    rows += ['{"cost_usd": 0.5, "reservation": "a", "reserved_usd": 1, "owner": 1' + "0" * 30 + "}"]
    (tmp_path / "spend.jsonl").write_text("\n".join(rows) + "\n")
    account = read_account(tmp_path)
    assert account.cost_usd == 2.0
    assert all(each.owner == 0 for each in account.open.values())
    assert account.history(("None", "None")).ratio == 1.0
