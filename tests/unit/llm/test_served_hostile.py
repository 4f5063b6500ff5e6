"""Servers that say anything at all: no message has their key, each is one short line, and nothing hangs."""

import json

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm.endpoints import Redactor
from detailscribe.llm.served import server_log, startup
from tests.unit.llm.served_helpers import FakeVllm

PIECE = 6  # characters of a key that no message may have


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """The fake program; nothing of it may be left after any test."""
    fake = FakeVllm(tmp_path, monkeypatch)
    yield fake
    assert fake.left(within_s=5.0) == ""


def let_it_say(vllm: FakeVllm, monkeypatch, place: str, words: object) -> None:
    """Let the server answer a path so, or print it and end."""
    (vllm.folder / "says").write_text(json.dumps({place: words}))
    monkeypatch.setenv("FAKE_VLLM_SAYS", str(vllm.folder / "says"))


def refusal(vllm: FakeVllm, **changes) -> str:
    """The message of a job whose server is refused; it is printable, short, and without any part of the key."""
    with vllm.servers() as servers, pytest.raises(SetupError) as caught:
        vllm.ask(servers, 1, **changes)
    message, key = str(caught.value), vllm.notes()[-1]["key"]
    assert message.isprintable() and len(message) < 900
    for text in (message, *vllm.said, *vllm.noted):
        assert not any(key[start : start + PIECE] in text for start in range(len(key) - PIECE + 1)), text
    return message


VERSION, MODELS, HEALTH, CHAT = "/version", "/v1/models", "/health", "/v1/chat/completions"
REPLIES = [
    (VERSION, 200, json.dumps({"version": "9" * 1_000_000}), "is version 99999"),
    (VERSION, 200, json.dumps({"version": "1\n\x1b[31mred\n2"}), "is version 1 red 2, but `version` says 0.33.0"),
    (VERSION, 200, '{"version": "\\ud800x"}', "is version ?x"),
    (VERSION, 200, json.dumps({"version": "1 {KEY}"}), "is version 1 [key], but"),
    (VERSION, 200, json.dumps({"version": ["{KEY}"]}), "is version ['[key]'], but"),
    (MODELS, 200, json.dumps({"data": [{"id": "{KEY}"}]}), "serves '[key]' instead of 'some/model'"),
    (MODELS, 200, json.dumps({"data": [{"id": ["a"]}]}), "instead of 'some/model'"),
    (MODELS, 200, json.dumps({"data": [{"id": "x\n" * 9000}]}), "serves 'x x x"),
    (MODELS, 200, json.dumps({"data": [{"id": "x" * 5_000_000}]}), "serves nothing readable (HTTP 200)"),
    (MODELS, 200, "[" * 200_000, "serves nothing readable (HTTP 200)"),
    (MODELS, 500, "<html>{KEY}</html>", "serves nothing readable (HTTP 500)"),
    (MODELS, 200, "drip", "serves nothing readable (HTTP 0)"),
    (HEALTH, 200, "drip", "was not ready after 0.9 s"),
    (CHAT, 401, '{"error": {"message": "Incorrect API key provided: {KEY}"}}', "provided: [key]); the job made it"),
]


@pytest.mark.parametrize(
    ("path", "status", "body", "said"), REPLIES, ids=[f"{n}-{path}" for n, (path, *_) in enumerate(REPLIES)]
)
def test_a_reply_of_any_kind_is_a_short_sentence_without_the_key(vllm, monkeypatch, path, status, body, said):
    monkeypatch.setattr(startup, "CALL_S", 0.4)
    let_it_say(vllm, monkeypatch, path, [status, body])
    assert said in refusal(vllm, start_timeout_s=0.9 if path == HEALTH else 20)


@pytest.mark.parametrize("body", ["[" * 200_000, "<html>", "[1]", '{"version": null}', "drip"])
def test_a_version_that_cannot_be_read_counts_as_the_wanted_one(vllm, monkeypatch, body):
    monkeypatch.setattr(startup, "CALL_S", 0.4)
    let_it_say(vllm, monkeypatch, VERSION, [200, body])
    with vllm.servers() as servers:
        assert vllm.ask(servers, 1)[0].status == "ok"
    assert "it does not tell its version, which counts as 0.33.0" in vllm.said[-1]


WORDS = [
    *(f"{'x' * pad} Error: {{KEY}} failed\n" for pad in (0, 200, 215, 226, 230, 238, 250)),
    f"{{KEY}}{'y' * (server_log.TAIL_BYTES - 20)} Error: a\n",  # the part of the log that is read begins in the key
    "Error: the key is {HALF}",  # it is still being written
    "Error: \x1b[31m{KEY}\x1b[0m\n",
    "Error: a b\r\x00 {KEY}\n",
]


@pytest.mark.parametrize("words", WORDS, ids=range(len(WORDS)))
def test_a_log_is_redacted_before_it_is_cut(vllm, monkeypatch, tmp_path, words):
    let_it_say(vllm, monkeypatch, "log", words)
    assert "ended with exit status 1 (" in refusal(vllm)
    key = "-Of6BboIowNXMRE_tFOrILsWjledkEUe"
    (tmp_path / "log").write_text(words.replace("{KEY}", key).replace("{HALF}", key[:20]))
    redactor = server_log.server_redactor(key)
    for text in (server_log.last_line(tmp_path / "log", redactor), *server_log.tail(tmp_path / "log", redactor)):
        assert not any(key[start : start + PIECE] in text for start in range(len(key) - PIECE + 1))


def test_the_token_of_the_hub_is_a_secret_of_a_server_too(tmp_path, monkeypatch):
    monkeypatch.setenv("HF_TOKEN", "hf_abcdefgh")
    monkeypatch.setenv("TOKENIZERS_PARALLELISM", "Error: 401")
    (tmp_path / "log").write_text("Error: 401 for hf_abcdefgh\n")
    assert server_log.reason_line(tmp_path / "log", server_log.server_redactor()) == "Error: 401 for [key]"


def test_a_part_of_a_key_at_the_ends_of_a_text_is_redacted():
    redactor = Redactor("abcdefghij")
    cases = {"efghij x": "[key] x", "x abcdef": "x [key]", "cdef x": "cdef x", "x abcdefghij y": "x [key] y", "": ""}
    assert {text: redactor.redact_cut(text) for text in cases} == cases
    assert redactor.redact_cut("efghij x", is_cut=False) == "efghij x"
