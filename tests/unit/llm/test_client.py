"""Asking: nothing twice, many at a time, every answer kept, and the key nowhere but in the request's header."""

import base64
import json
import logging
import socket
import subprocess
import sys
import time
import traceback

import pytest
from PIL import Image

from detailscribe.errors import InputError, SetupError
from detailscribe.llm import client as client_module
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.miniature import stand_in
from tests.chat_server import ChatServer, chat_body

KEY = "sk-planted-0123456789abcdef"


def question(text="Prompt: a fox", **changes) -> Request:
    messages = [{"role": "system", "content": "system"}, {"role": "user", "content": text}]
    values = {"role": "rewrite", "endpoint": "server", "model": "some-model", "messages": messages}
    return Request(**values | {"fields": {"id": text.removeprefix("Prompt: ")}} | changes)


def questions(count) -> list[Request]:
    return [question(f"Prompt: {n}") for n in range(count)]


def live(server, store, **changes) -> Chat:
    return Chat({"server": server.endpoint(**changes)}, store, "live")


def echo(body):
    return "<answer to " + body["messages"][-1]["content"] + ">"


def test_replies_come_in_order_and_identical_requests_are_asked_once(tmp_path):
    done = []
    requests = [*questions(5), *reversed(questions(5))]
    with ChatServer(answer=echo) as server:
        replies = live(server, tmp_path).ask(requests, lambda done=done: done.append(1))
        assert len(server.calls) == 5
    assert [reply.text for reply in replies] == [f"<answer to Prompt: {n}>" for n in [0, 1, 2, 3, 4, 4, 3, 2, 1, 0]]
    assert len(done) == 10
    assert {reply.served_model for reply in replies} == {"some-model"}


def test_calls_run_at_once_up_to_the_bound(tmp_path):
    with ChatServer(answer=echo, delay_s=0.1) as server:
        live(server, tmp_path / "warm").ask(questions(1))
        started = time.monotonic()
        live(server, tmp_path, in_flight=4).ask(questions(16))
        took = time.monotonic() - started
        assert server.most_at_once == 4
    assert took < 1.2, "16 calls of 0.1 s, one after another, take 1.6 s"


def test_store_replays_without_network_and_key(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    with ChatServer(answer=echo) as server:
        first = live(server, tmp_path, key_env="TEST_KEY").ask(questions(3))
        endpoint = server.endpoint(key_env="TEST_KEY", base_url="http://127.0.0.1:9/v1")
    monkeypatch.delenv("TEST_KEY")
    for mode in ("live", "replay"):
        done = []
        assert Chat({"server": endpoint}, tmp_path, mode).ask(questions(3), lambda done=done: done.append(1)) == first
        assert len(done) == 3


def test_replay_under_another_endpoint_and_role(tmp_path):
    with ChatServer(answer=echo) as server:
        [first] = live(server, tmp_path).ask([question()])
    elsewhere = Chat({"other": {"kind": "openai"}}, tmp_path, "replay")
    assert elsewhere.ask([question(endpoint="other", role="refine", fields={})]) == [first]


def test_replay_names_what_is_missing(tmp_path):
    with ChatServer(answer=echo) as server:
        live(server, tmp_path).ask(questions(2))
        calls = len(server.calls)
        with pytest.raises(SetupError) as error:
            Chat({"server": server.endpoint()}, tmp_path, "replay").ask(questions(7))
        assert len(server.calls) == calls
    message = str(error.value)
    assert message.startswith("5 of 7 exchanges are missing")
    assert f"{questions(3)[2].digest} (rewrite 2)" in message
    assert "and 2 more" in message
    assert "exchanges: live" in message


def test_damaged_exchange_is_missing_in_replay_and_replaced_in_live(tmp_path):
    with ChatServer(answer=echo) as server:
        [first] = live(server, tmp_path).ask([question()])
        path = exchange_store.exchange_path(tmp_path, first.digest)
        path.write_text("{torn", encoding="utf-8")
        with pytest.raises(SetupError, match="1 of them damaged: " + first.digest):
            Chat({"server": server.endpoint()}, tmp_path, "replay").ask([question()])
        assert live(server, tmp_path).ask([question()])[0].text == first.text
        assert len(server.calls) == 2
    assert exchange_store.check(tmp_path) == []


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        (None, "the model declined: This goes against the rules."),
        (chat_body(None, finish_reason="content_filter"), "content filter"),
        ((400, {"message": "flagged", "code": "content_policy_violation"}), "the provider declined: flagged"),
        ((400, {"message": "flagged", "code": "content_filter"}), "the provider declined: flagged"),
    ],
)
def test_refusal_is_an_answer_and_is_kept(tmp_path, fault, reason):
    with ChatServer(refuse=lambda *_: True, fault=lambda *_: fault) as server:
        [reply] = live(server, tmp_path).ask([question()])
        assert (reply.status, reason in reply.reason) == ("refused", True)
        assert live(server, tmp_path).ask([question()]) == [reply]
        assert len(server.calls) == 1


@pytest.mark.parametrize(
    "fault",
    [400, 413, 422, "garbage", "empty", "blank", {"a": 1}, {"choices": "none"}, {"choices": [{"message": "text"}]}],
)
def test_failure_is_a_reason_and_is_asked_again(tmp_path, fault):
    with ChatServer(answer=echo, fault=lambda role, prompt: fault if prompt == "1" else None) as server:
        replies = live(server, tmp_path).ask(questions(3))
        assert [reply.status for reply in replies] == ["ok", "failed", "ok"]
        assert replies[1].reason
        server.fault = None
        assert [reply.status for reply in live(server, tmp_path).ask(questions(3))] == ["ok"] * 3
        assert len(server.calls) == 4


def test_reply_at_the_token_limit_is_ok_and_noted(tmp_path):
    with ChatServer(fault=lambda *_: chat_body("<a fox", finish_reason="length")) as server:
        [reply] = live(server, tmp_path).ask([question()])
    assert (reply.status, reply.finish_reason) == ("ok", "length")
    assert exchange_store.read(tmp_path, reply.digest).finish_reason == "length"


def test_client_retries_what_passes(tmp_path):
    faults = iter([429, 429])
    with ChatServer(answer=echo, fault=lambda *_: next(faults, None)) as server:
        [reply] = live(server, tmp_path, max_retries=2).ask([question()])
        assert len(server.calls) == 3
    assert reply.status == "ok"


@pytest.mark.parametrize(("fault", "said"), [(500, "HTTP 500"), (429, "HTTP 429"), ("close", "closed the connection")])
def test_trouble_is_told_after_the_others_are_kept(tmp_path, fault, said):
    with ChatServer(answer=echo, fault=lambda role, prompt: fault if prompt in "13" else None) as server:
        with pytest.raises(SetupError, match="Endpoint 'server'") as error:
            live(server, tmp_path).ask(questions(6))
        assert said in str(error.value)
        assert "2 of 6 calls are left, what was answered is kept: run again" in str(error.value)
        server.fault = None
        server.calls.clear()
        live(server, tmp_path).ask(questions(6))
        assert len(server.calls) == 2


def test_timeout_is_told(tmp_path):
    with (
        ChatServer(answer=echo, delay_s=0.6) as server,
        pytest.raises(SetupError, match=r"gave no answer within 0\.2 s"),
    ):
        live(server, tmp_path, timeout_s=0.2).ask([question()])


def test_endpoint_that_never_answers_is_left_alone(tmp_path, monkeypatch):
    monkeypatch.setattr(client_module, "PATIENCE", 3)
    with ChatServer(fault=lambda *_: 500) as server:
        with pytest.raises(SetupError, match="10 of 10 calls are left"):
            live(server, tmp_path, in_flight=1).ask(questions(10))
        assert len(server.calls) == 3


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (401, "environment variable TEST_KEY"),
        (403, "environment variable TEST_KEY"),
        (404, "cannot serve the model 'some-model'"),
        ((400, {"message": "no temperature", "code": "unsupported_parameter"}), "its options"),
        ((429, {"message": "quota", "code": "insufficient_quota"}), "no credit left"),
    ],
)
def test_wrong_set_up_stops_early_and_says_what_to_do(tmp_path, monkeypatch, fault, said):
    monkeypatch.setenv("TEST_KEY", KEY)
    with ChatServer(fault=lambda *_: fault) as server:
        with pytest.raises(SetupError) as error:
            live(server, tmp_path, key_env="TEST_KEY", in_flight=2).ask(questions(30))
        assert len(server.calls) <= 4
    assert said in str(error.value)
    assert "30 of 30 calls are left" in str(error.value)
    assert str(error.value).count("\n") == 0


def test_refused_connection_stops_early(tmp_path):
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = ChatServer()
    chat = live(server, tmp_path, base_url=f"http://name:secret@127.0.0.1:{port}/v1", max_retries=1)
    server._server.server_close()
    started = time.monotonic()
    with pytest.raises(SetupError, match=f"could not be reached at http://127.0.0.1:{port}; start it") as error:
        chat.ask(questions(200))
    assert time.monotonic() - started < 5
    assert "secret" not in str(error.value)


def test_missing_key_is_told_before_any_call(tmp_path, monkeypatch):
    monkeypatch.delenv("TEST_KEY", raising=False)
    with ChatServer(answer=echo) as server:
        endpoints = {"server": server.endpoint(), "paid": server.endpoint(key_env="TEST_KEY")}
        with pytest.raises(SetupError, match="set the environment variable TEST_KEY"):
            Chat(endpoints, tmp_path, "live").ask([question(), question("Prompt: b", endpoint="paid")])
        assert server.calls == []


@pytest.mark.parametrize("how", ["reply", "refusal", "model", 400, 401, 404, 422, 500, "code"])
def test_key_is_in_the_header_and_nowhere_else(tmp_path, monkeypatch, caplog, how):
    monkeypatch.setenv("TEST_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    said = {"message": f"bad key {KEY} of org-abcdefghijkl012345 sk-abc*********wxyz", "code": None}
    bodies = {
        "reply": chat_body(f"<my key is {KEY}>"),
        "refusal": chat_body(None, f"not with {KEY}"),
        "model": chat_body("<fine>") | {"model": KEY},
        "code": (400, said | {"code": "content_filter"}),
    }
    shown = ""
    with ChatServer(fault=lambda *_: bodies.get(how) or (how, said)) as server:
        try:
            shown = repr(live(server, tmp_path, key_env="TEST_KEY").ask([question()]))
        except SetupError:
            shown = traceback.format_exc()
        assert server.calls[0]["headers"]["authorization"] == f"Bearer {KEY}"
    kept = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json"))
    assert kept or how in (400, 401, 404, 422, 500)
    for secret in (KEY, "org-abcdefghijkl012345", "sk-abc***", "Bearer"):
        assert secret not in shown + kept
    assert KEY not in caplog.text


def test_what_was_answered_survives_a_kill(tmp_path):
    def killed():
        done.append(1)
        if len(done) == 3:
            raise KeyboardInterrupt

    done = []
    with ChatServer(answer=echo) as server:
        with pytest.raises(KeyboardInterrupt):
            live(server, tmp_path, in_flight=1).ask(questions(8), killed)
        kept = len(list(tmp_path.glob("*/*.json")))
        assert kept >= 3
        server.calls.clear()
        assert len(live(server, tmp_path, in_flight=1).ask(questions(8))) == 8
        assert len(server.calls) == 8 - kept
    assert exchange_store.check(tmp_path) == []


def test_images_are_attached_to_the_last_user_message_with_their_type(tmp_path):
    png, jpeg = tmp_path / "a.jpeg", tmp_path / "b.jpeg"
    png.write_bytes(stand_in.picture("x"))
    Image.new("RGB", (4, 4)).save(jpeg, "JPEG")
    with ChatServer(answer=lambda body: "<fine>") as server:
        live(server, tmp_path / "store").ask([question(images=(png, jpeg))])
        system, user = server.calls[0]["body"]["messages"]
    assert system["content"] == "system"
    text, *images = user["content"]
    assert text == {"type": "text", "text": "Prompt: a fox"}
    kinds, data = zip(*(image["image_url"]["url"].split(";base64,") for image in images), strict=True)
    assert kinds == ("data:image/png", "data:image/jpeg")
    assert [base64.b64decode(each) for each in data] == [png.read_bytes(), jpeg.read_bytes()]


def test_file_that_is_no_image_fails_alone(tmp_path):
    (tmp_path / "a.png").write_text("not an image", encoding="utf-8")
    with ChatServer(answer=echo) as server:
        replies = live(server, tmp_path / "store").ask([question(images=(tmp_path / "a.png",)), *questions(2)])
    assert [reply.status for reply in replies] == ["failed", "ok", "ok"]
    assert "a.png" in replies[0].reason


def test_options_are_sent_as_they_are(tmp_path):
    options = {"temperature": 0.5, "top_k": 3, "response_format": {"type": "json_object"}}
    with ChatServer(answer=echo) as server:
        live(server, tmp_path).ask([question(options=options, draw=7)])
        body = server.calls[0]["body"]
    assert body.keys() == {"model", "messages", *options}
    assert {name: body[name] for name in options} == options


def test_usage_and_cost_are_recorded(tmp_path):
    with ChatServer(answer=echo) as server:
        [reply] = live(server, tmp_path).ask([question()])
    exchange = json.loads(exchange_store.exchange_path(tmp_path, reply.digest).read_text(encoding="utf-8"))
    assert reply.usage == exchange["usage"] == {"input_tokens": 100, "output_tokens": 20}
    assert exchange["cost_usd"] == pytest.approx((100 * 2 + 20 * 8) / 1e6)


@pytest.mark.parametrize("kind", ["openai", "offline"])
def test_image_request_gives_a_file_beside_its_exchange(tmp_path, kind):
    with ChatServer() as server:
        ask = Chat({"server": server.endpoint(kind=kind)}, tmp_path, "live").ask
        request = question("a fox", kind="image", role="image", options={"size": "1024x1024"})
        [reply] = ask([request])
        assert ask([request]) == [reply]
        bodies = [call["body"] for call in server.calls]
    assert reply.status == "ok"
    assert reply.image.parent == exchange_store.exchange_path(tmp_path, reply.digest).parent
    assert Image.open(reply.image).format == "PNG"
    if kind == "openai":
        assert bodies == [{"model": "some-model", "prompt": "a fox", "n": 1, "size": "1024x1024"}]
    [replayed] = Chat({"server": {"kind": kind}}, tmp_path, "replay").ask([request])
    assert replayed == reply


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (None, "refused"),
        ({"data": []}, "failed"),
        ({"data": [{"b64_json": "bm8gaW1hZ2U="}]}, "failed"),
        ({"data": [{"b64_json": "iVBORw0KGgpydWJiaXNo"}]}, "failed"),  # a PNG's first bytes, then rubbish
        ({"data": [{"url": "file:///etc/hostname"}]}, "failed"),
        ({"data": [{"url": "http://127.0.0.1:9/a.png"}]}, "failed"),
        ("garbage", "failed"),
    ],
)
def test_bad_image_answers_have_a_status(tmp_path, fault, status):
    with ChatServer(refuse=lambda *_: True, fault=lambda *_: fault) as server:
        [reply] = live(server, tmp_path).ask([question("a fox", kind="image")])
    assert (reply.status, reply.image) == (status, None)
    assert reply.reason


def test_wrong_config_is_named(tmp_path):
    with pytest.raises(InputError, match="live or replay, got 'auto'"):
        Chat({}, tmp_path, "auto")
    with pytest.raises(InputError, match="endpoint 'server' is not in the config; known: a, b"):
        Chat({"b": {}, "a": {}}, tmp_path, "live").ask([question()])
    with pytest.raises(InputError, match="kind must be openai or offline, got 'magic'"):
        Chat({"server": {"kind": "magic", "in_flight": 1}}, tmp_path, "live").ask([question()])


def test_offline_run_does_not_load_the_client(tmp_path):
    code = (
        "import sys; from pathlib import Path; from detailscribe.llm.client import Chat, Request\n"
        "chat = Chat({'o': {'kind': 'offline', 'in_flight': 1}}, Path(sys.argv[1]), 'live')\n"
        "fields = {'prompt': 'a fox'}\n"
        "[reply] = chat.ask([Request('rewrite', 'o', 'm', [{'role': 'user', 'content': 'x'}], fields=fields)])\n"
        "assert reply.served_model == 'offline-stand-in' and 'openai' not in sys.modules\n"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)


def test_a_failure_is_kept_for_replay_and_gives_way_to_an_answer(tmp_path):
    with ChatServer(answer=echo, fault=lambda *_: 400) as server:
        [failed] = live(server, tmp_path).ask([question()])
        replay = Chat({"server": server.endpoint()}, tmp_path, "replay")
        assert [(reply.status, reply.reason) for reply in replay.ask([question()])] == [("failed", failed.reason)]
        server.fault = None
        live(server, tmp_path).ask([question()])
    assert [reply.status for reply in replay.ask([question()])] == ["ok"]


def test_half_a_character_in_an_answer_is_replaced_and_can_be_kept(tmp_path):
    with ChatServer(answer=lambda body: "<a fox \ud83d>") as server:
        [reply] = live(server, tmp_path).ask([question()])
    assert (reply.status, reply.text) == ("ok", "<a fox ?>")
    assert exchange_store.read(tmp_path, reply.digest).text == reply.text
