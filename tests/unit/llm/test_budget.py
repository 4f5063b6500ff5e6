"""Spend log and budget, which all jobs of a study share."""

import json

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.spend_log import read_spending
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
