"""Batch API: half the price, the same exchanges, batches found again after an interruption, further batches."""

import json
from collections import Counter

import pytest

from detailscribe.errors import SetupError
from detailscribe.files.atomic import write_text
from detailscribe.files.digests import canonical_json
from detailscribe.llm import exchange_store, retry
from detailscribe.llm.client import Chat
from detailscribe.llm.openai_api import batch_api, batch_calls, batch_files
from detailscribe.llm.spending.account import read_account
from detailscribe.llm.spending.bounds import call_bound
from tests.chat_replies import chat_body
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import CALL_USD, echo, question, total_usd

PRICES = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}  # of the test server
TWENTY = {"options": {"max_tokens": 20}}


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(batch_calls, "FIRST_POLL_S", 0.01)
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)


def chat(server, store, budget=None, **changes) -> Chat:
    return Chat({"server": server.endpoint(batch=True, **changes)}, store, "live", budget)


def questions(count):
    return [question(n) for n in range(count)]


def test_a_batch_records_the_exchanges_of_direct_calls_at_half_the_price(tmp_path):
    with ChatServer(answer=echo) as server:
        batched = chat(server, tmp_path / "batch").ask(questions(5))
        assert len(server.batches) == 1 and server.batches["batch_0"]["endpoint"] == "/v1/chat/completions"
        assert {call["path"] for call in server.calls} == {"/v1/chat/completions"}
        bodies = [call["body"] for call in server.calls]
        direct = Chat({"server": server.endpoint()}, tmp_path / "direct", "live").ask(questions(5))
        assert sorted(map(canonical_json, bodies)) == sorted(canonical_json(call["body"]) for call in server.calls[5:])
    assert [(reply.digest, reply.text) for reply in batched] == [(reply.digest, reply.text) for reply in direct]
    exchange, other = (
        json.loads(exchange_store.exchange_path(tmp_path / store, direct[0].digest).read_text())
        for store in ("batch", "direct")
    )
    assert (exchange["batch"], other["batch"]) == (True, False)
    assert exchange["cost_usd"] == pytest.approx(other["cost_usd"] / 2)
    assert total_usd(tmp_path / "batch") == pytest.approx(5 * CALL_USD / 2)
    assert exchange_store.damaged_exchanges(tmp_path / "batch") == [] and not list((tmp_path / "batch").glob("batch-*"))


def test_an_interrupted_run_finds_its_batch_again(tmp_path, monkeypatch):
    with ChatServer(answer=echo, batch_polls=3) as server:

        async def killed(_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(batch_calls.asyncio, "sleep", killed)
            with pytest.raises(KeyboardInterrupt):
                chat(server, tmp_path).ask(questions(4))
        [pending] = tmp_path.glob("batch-*.json")
        assert json.loads(pending.read_text())["batch"] == "batch_0"
        replies = chat(server, tmp_path).ask(questions(6))
        assert [len(server.files[b["input_file_id"]].splitlines()) for b in server.batches.values()] == [4, 2]
        assert len(server.calls) == 6, "the four are not paid for again"
    assert [reply.text for reply in replies] == [f"<answer to Prompt: {n}>" for n in range(6)]


def test_a_kill_before_the_id_is_recorded_does_not_submit_twice(tmp_path, monkeypatch):
    def killed(path, text):
        if "batch_0" in text:
            raise KeyboardInterrupt
        write_text(path, text)

    with ChatServer(answer=echo) as server:
        with monkeypatch.context() as patch:
            patch.setattr(batch_files, "write_text", killed)
            with pytest.raises(KeyboardInterrupt):
                chat(server, tmp_path).ask(questions(3))
        assert len(chat(server, tmp_path).ask(questions(3))) == 3
        assert len(server.batches) == 1


def test_expired_and_failed_requests_go_into_another_batch(tmp_path):
    attempts = Counter()

    def fault(role, prompt):
        attempts[prompt] += 1
        return {"1": "expired", "2": 500, "3": "empty"}.get(prompt) if attempts[prompt] == 1 else None

    with ChatServer(answer=echo, fault=fault, batch_status="expired") as server:
        replies = chat(server, tmp_path).ask(questions(5))
        assert [reply.status for reply in replies] == ["ok"] * 5
        assert [len(server.files[b["input_file_id"]].splitlines()) for b in server.batches.values()] == [5, 3]


def test_a_request_that_no_batch_answers_fails_or_is_reported(tmp_path):
    with ChatServer(answer=echo, fault=lambda role, prompt: "empty" if prompt == "1" else None) as server:
        assert [reply.status for reply in chat(server, tmp_path / "a").ask(questions(3))] == ["ok", "failed", "ok"]
        assert len(server.batches) == batch_api.MAX_BATCHES
    problem = "left 1 requests unanswered in 3 batches each; 1 of 3 calls are unanswered"
    with (
        ChatServer(answer=echo, fault=lambda role, prompt: "expired" if prompt == "1" else None) as server,
        pytest.raises(SetupError, match=problem),
    ):
        chat(server, tmp_path / "b").ask(questions(3))
    assert len(list((tmp_path / "b").glob("*/*.json"))) == 2


def test_refusals_of_a_batch_are_answers(tmp_path):
    refusal = (400, {"message": "flagged", "code": "content_policy_violation"})
    with ChatServer(answer=echo, fault=lambda role, prompt: refusal if prompt == "1" else None) as server:
        assert [reply.status for reply in chat(server, tmp_path).ask(questions(3))] == ["ok", "refused", "ok"]
        assert len(server.batches) == 1


def test_a_rejected_batch_stops_with_the_reason(tmp_path):
    problem = r"rejected a batch \(token_limit_exceeded: too much\); 3 of 3 calls"
    with ChatServer(answer=echo, batch_status="failed") as server, pytest.raises(SetupError, match=problem):
        chat(server, tmp_path).ask(questions(3))
    assert not list(tmp_path.glob("batch-*"))


def test_images_and_texts_go_into_separate_batches(tmp_path):
    with ChatServer(answer=echo) as server:
        mixed = [question(1), question(2, kind="image", role="image")]
        replies = chat(server, tmp_path).ask(mixed)
        urls = {batch["endpoint"] for batch in server.batches.values()}
    assert urls == {"/v1/chat/completions", "/v1/images/generations"}
    assert replies[1].image.is_file()


def test_a_budget_applies_to_a_batch(tmp_path):
    limited = [question(n, **TWENTY) for n in range(10)]
    bound = sum(call_bound(each, {"batch": True, **PRICES}).amount_usd for each in limited)
    with ChatServer(answer=echo) as server:
        with pytest.raises(SetupError, match=r"a batch of 3 calls may cost .* \(set `max_tokens` .* of rewrite\)"):
            chat(server, tmp_path, 1.0).ask(questions(3))
        with pytest.raises(SetupError, match=r"a batch of 10 calls may cost"):
            chat(server, tmp_path, 0.99 * bound).ask(limited)
        assert server.batches == {} and not list(tmp_path.glob("batch-*"))
        assert len(chat(server, tmp_path, 1.01 * bound).ask(limited)) == 10
    account = read_account(tmp_path)
    assert account.open == {} and account.cost_usd == pytest.approx(10 * CALL_USD / 2) == total_usd(tmp_path)


def test_a_price_by_image_needs_no_limit_in_a_batch(tmp_path):
    paintings = [question(n, kind="image", role="image", model="painter") for n in range(3)]
    with ChatServer() as server:
        prices = {"painter": {"image_usd": 0.04}}
        assert len(chat(server, tmp_path, 0.061, prices=prices).ask(paintings)) == 3
    assert total_usd(tmp_path) == pytest.approx(3 * 0.02)


def test_a_killed_run_leaves_its_batch_reserved_and_the_next_run_counts_it_once(tmp_path, monkeypatch):
    limited = [question(n, **TWENTY) for n in range(10)]
    bound = sum(call_bound(each, {"batch": True, **PRICES}).amount_usd for each in limited)
    with ChatServer(answer=echo, batch_polls=3) as server:

        async def killed(_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(batch_calls.asyncio, "sleep", killed)
            with pytest.raises(KeyboardInterrupt):
                chat(server, tmp_path, 1.01 * bound).ask(limited)
        [left] = read_account(tmp_path).open.values()
        assert left.amount_usd == pytest.approx(bound), "the batch runs on at the provider"
        with pytest.raises(SetupError, match=r"of them by calls without an answer that may be billed"):
            Chat({"server": server.endpoint()}, tmp_path, "live", 1.01 * bound).ask([question(99, **TWENTY)])
        assert len(chat(server, tmp_path, 1.01 * bound).ask(limited)) == 10
        assert len(server.batches) == 1
    account = read_account(tmp_path)
    assert account.open == {} and account.booked == 0 and account.cost_usd == pytest.approx(10 * CALL_USD / 2)


def test_the_rest_of_an_expired_batch_is_released(tmp_path):
    limited = [question(n, **TWENTY) for n in range(4)]
    expired = iter(["expired", "expired"])
    with ChatServer(answer=echo, fault=lambda role, prompt: next(expired, None)) as server:
        assert len(chat(server, tmp_path, 0.01).ask(limited)) == 4
        assert len(server.batches) == 2
    account = read_account(tmp_path)
    assert account.open == {} and account.booked == 0 and account.cost_usd == pytest.approx(4 * CALL_USD / 2)


def test_answers_of_a_batch_without_usage_count_as_their_bound(tmp_path):
    limited = [question(n, **TWENTY) for n in range(4)]
    body = chat_body("<fine>") | {"usage": None}
    with ChatServer(fault=lambda *_: body) as server:
        chat(server, tmp_path, 0.01).ask(limited)
    account = read_account(tmp_path)
    bound = sum(call_bound(each, {"batch": True, **PRICES}).amount_usd for each in limited)
    assert account.open == {} and account.booked == 4 and account.booked_usd == pytest.approx(bound)


def test_large_batches_are_split(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_files, "MAX_REQUESTS", 2)
    with ChatServer(answer=echo) as server:
        assert len(chat(server, tmp_path).ask(questions(5))) == 5
        assert len(server.batches) == 3
