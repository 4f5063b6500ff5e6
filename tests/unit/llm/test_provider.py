"""OpenAI-compatible provider: request bodies, parsed responses, and the key nowhere but in the request's header."""

import base64
import json
import logging
import traceback

import pytest
from PIL import Image

from detailscribe.errors import SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.miniature.stand_in_content import placeholder_png
from tests.chat_replies import chat_body
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import chat_request, chat_requests, echo, live

KEY = "sk-planted-0123456789abcdef"


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
        [reply] = live(server, tmp_path).ask([chat_request()])
        assert (reply.status, reason in reply.reason) == ("refused", True)
        assert live(server, tmp_path).ask([chat_request()]) == [reply]
        assert len(server.calls) == 1


@pytest.mark.parametrize(
    "fault",
    [400, 413, 422, "garbage", "empty", "blank", {"a": 1}, {"choices": "none"}, {"choices": [{"message": "text"}]}],
)
def test_failure_has_a_reason_and_is_requested_again(tmp_path, fault):
    with ChatServer(answer=echo, fault=lambda role, prompt: fault if prompt == "1" else None) as server:
        replies = live(server, tmp_path).ask(chat_requests(3))
        assert [reply.status for reply in replies] == ["ok", "failed", "ok"]
        assert replies[1].reason
        server.fault = None
        assert [reply.status for reply in live(server, tmp_path).ask(chat_requests(3))] == ["ok"] * 3
        assert len(server.calls) == 4


def test_reply_at_the_token_limit_is_ok_with_its_finish_reason(tmp_path):
    with ChatServer(fault=lambda *_: chat_body("<a fox", finish_reason="length")) as server:
        [reply] = live(server, tmp_path).ask([chat_request()])
    assert (reply.status, reply.finish_reason) == ("ok", "length")
    assert exchange_store.recorded_reply(tmp_path, reply.digest).finish_reason == "length"


def test_lone_surrogate_in_an_answer_is_replaced(tmp_path):
    with ChatServer(answer=lambda body: "<a fox \ud83d>") as server:
        [reply] = live(server, tmp_path).ask([chat_request()])
    assert (reply.status, reply.text) == ("ok", "<a fox ?>")
    assert exchange_store.recorded_reply(tmp_path, reply.digest).text == reply.text


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
            shown = repr(live(server, tmp_path, key_env="TEST_KEY").ask([chat_request()]))
        except SetupError:
            shown = traceback.format_exc()
        assert server.calls[0]["headers"]["authorization"] == f"Bearer {KEY}"
    kept = "".join(path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json"))
    assert kept or how in (400, 401, 404, 422, 500)
    for secret in (KEY, "org-abcdefghijkl012345", "sk-abc***", "Bearer"):
        assert secret not in shown + kept
    assert KEY not in caplog.text


def test_images_are_attached_to_the_last_user_message_with_their_type(tmp_path):
    png, jpeg = tmp_path / "a.jpeg", tmp_path / "b.jpeg"
    png.write_bytes(placeholder_png("x"))
    Image.new("RGB", (4, 4)).save(jpeg, "JPEG")
    with ChatServer(answer=lambda body: "<fine>") as server:
        live(server, tmp_path / "store").ask([chat_request(images=(png, jpeg))])
        system, user = server.calls[0]["body"]["messages"]
    assert system["content"] == "system"
    text, *images = user["content"]
    assert text == {"type": "text", "text": "Prompt: a fox"}
    kinds, data = zip(*(image["image_url"]["url"].split(";base64,") for image in images), strict=True)
    assert kinds == ("data:image/png", "data:image/jpeg")
    assert [base64.b64decode(each) for each in data] == [png.read_bytes(), jpeg.read_bytes()]


def test_file_that_is_not_an_image_fails_alone(tmp_path):
    (tmp_path / "a.png").write_text("not an image", encoding="utf-8")
    with ChatServer(answer=echo) as server:
        replies = live(server, tmp_path / "store").ask([chat_request(images=(tmp_path / "a.png",)), *chat_requests(2)])
    assert [reply.status for reply in replies] == ["failed", "ok", "ok"]
    assert "a.png" in replies[0].reason


def test_options_are_sent_unchanged(tmp_path):
    options = {"temperature": 0.5, "top_k": 3, "response_format": {"type": "json_object"}}
    with ChatServer(answer=echo) as server:
        live(server, tmp_path).ask([chat_request(options=options, draw=7)])
        body = server.calls[0]["body"]
    assert body.keys() == {"model", "messages", *options}
    assert {name: body[name] for name in options} == options


def test_usage_and_cost_are_recorded(tmp_path):
    with ChatServer(answer=echo) as server:
        [reply] = live(server, tmp_path).ask([chat_request()])
    exchange = json.loads(exchange_store.exchange_path(tmp_path, reply.digest).read_text(encoding="utf-8"))
    assert reply.usage == exchange["usage"] == {"input_tokens": 100, "output_tokens": 20}
    assert exchange["cost_usd"] == pytest.approx((100 * 2 + 20 * 8) / 1e6)


@pytest.mark.parametrize("kind", ["openai", "offline"])
def test_image_request_gives_a_file_beside_its_exchange(tmp_path, kind):
    with ChatServer() as server:
        ask = Chat({"server": server.endpoint(kind=kind)}, tmp_path, "live").ask
        request = chat_request("a fox", kind="image", role="image", options={"size": "1024x1024"})
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
def test_invalid_image_answers_have_a_status(tmp_path, fault, status):
    with ChatServer(refuse=lambda *_: True, fault=lambda *_: fault) as server:
        [reply] = live(server, tmp_path).ask([chat_request("a fox", kind="image")])
    assert (reply.status, reply.image) == (status, None)
    assert reply.reason
