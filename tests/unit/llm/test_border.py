"""The border to a server: bounded in size, depth and time, silent about secrets, and never another exception."""

import gzip
import json
import logging
import random
import time
import tracemalloc

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.openai_api import connection, responses
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.openai_api.responses import read_usage
from detailscribe.llm.request import Answer
from tests.chat_replies import chat_body
from tests.unit.llm.helpers import chat_request
from tests.unit.llm.planted_server import PlantedServer, call_once, planted

KEY = "sk-planted-0123456789abcdef"
FINE = json.dumps(chat_body("<fine>")).encode()
IMAGE = chat_request("a fox", kind="image", role="image")


def failed_in_time(result: Answer | EndpointError) -> str:
    """The reason of a call that is asked again and then a failed row."""
    assert isinstance(result, EndpointError) and result.retryable and result.fallback
    assert result.fallback.status == "failed"
    return result.fallback.reason


@pytest.mark.parametrize(
    "body",
    [b"[" * 200_000, b'{"a":' * 200_000, b'{"choices": ' + b"[" * 99_000 + b"]" * 99_000 + b"}", b"\xff\xfe{", b""],
    ids=["open", "objects", "closed", "UTF-16", "nothing"],
)
@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_body_of_any_depth_is_an_answer_or_an_endpoint_error(body, status):
    with planted(body, status) as server:
        result = call_once(server.endpoint(), chat_request())
    if status == 200:
        assert "could not be read" in failed_in_time(result)


def test_huge_and_odd_counts_are_no_usage():
    with planted(json.dumps(chat_body("<a>")).replace("100", "1" + "0" * 400).encode()) as server:
        result = call_once(server.endpoint(), chat_request())
    assert "more than 400 digits" in failed_in_time(result)
    big = chat_body("<a>") | {"usage": {"prompt_tokens": 10**300, "completion_tokens": 1}}
    with planted(json.dumps(big).encode()) as server:
        result = call_once(server.endpoint(), chat_request())
    assert isinstance(result, Answer) and (result.status, result.usage) == ("ok", None)


@pytest.mark.parametrize(
    ("usage", "counts"),
    [
        ({"prompt_tokens": 20.0, "completion_tokens": 0}, (20, 0)),
        ({"input_tokens": 20, "output_tokens": 3}, (20, 3)),
        ({"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 123}, (20, 103)),
        ({"prompt_tokens": 20, "completion_tokens": 3, "total_tokens": 10**12}, (20, 3)),
        ({"prompt_tokens": 10**9, "completion_tokens": 3}, None),
        ({"prompt_tokens": True, "completion_tokens": 3}, None),
        ({"prompt_tokens": -1, "completion_tokens": 3}, None),
        ({"prompt_tokens": float("inf"), "completion_tokens": 3}, None),
        ({"prompt_tokens": float("nan"), "completion_tokens": 3}, None),
        ({"prompt_tokens": "20", "completion_tokens": 3}, None),
        ({"prompt_tokens": 20}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_count_is_a_whole_number_within_bounds(usage, counts):
    assert read_usage(usage) == (counts and {"input_tokens": counts[0], "output_tokens": counts[1]})


@pytest.mark.parametrize("status", [200, 400, 500])
def test_a_small_archive_of_a_huge_body_costs_no_memory(monkeypatch, status):
    monkeypatch.setattr(connection, "CHAT_BYTES", 4 * connection.MIB)
    bomb = gzip.compress(b'{"a": "' + b"x" * 100_000_000 + b'"}')
    with planted(bomb, status, Content_Encoding="gzip") as server:
        tracemalloc.start()
        result = call_once(server.endpoint(timeout_s=60), chat_request())
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert "larger than 4 MiB" in failed_in_time(result) and peak < 40_000_000


def test_a_length_beside_chunks_is_not_believed(monkeypatch):
    monkeypatch.setattr(connection, "CHAT_BYTES", connection.MIB)
    sent = list[int]()

    def respond(*_):
        head = {"Content-Length": "10", "Transfer-Encoding": "chunked"}
        return 200, head, chunks()

    def chunks():
        for number in range(4000):
            sent.append(number)
            yield b"10000\r\n" + b"x" * 2**16 + b"\r\n"

    with PlantedServer(respond) as server:
        result = call_once(server.endpoint(), chat_request())
    assert "larger than 1 MiB" in failed_in_time(result) and len(sent) < 1000


def test_a_compressed_reply_is_read():
    with planted(gzip.compress(FINE), Content_Encoding="gzip") as server:
        result = call_once(server.endpoint(), chat_request())
    assert isinstance(result, Answer) and result.text == "<fine>"


def dripping(*_):
    return 200, {}, drops()


def drops():
    for byte in FINE * 100:
        time.sleep(0.05)
        yield bytes([byte])


@pytest.mark.parametrize("how", ["chat", "image", "image behind an address"])
def test_the_time_limit_holds_for_the_whole_of_a_dripping_answer(how):
    def respond(method, path):
        if method == "POST" and how == "image behind an address":
            body = json.dumps({"data": [{"url": f"{server.address}/a.png"}]}).encode()
            return 200, {"Content-Length": str(len(body))}, [body]
        return dripping()

    with PlantedServer(respond) as server:
        started = time.monotonic()
        result = call_once(server.endpoint(timeout_s=0.6), chat_request() if how == "chat" else IMAGE)
        took = time.monotonic() - started
    assert isinstance(result, EndpointError) and result.retryable and took < 3
    assert "within 0.6 s" in str(result) or "no whole image within" in str(result)


def test_a_dripping_error_times_out(tmp_path):
    with PlantedServer(lambda *_: (500, {}, drops())) as server:
        started = time.monotonic()
        result = call_once(server.endpoint(timeout_s=0.6), chat_request())
    assert isinstance(result, EndpointError) and result.may_be_billed and time.monotonic() - started < 3


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_to_another_host_is_refused_in_a_sentence(status):
    with planted(FINE) as other, planted(b"", status, Location=f"{other.address}/v1/elsewhere?key={KEY}") as server:
        result = call_once(server.endpoint(), chat_request())
        assert other.calls == [], "no prompt follows"
    assert isinstance(result, EndpointError) and not result.retryable
    assert f"redirects to another host ({other.address})" in str(result) and KEY not in str(result)


def test_a_redirect_that_loses_the_question_names_the_setting():
    with planted(b"", 301, Location="/v1/chat/completions/") as server:
        result = call_once(server.endpoint(), chat_request())
        assert len(server.calls) == 1
    assert isinstance(result, EndpointError) and not result.retryable and "put its address into" in str(result)


def test_a_redirect_on_the_same_host_is_followed_and_a_circle_is_not():
    def respond(method, path):
        if path == "/v1/chat/completions":
            return 307, {"Location": "/v2/chat/completions", "Content-Length": "0"}, []
        return 200, {"Content-Length": str(len(FINE))}, [FINE]

    with PlantedServer(respond) as server:
        result = call_once(server.endpoint(), chat_request())
        assert isinstance(result, Answer) and [call["method"] for call in server.calls] == ["POST", "POST"]
    with PlantedServer(lambda *_: (307, {"Location": "/v1/again", "Content-Length": "0"}, [])) as server:
        result = call_once(server.endpoint(), chat_request())
        assert isinstance(result, EndpointError) and "redirects more than" in str(result) and len(server.calls) < 10


@pytest.mark.parametrize("wait", ["inf", "1e999", "Fri, 31 Dec 9999 23:59:59 GMT", "99999999999999999999"])
def test_a_wait_without_end_is_more_than_a_day(tmp_path, wait):
    with planted(b"{}", 429, Retry_After=wait) as server:
        chat = Chat({"server": server.endpoint(max_retries=3)}, tmp_path, "live")
        with pytest.raises(SetupError, match="wants no calls for more than a day"):
            chat.ask([chat_request()])


PLACES = {
    "text": lambda body: body["choices"][0]["message"].update(content=f"<{KEY}>"),
    "parts": lambda body: body["choices"][0]["message"].update(content=[{"type": "text", "text": KEY}]),
    "two parts": lambda body: body["choices"][0]["message"].update(content=[KEY[:9], {"text": KEY[9:]}]),
    "refusal": lambda body: body["choices"][0]["message"].update(refusal=KEY),
    "finish reason": lambda body: body["choices"][0].update(finish_reason=KEY),
    "finish reason without text": lambda body: body["choices"][0].update(finish_reason=KEY, message={"content": ""}),
    "filter": lambda body: body["choices"][0].update(finish_reason=f"content_filter: {KEY}"),
    "model": lambda body: body.update(model=KEY),
    "extra key": lambda body: body.update({KEY: [KEY]}),
    "choice's error": lambda body: body["choices"][0].update(error={"message": KEY, "code": 400}),
    "error": lambda body: body.update(error={"message": KEY, "code": KEY, "type": KEY}, choices=[]),
    "blocked": lambda body: body.update(promptFeedback={"blockReason": KEY}, choices=[]),
    "unreadable": lambda body: body.update(choices=KEY),
}


@pytest.mark.parametrize("status", [200, 400, 401, 403, 404, 422, 429, 500, 503])
@pytest.mark.parametrize("place", PLACES)
def test_no_text_of_a_server_gets_past_the_redactor(tmp_path, monkeypatch, caplog, place, status):
    monkeypatch.setenv("TEST_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    body = chat_body("<fine>")
    PLACES[place](body)
    with planted(json.dumps(body).encode(), status, Retry_After="0") as server:
        result = call_once(server.endpoint(key_env="TEST_KEY"), chat_request())
        assert server.calls[0]["headers"]["authorization"] == f"Bearer {KEY}"
    shown = [str(result), repr(result), repr(getattr(result, "fallback", None))]
    if isinstance(result, Answer):
        exchange_store.record_answer(tmp_path, chat_request(), result, {})
        shown += [path.read_text(encoding="utf-8") for path in tmp_path.rglob("*.json")]
    assert KEY not in "".join(shown) + caplog.text


def test_password_and_user_of_the_address_are_redacted_in_each_form():
    said = "someone s%C3%A9cret sécret c29tZW9uZTpzw6ljcmV0"
    with planted(json.dumps({"error": said}).encode(), 400) as server:
        url = server.address.replace("http://", "http://someone:s%C3%A9cret@") + "/v1"
        result = call_once(server.endpoint(base_url=url), chat_request())
    assert isinstance(result, Answer) and result.reason.count("[key]") == 4
    assert "cret" not in repr(result) and "c29t" not in repr(result)


ATOMS = [None, True, 0, -1, 1.5, 10**300, "", "stop", "error", "length", "SAFETY", "<a>", KEY, "{", "[[[", "<html>"]
NAMES = [
    "choices",
    "message",
    "content",
    "error",
    "code",
    "finish_reason",
    "usage",
    "data",
    "b64_json",
    "url",
    "detail",
]
NAMES += ["text", "refusal", "model", "type", "metadata", "reasons", "prompt_tokens", "completion_tokens", "loc", "msg"]


def odd_value(dice: random.Random, depth: int = 0) -> object:
    """A JSON value of a random shape, of names that readers look for."""
    kind = dice.random()
    if depth > 5 or kind < 0.3:
        return dice.choice(ATOMS)
    if kind < 0.5:
        return [odd_value(dice, depth + 1) for _ in range(dice.randrange(3))]
    return {dice.choice(NAMES): odd_value(dice, depth + 1) for _ in range(dice.randrange(6))}


def mutated(value: object, dice: random.Random) -> object:
    """A value with one of its parts replaced by an odd one."""
    if isinstance(value, dict) and value and dice.random() < 0.85:
        name = dice.choice(list(value))
        return value | {name: mutated(value[name], dice)}
    if isinstance(value, list) and value and dice.random() < 0.85:
        return [mutated(value[0], dice), *value[1:]]
    return odd_value(dice)


def test_a_body_of_any_shape_is_an_answer_or_an_endpoint_error(monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    monkeypatch.setattr(connection, "download_image", lambda url, timeout_s: b"")
    with planted(b"") as server:
        provider = OpenAIProvider("server", server.endpoint(key_env="TEST_KEY"))
    dice = random.Random(4)
    for number in range(4000):
        whole = chat_body("<a>") | {"data": [{"b64_json": "aaaa"}]}
        body = odd_value(dice) if number % 2 else mutated(whole, dice)
        for request in (chat_request(), IMAGE):
            try:
                answer = provider.parse(body, request)
                assert answer.status in ("ok", "refused", "failed") and isinstance(answer.text, str)
                assert all(isinstance(each, str) for each in (answer.reason, answer.finish_reason, answer.served_model))
            except EndpointError as error:
                answer = error.fallback
                assert "unforeseen" not in str(error) and KEY not in str(error)
            assert KEY not in repr(answer)


def test_what_nobody_thought_of_is_the_error_of_that_call(monkeypatch, caplog):
    monkeypatch.setattr(responses, "read_usage", lambda usage: {}[f"planted {KEY}"])
    monkeypatch.setenv("TEST_KEY", KEY)
    with planted(FINE) as server:
        result = call_once(server.endpoint(key_env="TEST_KEY"), chat_request())
    assert "unforeseen KeyError in " in failed_in_time(result)
    assert "KeyError" in caplog.text and KEY not in caplog.text + str(result)
