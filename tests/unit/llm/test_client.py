"""LLM client: deduplication, concurrency, record and replay, errors of an endpoint."""

import socket
import subprocess
import sys
import time
from dataclasses import replace

import pytest

from detailscribe.errors import InputError, SetupError
from detailscribe.llm import endpoint_state, exchange_store, retry
from detailscribe.llm.client import Chat
from detailscribe.miniature.stand_in_content import placeholder_png
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import chat_request, chat_requests, echo, live


def test_replies_come_in_order_and_identical_requests_are_made_once(tmp_path):
    done = []
    requests = [*chat_requests(5), *reversed(chat_requests(5))]
    with ChatServer(answer=echo) as server:
        replies = live(server, tmp_path).ask(requests, lambda done=done: done.append(1))
        assert len(server.calls) == 5
    assert [reply.text for reply in replies] == [f"<answer to Prompt: {n}>" for n in [0, 1, 2, 3, 4, 4, 3, 2, 1, 0]]
    assert len(done) == 10
    assert {reply.served_model for reply in replies} == {"some-model"}


def test_calls_run_concurrently_up_to_the_limit(tmp_path):
    with ChatServer(answer=echo, delay_s=0.1) as server:
        live(server, tmp_path / "warm").ask(chat_requests(1))
        started = time.monotonic()
        live(server, tmp_path, in_flight=4).ask(chat_requests(16))
        took = time.monotonic() - started
        assert server.max_concurrent == 4
    assert took < 1.2, "16 calls of 0.1 s, one after another, take 1.6 s"


def test_store_replays_without_network_and_key(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", "a key")
    with ChatServer(answer=echo) as server:
        first = live(server, tmp_path, key_env="TEST_KEY").ask(chat_requests(3))
        endpoint = server.endpoint(key_env="TEST_KEY", base_url="http://127.0.0.1:9/v1")
    monkeypatch.delenv("TEST_KEY")
    for mode in ("live", "replay"):
        done, chat = [], Chat({"server": endpoint}, tmp_path, mode)
        assert chat.ask(chat_requests(3), lambda done=done: done.append(1)) == first
        assert len(done) == 3


def test_replay_under_another_endpoint_and_role(tmp_path):
    with ChatServer(answer=echo) as server:
        [first] = live(server, tmp_path).ask([chat_request()])
    elsewhere = Chat({"other": {"kind": "openai"}}, tmp_path, "replay")
    assert elsewhere.ask([chat_request(endpoint="other", role="refine", fields={})]) == [first]


def test_replay_names_what_is_missing(tmp_path):
    with ChatServer(answer=echo) as server:
        live(server, tmp_path).ask(chat_requests(2))
        calls = len(server.calls)
        with pytest.raises(SetupError) as error:
            Chat({"server": server.endpoint()}, tmp_path, "replay").ask(chat_requests(7))
        assert len(server.calls) == calls
    message = str(error.value)
    assert message.startswith("5 of 7 exchanges are missing")
    assert f"{chat_requests(3)[2].digest} (rewrite 2)" in message
    assert "and 2 more" in message
    assert "exchanges: live" in message


@pytest.mark.parametrize(
    ("model", "weights", "named"),
    [
        ("/none/qwen", "revision:v1", True),
        ("lab/mine", "revision:main", True),
        ("/none/qwen", "commit:" + "c" * 40, False),
        ("/none/qwen", "sha256:" + "d" * 64, False),
        (".", "revision:v1", False),
    ],
)
def test_replay_names_weights_without_which_answers_cannot_be_found(tmp_path, model, weights, named):
    entry = {"kind": "vllm", "model": model, "revision": "v1", "version": "0.33.0"}
    requests = [replace(each, endpoint="own", served={"weights": weights}) for each in chat_requests(3)]
    with pytest.raises(SetupError) as error:
        Chat({"own": entry}, tmp_path, "replay").ask(requests)
    message = str(error.value)
    assert message.startswith("3 of 3 exchanges are missing")
    assert ("unpack the study's exchanges there" in message) != named
    if named:
        said = (
            "endpoint 'own' are recorded under the content or the commit of its weights, but neither a file or folder"
        )
        assert f"{said} {model!r}" in message
        assert "put the weights there or set `model` to their place" in message


def test_damaged_exchange_is_missing_in_replay_and_replaced_in_live(tmp_path):
    with ChatServer(answer=echo) as server:
        [first] = live(server, tmp_path).ask([chat_request()])
        path = exchange_store.exchange_path(tmp_path, first.digest)
        path.write_text("{torn", encoding="utf-8")
        with pytest.raises(SetupError, match="1 of them damaged: " + first.digest):
            Chat({"server": server.endpoint()}, tmp_path, "replay").ask([chat_request()])
        assert live(server, tmp_path).ask([chat_request()])[0].text == first.text
        assert len(server.calls) == 2
    assert exchange_store.damaged_exchanges(tmp_path) == []


def test_temporary_errors_are_retried(tmp_path, monkeypatch):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)
    faults = iter([429, 429])
    with ChatServer(answer=echo, fault=lambda *_: next(faults, None)) as server:
        [reply] = live(server, tmp_path, max_retries=2).ask([chat_request()])
        assert len(server.calls) == 3
    assert reply.status == "ok"


@pytest.mark.parametrize(
    ("fault", "message"), [(503, "HTTP 503"), (429, "HTTP 429"), ("close", "closed the connection")]
)
def test_errors_are_reported_after_the_other_answers_are_recorded(tmp_path, fault, message):
    with ChatServer(answer=echo, fault=lambda role, prompt: fault if prompt in "13" else None) as server:
        with pytest.raises(SetupError, match="Endpoint 'server'") as error:
            live(server, tmp_path).ask(chat_requests(6))
        assert message in str(error.value)
        assert "2 of 6 calls are unanswered, recorded answers are kept: run again" in str(error.value)
        server.fault = None
        server.calls.clear()
        live(server, tmp_path).ask(chat_requests(6))
        assert len(server.calls) == 2


@pytest.mark.parametrize("error", [{"message": "schema not supported", "code": None}, "schema not supported"])
def test_an_error_500_that_all_tries_end_with_is_a_failed_row_in_the_servers_words(tmp_path, monkeypatch, error):
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.01)
    with ChatServer(answer=echo, fault=lambda role, prompt: (500, error) if prompt in "13" else None) as server:
        replies = live(server, tmp_path, max_retries=2).ask(chat_requests(6))
        assert [reply.status for reply in replies] == ["ok", "failed", "ok", "failed", "ok", "ok"]
        assert len(server.calls) == 4 + 2 * 3
    assert "HTTP 500: schema not supported" in replies[1].reason


def test_a_model_that_cannot_see_images_stops_the_endpoint_at_once(tmp_path):
    image = tmp_path / "fox.png"
    image.write_bytes(placeholder_png("a fox"))
    requests = [chat_request(f"Prompt: {n}", images=(image,)) for n in range(20)]
    with ChatServer(fault=lambda *_: (500, "image input is not supported by this server")) as server:
        with pytest.raises(SetupError, match="cannot show images to the model 'some-model'") as error:
            live(server, tmp_path / "store", in_flight=2, max_retries=3).ask(requests)
        assert len(server.calls) <= 3
    assert "image input is not supported by this server" in str(error.value)


def test_timeout_is_reported(tmp_path):
    with (
        ChatServer(answer=echo, delay_s=0.6) as server,
        pytest.raises(SetupError, match=r"gave no answer within 0\.2 s"),
    ):
        live(server, tmp_path, timeout_s=0.2).ask([chat_request()])


def test_endpoint_that_never_answers_is_abandoned(tmp_path, monkeypatch):
    monkeypatch.setattr(endpoint_state, "MAX_CONSECUTIVE_FAILURES", 3)
    with ChatServer(fault=lambda *_: 503) as server:
        with pytest.raises(SetupError, match="10 of 10 calls are unanswered"):
            live(server, tmp_path, in_flight=1).ask(chat_requests(10))
        assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("fault", "messages"),
    [
        (401, ["did not accept the key", "environment variable TEST_KEY"]),
        (403, ["did not accept the key", "environment variable TEST_KEY"]),
        (404, ["cannot serve the model 'some-model'"]),
        ((404, {"message": "no such model", "code": "model_not_found"}), ["cannot serve the model 'some-model'"]),
        ((400, {"message": "no temperature", "code": "unsupported_parameter"}), ["its options"]),
        ((429, {"message": "quota", "code": "insufficient_quota"}), ["has no credit left"]),
    ],
)
def test_wrong_set_up_stops_at_once_with_a_remedy(tmp_path, monkeypatch, fault, messages):
    monkeypatch.setenv("TEST_KEY", "a key")
    with ChatServer(fault=lambda *_: fault) as server:
        started = time.monotonic()
        with pytest.raises(SetupError) as error:
            live(server, tmp_path, key_env="TEST_KEY", in_flight=4, max_retries=3).ask(chat_requests(50))
        assert len(server.calls) <= 5 and time.monotonic() - started < 5
    assert all(message in str(error.value) for message in messages)
    assert "50 of 50 calls are unanswered" in str(error.value)
    assert "\n" not in str(error.value)


def test_refused_connection_stops_early(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ChatServer()
    chat = live(server, tmp_path, base_url=f"http://name:secret@127.0.0.1:{port}/v1", max_retries=1)
    server._server.server_close()
    started = time.monotonic()
    with pytest.raises(SetupError, match=f"could not be reached at http://127.0.0.1:{port}; start it") as error:
        chat.ask(chat_requests(200))
    assert time.monotonic() - started < 5
    assert "secret" not in str(error.value)


def test_missing_key_is_reported_before_any_call(tmp_path, monkeypatch):
    monkeypatch.delenv("TEST_KEY", raising=False)
    with ChatServer(answer=echo) as server:
        endpoints = {"server": server.endpoint(), "paid": server.endpoint(key_env="TEST_KEY")}
        with pytest.raises(SetupError, match="set the environment variable TEST_KEY"):
            Chat(endpoints, tmp_path, "live").ask([chat_request(), chat_request("Prompt: b", endpoint="paid")])
        assert server.calls == []


def test_recorded_answers_survive_a_kill(tmp_path):
    def killed():
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt

    done = []
    with ChatServer(answer=echo) as server:
        with pytest.raises(KeyboardInterrupt):
            live(server, tmp_path, in_flight=1).ask(chat_requests(8), killed)
        kept = len(list(tmp_path.glob("*/*.json")))
        assert kept >= 3
        server.calls.clear()
        assert len(live(server, tmp_path, in_flight=1).ask(chat_requests(8))) == 8
        assert len(server.calls) == 8 - kept
    assert exchange_store.damaged_exchanges(tmp_path) == []


def test_wrong_config_is_reported(tmp_path):
    with pytest.raises(InputError, match="live or replay, got 'auto'"):
        Chat({}, tmp_path, "auto")
    with pytest.raises(InputError, match="endpoint 'server' is not in the config; known: a, b"):
        Chat({"b": {}, "a": {}}, tmp_path, "live").ask([chat_request()])
    with pytest.raises(InputError, match="kind must be one of openai, .*offline, got 'magic'"):
        Chat({"server": {"kind": "magic", "in_flight": 1}}, tmp_path, "live").ask([chat_request()])
    offline = {"server": {"kind": "offline", "in_flight": 1, "batch": True}}
    with pytest.raises(InputError, match="endpoint 'server': `batch` needs kind openai or vllm, got 'offline'"):
        Chat(offline, tmp_path, "live").ask([chat_request()])


def test_offline_run_does_not_import_openai(tmp_path):
    code = (
        "import sys; from pathlib import Path\n"
        "from detailscribe.llm.client import Chat\n"
        "from detailscribe.llm.request import Request\n"
        "chat = Chat({'o': {'kind': 'offline', 'in_flight': 1}}, Path(sys.argv[1]), 'live')\n"
        "fields = {'prompt': 'a fox'}\n"
        "[reply] = chat.ask([Request('rewrite', 'o', 'm', [{'role': 'user', 'content': 'x'}], fields=fields)])\n"
        "assert reply.served_model == 'offline-stand-in-3' and 'openai' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_failure_is_kept_for_replay_and_replaced_by_an_answer(tmp_path):
    with ChatServer(answer=echo, fault=lambda *_: 400) as server:
        [failed] = live(server, tmp_path).ask([chat_request()])
        replay = Chat({"server": server.endpoint()}, tmp_path, "replay")
        assert [(reply.status, reply.reason) for reply in replay.ask([chat_request()])] == [("failed", failed.reason)]
        server.fault = None
        live(server, tmp_path).ask([chat_request()])
    assert [reply.status for reply in replay.ask([chat_request()])] == ["ok"]
