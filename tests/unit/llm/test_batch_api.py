"""Batches: half the price, the same exchanges, found again after a stop, the rest asked again."""

import json
from collections import Counter

import pytest
from tests.unit.test_faults import question
from tests.unit.test_spending import CALL_USD, total

from detailscribe.errors import SetupError
from detailscribe.files.atomic import write_text
from detailscribe.files.digests import canonical_json
from detailscribe.llm import batch_api as batch_api_module
from detailscribe.llm import exchange_store, rate_limit
from detailscribe.llm.client import Chat
from tests.chat_server import ChatServer


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(batch_api_module, "FIRST_LOOK_S", 0.01)
    monkeypatch.setattr(rate_limit, "FIRST_WAIT_S", 0.01)


def chat(server, store, budget=None, **changes) -> Chat:
    return Chat({"server": server.endpoint(batch=True, **changes)}, store, "live", budget)


def echo(body):
    return "<answer to " + body["messages"][-1]["content"] + ">"


def questions(count):
    return [question(n) for n in range(count)]


def test_a_batch_gives_the_exchanges_of_asking_at_once_at_half_the_price(tmp_path):
    with ChatServer(answer=echo) as server:
        batched = chat(server, tmp_path / "batch").ask(questions(5))
        assert len(server.batches) == 1 and server.batches["batch_0"]["endpoint"] == "/v1/chat/completions"
        assert {call["path"] for call in server.calls} == {"/v1/chat/completions"}
        bodies = [call["body"] for call in server.calls]
        once = Chat({"server": server.endpoint()}, tmp_path / "once", "live").ask(questions(5))
        assert sorted(map(canonical_json, bodies)) == sorted(canonical_json(call["body"]) for call in server.calls[5:])
    assert [(reply.digest, reply.text) for reply in batched] == [(reply.digest, reply.text) for reply in once]
    exchange, other = (
        json.loads(exchange_store.exchange_path(tmp_path / place, once[0].digest).read_text())
        for place in ("batch", "once")
    )
    assert (exchange["batch"], other["batch"]) == (True, False)
    assert exchange["cost_usd"] == pytest.approx(other["cost_usd"] / 2)
    assert total(tmp_path / "batch") == pytest.approx(5 * CALL_USD / 2)
    assert exchange_store.check(tmp_path / "batch") == [] and not list((tmp_path / "batch").glob("batch-*"))


def test_a_stopped_run_finds_its_batch_again(tmp_path, monkeypatch):
    with ChatServer(answer=echo, batch_looks=3) as server:

        async def killed(_):
            raise KeyboardInterrupt

        with monkeypatch.context() as patch:
            patch.setattr(batch_api_module.asyncio, "sleep", killed)
            with pytest.raises(KeyboardInterrupt):
                chat(server, tmp_path).ask(questions(4))
        [noted] = tmp_path.glob("batch-*.json")
        assert json.loads(noted.read_text())["batch"] == "batch_0"
        replies = chat(server, tmp_path).ask(questions(6))
        assert [len(server.files[b["input_file_id"]].splitlines()) for b in server.batches.values()] == [4, 2]
        assert len(server.calls) == 6, "the four are not paid for again"
    assert [reply.text for reply in replies] == [f"<answer to Prompt: {n}>" for n in range(6)]


def test_a_kill_before_the_id_was_noted_does_not_submit_twice(tmp_path, monkeypatch):
    def killed(path, text):
        if "batch_0" in text:
            raise KeyboardInterrupt
        write_text(path, text)

    with ChatServer(answer=echo) as server:
        with monkeypatch.context() as patch:
            patch.setattr(batch_api_module, "write_text", killed)
            with pytest.raises(KeyboardInterrupt):
                chat(server, tmp_path).ask(questions(3))
        assert len(chat(server, tmp_path).ask(questions(3))) == 3
        assert len(server.batches) == 1


def test_what_expired_or_failed_goes_into_another_batch(tmp_path):
    met = Counter()

    def fault(role, prompt):
        met[prompt] += 1
        return {"1": "expired", "2": 500, "3": "empty"}.get(prompt) if met[prompt] == 1 else None

    with ChatServer(answer=echo, fault=fault, batch_status="expired") as server:
        replies = chat(server, tmp_path).ask(questions(5))
        assert [reply.status for reply in replies] == ["ok"] * 5
        assert [len(server.files[b["input_file_id"]].splitlines()) for b in server.batches.values()] == [5, 3]


def test_a_request_that_no_batch_answers_is_told_or_failed(tmp_path):
    with ChatServer(answer=echo, fault=lambda role, prompt: "empty" if prompt == "1" else None) as server:
        assert [reply.status for reply in chat(server, tmp_path / "a").ask(questions(3))] == ["ok", "failed", "ok"]
        assert len(server.batches) == batch_api_module.ROUNDS
    said = "left 1 requests unanswered in 3 batches each; 1 of 3 calls are left"
    with (
        ChatServer(answer=echo, fault=lambda role, prompt: "expired" if prompt == "1" else None) as server,
        pytest.raises(SetupError, match=said),
    ):
        chat(server, tmp_path / "b").ask(questions(3))
    assert len(list((tmp_path / "b").glob("*/*.json"))) == 2


def test_refusals_of_a_batch_are_answers(tmp_path):
    said = (400, {"message": "flagged", "code": "content_policy_violation"})
    with ChatServer(answer=echo, fault=lambda role, prompt: said if prompt == "1" else None) as server:
        assert [reply.status for reply in chat(server, tmp_path).ask(questions(3))] == ["ok", "refused", "ok"]
        assert len(server.batches) == 1


def test_a_batch_turned_down_stops_with_the_reason(tmp_path):
    said = r"turned a batch down \(token_limit_exceeded: too much\); 3 of 3 calls"
    with ChatServer(answer=echo, batch_status="failed") as server, pytest.raises(SetupError, match=said):
        chat(server, tmp_path).ask(questions(3))
    assert not list(tmp_path.glob("batch-*"))


def test_images_and_texts_go_into_batches_of_their_own(tmp_path):
    with ChatServer(answer=echo) as server:
        mixed = [question(1), question(2, kind="image", role="image")]
        replies = chat(server, tmp_path).ask(mixed)
        urls = {batch["endpoint"] for batch in server.batches.values()}
    assert urls == {"/v1/chat/completions", "/v1/images/generations"}
    assert replies[1].image.is_file()


def test_a_budget_holds_for_a_batch(tmp_path):
    with ChatServer(answer=echo) as server:
        with pytest.raises(SetupError, match="nothing says what a call of rewrite costs"):
            chat(server, tmp_path, 1.0).ask(questions(3))
        Chat({"server": server.endpoint()}, tmp_path, "live").ask(questions(1))
        with pytest.raises(SetupError, match=r"a batch of 9 calls may cost"):
            chat(server, tmp_path, 4 * CALL_USD).ask(questions(10))
        assert server.batches == {}
        assert len(chat(server, tmp_path, 40 * CALL_USD).ask(questions(10))) == 10


def test_large_batches_are_cut(tmp_path, monkeypatch):
    monkeypatch.setattr(batch_api_module, "MOST_REQUESTS", 2)
    with ChatServer(answer=echo) as server:
        assert len(chat(server, tmp_path).ask(questions(5))) == 5
        assert len(server.batches) == 3
