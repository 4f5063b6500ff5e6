"""Raw response bodies: kept whole with the exchange, without secrets, bounded, and readable later."""

import gzip
import json

import pytest

from detailscribe.llm import exchange_store, response_body
from detailscribe.llm.client import Chat
from detailscribe.llm.endpoints import Redactor
from detailscribe.llm.request import Request
from detailscribe.llm.response_body import MAX_BYTES, SUFFIX, unpacked_body
from tests.chat_replies import chat_body
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import chat_request, echo, live

KEY = "sk-planted-0123456789abcdef"
LOGPROBS = {"content": [{"token": "<", "logprob": -0.01, "top_logprobs": [{"token": "<", "logprob": -0.01}]}]}


def exchange_of(store, digest: str) -> dict:
    return json.loads(exchange_store.exchange_path(store, digest).read_text(encoding="utf-8"))


def body_with(**fields) -> dict:
    """A chat completion whose first choice and message carry further fields."""
    body = chat_body("<a fox>") | {"system_fingerprint": "fp_1", "id": "chatcmpl-1"}
    body["choices"][0]["logprobs"] = LOGPROBS
    body["choices"][0]["message"] |= fields
    return body


def test_everything_that_the_server_sent_is_kept(tmp_path):
    sent = body_with(reasoning_content="A fox has four legs.", annotations=[])
    with ChatServer(fault=lambda *_: sent) as server:
        [reply] = live(server, tmp_path).ask([chat_request()])
    kept = exchange_store.recorded_body(tmp_path, reply.digest)
    assert kept == sent
    assert kept["choices"][0]["logprobs"] == LOGPROBS and kept["system_fingerprint"] == "fp_1"


@pytest.mark.parametrize(
    ("fault", "status"),
    [
        (chat_body(None, "not this"), "refused"),
        ((400, {"message": "flagged", "code": "content_filter"}), "refused"),
        ({"choices": [], "note": "nothing here"}, "failed"),
        ((422, {"message": "no such option"}), "failed"),
    ],
)
def test_refusals_and_failures_keep_their_body_too(tmp_path, fault, status):
    with ChatServer(fault=lambda *_: fault) as server:
        [reply] = live(server, tmp_path, max_retries=0).ask([chat_request()])
    assert reply.status == status
    kept = exchange_store.recorded_body(tmp_path, reply.digest)
    if isinstance(fault, tuple):
        assert kept["http_status"] == fault[0] and kept["error"]["message"] == fault[1]["message"]
    else:
        assert kept == fault


def test_a_body_that_is_no_json_is_kept_as_text(tmp_path):
    with ChatServer(fault=lambda *_: "garbage") as server:
        [reply] = live(server, tmp_path, max_retries=0).ask([chat_request()])
    assert reply.status == "failed"
    assert isinstance(exchange_store.recorded_body(tmp_path, reply.digest), str)


def test_secrets_are_taken_out_of_texts_and_keys_at_any_depth(tmp_path, monkeypatch):
    monkeypatch.setenv("TEST_KEY", KEY)
    sent = body_with(extra={KEY: [{"deep": f"Bearer {KEY}"}]})
    with ChatServer(fault=lambda *_: sent) as server:
        [reply] = live(server, tmp_path, key_env="TEST_KEY").ask([chat_request()])
    assert KEY not in exchange_store.exchange_path(tmp_path, reply.digest).read_text()
    kept = exchange_store.recorded_body(tmp_path, reply.digest)
    assert kept["choices"][0]["message"]["extra"] == {"[key]": [{"deep": "Bearer [key]"}]}


def test_an_error_names_no_account():
    redactor = Redactor("")
    body = {"error": {"message": "organisation org-abcdefghijkl012345 has a user-friendly limit"}}
    kept = response_body.redacted_body(body, redactor.redact_error)
    assert kept == {"error": {"message": "organisation [account] has a user-friendly limit"}}


def test_a_large_body_is_a_compressed_file_and_a_huge_one_is_left_out(tmp_path, monkeypatch):
    large = body_with(padding=["token"] * 5000)
    with ChatServer(fault=lambda *_: large) as server:
        [reply] = live(server, tmp_path).ask([chat_request()])
        path = exchange_store.exchange_path(tmp_path, reply.digest)
        entry = exchange_of(tmp_path, reply.digest)["body"]
        assert set(entry) == {"file", "sha256", "bytes"} and path.stat().st_size < response_body.MAX_INLINE_BYTES
        assert exchange_store.recorded_body(tmp_path, reply.digest) == large
        monkeypatch.setattr(response_body, "MAX_BYTES", 20_000)
        [reply] = live(server, tmp_path).ask([chat_request("Prompt: an owl")])
    assert "more than 20000" in exchange_of(tmp_path, reply.digest)["body"]["omitted"]
    assert exchange_store.recorded_body(tmp_path, reply.digest) is None


def test_a_changed_or_missing_body_file_is_a_damaged_exchange(tmp_path):
    with ChatServer(fault=lambda *_: body_with(padding=["token"] * 5000)) as server:
        [reply] = live(server, tmp_path).ask([chat_request()])
    path = exchange_store.exchange_path(tmp_path, reply.digest)
    assert exchange_store.damaged_exchanges(tmp_path) == []
    path.with_suffix(response_body.SUFFIX).write_bytes(gzip.compress(b"{}", mtime=0))
    [(damaged, problem)] = exchange_store.damaged_exchanges(tmp_path)
    assert damaged == path and "missing or changed" in problem
    path.with_suffix(response_body.SUFFIX).unlink()
    assert len(exchange_store.damaged_exchanges(tmp_path)) == 1


def test_an_exchange_recorded_without_a_body_replays(tmp_path):
    with ChatServer(answer=echo) as server:
        [reply] = live(server, tmp_path).ask([chat_request()])
        path = exchange_store.exchange_path(tmp_path, reply.digest)
        older = {
            key: value for key, value in exchange_of(tmp_path, reply.digest).items() if key not in ("body", "check")
        }
        path.write_text(json.dumps(older))
        replay = Chat({"server": server.endpoint()}, tmp_path, "replay")
        assert replay.ask([chat_request()]) == [reply]
    assert exchange_store.recorded_body(tmp_path, reply.digest) is None


def test_the_data_of_an_image_is_kept_once(tmp_path):
    request = Request("image", "server", "some-model", ({"role": "user", "content": "a fox"},), kind="image")
    with ChatServer() as server:
        [reply] = live(server, tmp_path).ask([request])
    kept = exchange_store.recorded_body(tmp_path, reply.digest)
    assert reply.image.is_file() and kept["data"][0]["b64_json"].startswith("[omitted: ")


def test_a_deep_body_is_cut():
    body: object = "end"
    for _ in range(1000):
        body = [body]
    kept = response_body.redacted_body(body, Redactor("").redact)
    assert "nested deeper than 64 levels" in json.dumps(kept)


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"no gzip", "cannot be unpacked"),
        (gzip.compress(b"{}", mtime=0)[:-4], "cannot be unpacked"),
        (gzip.compress(b"{}", mtime=0)[:10] + b"\xff" * 20, "cannot be unpacked"),
        (gzip.compress(bytes(MAX_BYTES + 1), mtime=0), "of more than"),
    ],
)
def test_a_body_that_gzip_did_not_write_is_a_value_error(tmp_path, data, message):
    path = tmp_path / f"x{SUFFIX}"
    path.write_bytes(data)
    with pytest.raises(ValueError, match=message):
        unpacked_body(path)
