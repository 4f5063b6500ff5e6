"""Faults between client and server: each run ends with the same rows as a run without faults."""

import errno
import os
import resource
import signal
import subprocess
import time
from collections import Counter
from email.utils import formatdate

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm import endpoint_state, exchange_store, rate_limit, retry
from detailscribe.llm.client import Chat
from detailscribe.methods.decompose import decompose
from detailscribe.methods.rewrite import rewrite
from tests.chat_replies import chat_body, role
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import asker, question

RECORDS = [{"id": f"p-{n}", "topic": f"topic {n}", "prompt": f"A fox paints fence number {n}."} for n in range(6)]
VICTIM = RECORDS[2]["prompt"]


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    """Short waits between retries."""
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)


def live(server, store, **changes) -> Chat:
    return Chat({"server": server.endpoint(max_retries=3, **changes)}, store, "live")


def rows(chat: Chat) -> list[dict]:
    """Rows of two stages, without the names of the exchanges."""
    made = decompose(RECORDS, role("decompose"), chat) + rewrite(RECORDS, role("rewrite_prompt"), chat)
    return [{key: value for key, value in row.items() if key != "exchange"} for row in made]


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory) -> list[dict]:
    with ChatServer() as server:
        return rows(live(server, tmp_path_factory.mktemp("store")))


def once(fault):
    """A fault at the first attempt of each request."""
    attempts = Counter()

    def happens(role, prompt):
        attempts[role, prompt] += 1
        return fault if attempts[role, prompt] == 1 else None

    return happens


@pytest.mark.parametrize("fault", [429, 500, 502, "close", "reset", "cut", "garbage", "empty", "blank", {"a": 1}])
def test_a_temporary_fault_changes_nothing(tmp_path, undisturbed, fault):
    with ChatServer(fault=once(fault)) as server:
        assert rows(live(server, tmp_path)) == undisturbed
        assert len(server.calls) == 4 * len(RECORDS)
    assert exchange_store.damaged_exchanges(tmp_path) == []


@pytest.mark.parametrize("wait", [None, "0.02", "date", "nonsense"])
def test_429_with_and_without_retry_after(tmp_path, undisturbed, wait):
    wait = formatdate(time.time() + 1, usegmt=True) if wait == "date" else wait
    with ChatServer(fault=once(429), retry_after_s=wait) as server:
        assert rows(live(server, tmp_path)) == undisturbed


def test_a_dripping_reply_times_out_and_is_retried(tmp_path, undisturbed):
    happens = once("drip")
    with ChatServer(fault=lambda role, prompt: happens(role, prompt) if prompt == VICTIM else None) as server:
        started = time.monotonic()
        assert rows(live(server, tmp_path, timeout_s=1.0)) == undisturbed
    assert 2 <= time.monotonic() - started < 15, "two attempts of a second each; the whole drip takes 20 s"


def test_a_timeout_is_retried(tmp_path, undisturbed):
    with ChatServer() as server:
        slow = iter([3.0])

        def fault(role, prompt):
            time.sleep(next(slow, 0))

        server.fault = fault
        assert rows(live(server, tmp_path, timeout_s=1.5)) == undisturbed


@pytest.mark.parametrize("how", ["refusal", "filter"])
def test_a_refusal_is_the_same_row_with_and_without_faults(tmp_path, how):
    body = chat_body(None, "No.") if how == "refusal" else chat_body(None, finish_reason="content_filter")
    happens = once(502)

    def disturbed(role, prompt):
        return happens(role, prompt) or (body if prompt == VICTIM else None)

    with ChatServer(fault=lambda role, prompt: body if prompt == VICTIM else None) as server:
        calm = rows(live(server, tmp_path / "calm"))
    with ChatServer(fault=disturbed) as server:
        assert rows(live(server, tmp_path / "disturbed")) == calm
    assert [row["status"] for row in calm].count("refused") == 2
    assert [row["status"] for row in calm].count("ok") == len(calm) - 2


def test_429s_of_one_job_reduce_the_concurrency_of_the_others(tmp_path):
    with ChatServer(fault=once(429)) as server:
        chat = live(server, tmp_path, in_flight=8)
        rows(chat)
        assert rate_limit.RateLimit(server.endpoint(in_flight=8)).concurrency() < 8


def test_a_retry_after_that_is_too_long_stops_at_once(tmp_path):
    with ChatServer(fault=lambda *_: 429, retry_after_s=7200) as server:
        started = time.monotonic()
        with pytest.raises(SetupError, match=r"wants no calls for 7200 s; run again then"):
            live(server, tmp_path).ask([question(0)])
    assert time.monotonic() - started < 5


def test_a_kill_between_reply_and_record_loses_only_that_answer(tmp_path):
    with ChatServer(answer=lambda body: "<fine>") as server:
        process = asker(server, tmp_path, "die", 1)
        process.communicate()
        assert process.returncode == -signal.SIGKILL
        assert len(server.calls) == 1 and exchange_store.recorded_reply(tmp_path, question(1).digest) is None
        [reply] = live(server, tmp_path).ask([question(1)])
        assert (reply.text, len(server.calls)) == ("<fine>", 2)


def test_two_processes_with_the_same_requests_make_them_once(tmp_path):
    with ChatServer(answer=lambda body: f"<answer {time.time_ns()}>", delay_s=0.5) as server:
        both = [asker(server, tmp_path, "ask", *range(4)) for _ in range(2)]
        outputs = [process.communicate() for process in both]
        assert [process.returncode for process in both] == [0, 0], outputs
        assert len(server.calls) == 4
    assert outputs[0][0] == outputs[1][0]


def test_a_full_disk_ends_the_job_and_keeps_the_recorded_answers(tmp_path):
    """A limit on the file size, which a large answer exceeds, stands for the full disk."""
    with ChatServer(answer=lambda body: "<large " + "x" * 200_000 + ">" if "3" in str(body) else "<fine>") as server:
        chat = live(server, tmp_path, in_flight=1)
        before = resource.getrlimit(resource.RLIMIT_FSIZE)
        kept = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
        try:
            with pytest.raises(OSError) as error:
                chat.ask([question(n) for n in range(6)])
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, before)
            signal.signal(signal.SIGXFSZ, kept)
        assert error.value.errno == errno.EFBIG
        assert exchange_store.damaged_exchanges(tmp_path) == [], "no incomplete exchange is left"
        assert [exchange_store.recorded_reply(tmp_path, question(n).digest) is not None for n in range(4)] == [
            True
        ] * 3 + [False]
        assert [reply.status for reply in chat.ask([question(n) for n in range(6)])] == ["ok"] * 6


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting a small file system needs root")
def test_a_truly_full_disk(tmp_path):
    mount = ["mount", "-t", "tmpfs", "-o", "size=64k", "none", str(tmp_path)]
    if subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("cannot mount a file system")
    try:
        with ChatServer(answer=lambda body: "<" + "x" * 9000 + ">") as server:
            chat = live(server, tmp_path / "store", in_flight=1)
            with pytest.raises(OSError) as error:
                chat.ask([question(n) for n in range(20)])
            assert error.value.errno == errno.ENOSPC
            assert exchange_store.damaged_exchanges(tmp_path / "store") == []
            kept = len(list((tmp_path / "store").glob("*/*.json")))
            assert kept >= 1
            subprocess.run(["mount", "-o", "remount,size=8m", str(tmp_path)], check=True)
            calls = len(server.calls)
            assert {reply.status for reply in chat.ask([question(n) for n in range(20)])} == {"ok"}
            assert len(server.calls) == calls + 20 - kept
    finally:
        subprocess.run(["umount", "--lazy", str(tmp_path)], check=True)  # lock files stay open until the end


def test_another_model_than_requested_stops_unless_allowed(tmp_path):
    with ChatServer(answer=lambda body: "<fine>", served="cheap-model") as server:
        for _ in range(2):  # the paid answer is kept; its model is wrong from the store as well
            with pytest.raises(
                SetupError, match=r"answered as 'cheap-model', but 'some-model' was requested; name that"
            ):
                live(server, tmp_path, in_flight=1).ask([question(n) for n in range(5)])
        assert len(server.calls) == 1
        allowed = {"some-model": ["cheap-model"]}
        chat = Chat({"server": server.endpoint()}, tmp_path, "live", allow_served=allowed)
        assert {reply.status for reply in chat.ask([question(n) for n in range(5)])} == {"ok"}
        assert len(server.calls) == 5


def test_refresh_requests_once_and_setting_it_back_is_free(tmp_path):
    texts = iter(["<first>", "<second>"])
    with ChatServer(answer=lambda body: next(texts)) as server:
        for refresh, text in ((0, "<first>"), (1, "<second>"), (1, "<second>"), (0, "<first>")):
            assert live(server, tmp_path).ask([question(1, refresh=refresh)])[0].text == text
        assert len(server.calls) == 2


def test_a_failing_endpoint_is_abandoned_after_all_retries(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint_state, "MAX_CONSECUTIVE_FAILURES", 2)
    with ChatServer(fault=lambda *_: 503) as server:
        with pytest.raises(SetupError, match=r"error \(HTTP 503: status 503\); 9 of 9 calls are unanswered"):
            live(server, tmp_path, in_flight=1).ask([question(n) for n in range(9)])
        assert len(server.calls) == 2 * 4
