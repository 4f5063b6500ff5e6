"""Calls in flight: one error leaves the others alone, a stop keeps what is paid for, alike failures stop the run."""

import asyncio
import itertools
import threading
import time

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm import endpoint_error, endpoint_state, exchange_store, live, rate_limit, retry
from detailscribe.llm.client import Chat
from detailscribe.llm.openai_api.provider import OpenAIProvider
from tests.chat_replies import chat_body
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import echo, question, total_usd

IN_FLIGHT = 24
KEY = "sk-planted-0123456789abcdef"


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)


def chat(server, store, **changes) -> Chat:
    return Chat({"server": server.endpoint(**{"in_flight": IN_FLIGHT} | changes)}, store, "live")


def questions(count):
    return [question(n) for n in range(count)]


def recorded(store, count) -> list[str]:
    """Statuses of the recorded replies."""
    replies = [exchange_store.recorded_reply(store, each.digest) for each in questions(count)]
    return [reply.status for reply in replies if reply]


@pytest.mark.parametrize(
    "error", [KeyError("x"), RecursionError(), MemoryError(), ZeroDivisionError(KEY), OSError("x")]
)
def test_an_unforeseen_error_of_one_call_is_its_own(tmp_path, monkeypatch, error):
    monkeypatch.setenv("TEST_KEY", KEY)
    answer = OpenAIProvider._answer

    async def failing(self, request):
        if request.fields["id"] == "3":
            raise error
        return await answer(self, request)

    monkeypatch.setattr(OpenAIProvider, "_answer", failing)
    with ChatServer(answer=echo, delay_s=0.1) as server:
        replies = chat(server, tmp_path, key_env="TEST_KEY").ask(questions(IN_FLIGHT))
        assert len(server.calls) == IN_FLIGHT - 1
    assert [reply.status for reply in replies].count("ok") == IN_FLIGHT - 1
    assert replies[3].status == "failed" and f"unforeseen {type(error).__name__} in provider.py" in replies[3].reason
    assert KEY not in replies[3].reason


def test_an_unforeseen_error_of_another_provider_is_the_calls_own(tmp_path, monkeypatch):
    async def failing(self, request):
        if request.fields["id"] == "3":
            raise KeyError("x")
        await asyncio.sleep(0.05)
        return endpoint_state.Answer("ok", text="<fine>")

    monkeypatch.setattr(OpenAIProvider, "answer", failing)
    with ChatServer() as server:
        replies = chat(server, tmp_path).ask(questions(IN_FLIGHT))
    assert [number for number, reply in enumerate(replies) if reply.status != "ok"] == [3]


def test_an_unforeseen_error_after_the_answer_leaves_one_call_unanswered(tmp_path, monkeypatch):
    check = live.LiveRequests._check_model

    def failing(self, request, reply):
        if request.fields["id"] == "3":
            raise ZeroDivisionError("x")
        check(self, request, reply)

    monkeypatch.setattr(live.LiveRequests, "_check_model", failing)
    with ChatServer(answer=echo, delay_s=0.1) as server:
        problem = r"ended a call with an unforeseen ZeroDivisionError in \w+\.py, line \d+ \(x\); 1 of 24 calls"
        with pytest.raises(SetupError, match=problem):
            chat(server, tmp_path).ask(questions(IN_FLIGHT))
    assert recorded(tmp_path, IN_FLIGHT) == ["ok"] * IN_FLIGHT


def test_a_disk_that_fills_up_lets_the_calls_in_flight_end(tmp_path, monkeypatch):
    record, full = exchange_store.record_answer, threading.Event()

    def failing(store, request, *rest):
        if request.fields["id"] == "3":
            full.set()
            raise OSError(28, "No space left on device")
        return record(store, request, *rest)

    monkeypatch.setattr(exchange_store, "record_answer", failing)
    with ChatServer(answer=lambda body: time.sleep(0 if "3" in str(body) else 0.2) or "<a>") as server:
        with pytest.raises(OSError, match="No space left"):
            chat(server, tmp_path, in_flight=4).ask(questions(12))
        assert full.is_set() and len(server.calls) == 4
    assert recorded(tmp_path, 12) == ["ok"] * 3


def test_a_stop_keeps_the_calls_in_flight_and_starts_no_other(tmp_path):
    def slow(body):
        time.sleep(0.3)
        return echo(body)

    def fault(role, prompt):
        if prompt == "0":
            time.sleep(0.1)
            return 401
        return None

    with ChatServer(answer=slow, fault=fault) as server:
        with pytest.raises(SetupError, match="did not accept the key .*; 33 of 40 calls are unanswered"):
            chat(server, tmp_path, in_flight=8).ask(questions(40))
        assert len(server.calls) == 8
    assert recorded(tmp_path, 40) == ["ok"] * 7
    assert total_usd(tmp_path) == pytest.approx(7 * (100 * 2 + 20 * 8) / 1e6)


def test_a_stop_ends_waits_for_a_retry_and_for_a_rate_limit(tmp_path):
    with ChatServer(answer=echo, fault=lambda role, prompt: 401 if prompt == "0" else 503) as server:
        started = time.monotonic()
        with pytest.raises(SetupError, match="did not accept the key"):
            chat(server, tmp_path, requests_per_minute=2, max_retries=6).ask(questions(8))
    assert time.monotonic() - started < 10


def test_what_an_earlier_try_brought_is_kept_when_the_endpoint_is_closed(tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 5.0)

    def fault(role, prompt):
        if prompt == "0":
            time.sleep(0.2)
            return 401
        return "blank"

    with ChatServer(fault=fault) as server:
        with pytest.raises(SetupError, match="did not accept the key"):
            chat(server, tmp_path, in_flight=4, max_retries=6).ask(questions(4))
        assert len(server.calls) == 4, "no retry after the stop"
    assert recorded(tmp_path, 4) == ["failed"] * 3


FAULTS = {
    "a rejected request": (400, {"message": "no such template for request 17f", "code": None}),
    "an error of the server in words": (500, {"message": "CUDA error 17 in layer 3", "code": None}),
    "an empty reply": "blank",
    "a reply of another shape": {"a": 1},
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS)
@pytest.mark.parametrize("in_flight", [1, 8])
def test_the_first_calls_that_fail_alike_stop_the_run(tmp_path, fault, in_flight):
    with ChatServer(fault=lambda *_: fault) as server:
        with pytest.raises(SetupError, match="failed the first .* calls of rewrite to 'some-model' alike") as error:
            chat(server, tmp_path, in_flight=in_flight).ask(questions(100))
        assert endpoint_state.MAX_ALIKE_FAILURES <= len(server.calls) <= endpoint_state.MAX_ALIKE_FAILURES + in_flight
    assert "\n" not in str(error.value) and "recorded answers are kept" in str(error.value)
    if isinstance(fault, tuple):
        assert fault[1]["message"] in str(error.value), "the server's own words"


def test_as_many_prompts_as_it_takes_stop_too_and_fewer_are_failed_rows(tmp_path):
    with ChatServer(fault=lambda *_: 400) as server:
        with pytest.raises(SetupError, match=r"first 5 calls .* alike .*: run again\.$"):
            chat(server, tmp_path / "a").ask(questions(5))
        assert [reply.status for reply in chat(server, tmp_path / "b").ask(questions(4))] == ["failed"] * 4


def test_failures_of_several_kinds_or_beside_answers_are_rows(tmp_path):
    def several(role, prompt):
        return 400, {"message": "abcdefgh"[int(prompt) % 8] * 3, "code": None}

    with ChatServer(answer=echo, fault=several) as server:
        assert {reply.status for reply in chat(server, tmp_path / "a").ask(questions(16))} == {"failed"}
        server.fault = lambda role, prompt: None if prompt == "0" else 400
        replies = chat(server, tmp_path / "b", in_flight=1).ask(questions(12))
    assert [reply.status for reply in replies] == ["ok"] + ["failed"] * 11


def test_a_slow_answer_counts_before_quick_failures(tmp_path):
    def fault(role, prompt):
        if prompt == "0":
            time.sleep(0.5)
            return None
        return 400

    with ChatServer(answer=echo, fault=fault) as server:
        replies = chat(server, tmp_path, in_flight=8).ask(questions(16))
    assert [reply.status for reply in replies] == ["ok"] + ["failed"] * 15


def test_prompts_that_always_fail_are_rows_at_each_retry_beside_recorded_answers(tmp_path):
    def fault(role, prompt):
        return (500, {"message": "bad prompt", "code": None}) if int(prompt) >= 30 else None

    with ChatServer(answer=echo, fault=fault) as server:
        chat(server, tmp_path).ask(questions(30))
        with pytest.raises(SetupError, match="bad prompt"):  # twenty in a row: an outage, as far as one can see
            chat(server, tmp_path, in_flight=1).ask(questions(60))
        replies = chat(server, tmp_path, in_flight=1).ask(questions(60))
    assert [reply.status for reply in replies] == ["ok"] * 30 + ["failed"] * 30


@pytest.mark.parametrize("others_s", [0, 0.5], ids=["others-quick", "others-slow"])
@pytest.mark.parametrize("fault", ["close", 503])
def test_a_request_that_never_gets_an_answer_is_a_row_in_the_second_run(tmp_path, fault, others_s):
    def fault_of(role, prompt):
        return fault if prompt == "1" else time.sleep(others_s)

    with ChatServer(answer=echo, fault=fault_of) as server:
        with pytest.raises(SetupError, match="1 of 6 calls are unanswered"):
            chat(server, tmp_path).ask(questions(6))
        replies = chat(server, tmp_path).ask(questions(6))
        assert [reply.status for reply in replies] == ["ok", "failed", *["ok"] * 4]
        assert replies[1].reason.startswith("the endpoint ")
        server.fault = None
        assert {reply.status for reply in chat(server, tmp_path).ask(questions(6))} == {"ok"}


def test_an_outage_is_not_a_row_however_often_it_is_met(tmp_path):
    with ChatServer(answer=echo, fault=lambda *_: "close") as server:
        for _ in range(3):
            with pytest.raises(SetupError, match="6 of 6 calls are unanswered"):
                chat(server, tmp_path).ask(questions(6))


@pytest.mark.parametrize(
    ("header", "said"),
    [
        ("inf", "more than a day"),
        ("1e30", "more than a day"),
        ("Fri, 31 Dec 9999 23:59:59 GMT", "more than a day"),
        ("90000", "more than a day"),
        ("7200", "7200 s"),
    ],
)
@pytest.mark.parametrize("batch", [False, True])
def test_a_wait_that_no_run_can_sit_out_stops_it(tmp_path, header, said, batch):
    with ChatServer(fault=lambda *_: 429, retry_after_s=header) as server:
        if batch:
            server.upload = lambda *_: None
            server.get = lambda path: (429, {})
            server.start_batch = server.upload
        started = time.monotonic()
        with pytest.raises(SetupError, match=f"wants no calls for {said}; run again then") as error:
            if batch:  # the test server sends the header with a GET, here of the list of batches
                [pending] = [tmp_path / "batch-0123456789abcdef.json"]
                pending.write_text("damaged")
            chat(server, tmp_path, batch=batch, max_retries=3).ask(questions(1))
        assert time.monotonic() - started < 5 and "\n" not in str(error.value)


def test_an_endless_wait_is_not_written_into_the_shared_state(tmp_path):
    endpoint = {"base_url": "http://x", "key_env": "", "in_flight": 2}
    limit = rate_limit.RateLimit(endpoint, tmp_path)
    for wait in (float("inf"), float("nan"), None):
        limit.on_rate_limited(time.time(), wait)
    assert "Inf" not in next(tmp_path.iterdir()).read_text() and limit.concurrency() == 1


@pytest.mark.parametrize(
    ("one", "other", "alike"),
    [
        ("HTTP 400: no model 'a'", "HTTP 500: no model 'b'", True),
        ("request req_a1 is bad", "request req_b2 is bad", True),
        ("too large by 17 tokens", "too large by 9 tokens", True),
        ("too large", "too small", False),
    ],
)
def test_reasons_are_alike_but_for_what_changes_from_call_to_call(one, other, alike):
    assert endpoint_error.are_alike(one, other) is alike


def test_a_refusal_is_an_answer_for_the_first_calls(tmp_path):
    happens = itertools.count()

    def fault(role, prompt):
        return chat_body(None, "No.") if next(happens) == 0 else 400

    with ChatServer(answer=echo, fault=fault) as server:
        replies = chat(server, tmp_path, in_flight=1).ask(questions(10))
    assert [reply.status for reply in replies] == ["refused"] + ["failed"] * 9
