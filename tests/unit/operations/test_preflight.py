"""Whether models exist and until when, and whether the one that answers was asked."""

from datetime import date

import pytest

from detailscribe.errors import InputError
from detailscribe.llm.model_names import is_same_model, model_mismatch, read_retirements
from detailscribe.operations.preflight import check_models
from tests.chat_server import ChatServer
from tests.paths import REPOSITORY

TODAY = date(2026, 11, 23)
SETTINGS = {"warn_days": 60, "allow_models": []}
KNOWN = {"dall-e-3": date(2026, 5, 12), "gpt-4o": date(2027, 1, 14)}


def check(server, *models, mode="live", settings=SETTINGS, **changes):
    endpoints = {"server": server.endpoint(**changes), "offline": {"kind": "offline"}}
    asked = [("server", model) for model in models] + [("offline", "offline-stand-in")]
    return check_models(asked, endpoints, mode, settings, KNOWN, TODAY)


@pytest.mark.parametrize(
    ("asked", "served", "same"),
    [
        ("gpt-4o", "gpt-4o", True),
        ("gpt-4o", "gpt-4o-2024-08-06", True),
        ("gpt-4", "gpt-4-0613", True),
        ("claude", "claude-20250514", True),
        ("gemini-2.0-flash", "models/gemini-2.0-flash-001", True),
        ("llava", "llava:latest", True),
        ("/models/tiny", "/models/tiny@main", True),
        ("gpt-4o", "gpt-4o-mini", False),
        ("gpt-4o", "gpt-4o-mini-2024-07-18", False),
        ("gpt-4o-2024-08-06", "gpt-4o-2024-11-20", False),
        ("gpt-4o-2024-08-06", "gpt-4o", False),
        ("gpt-4", "gpt-4o", False),
    ],
)
def test_a_dated_snapshot_is_the_model_and_another_is_not(asked, served, same):
    assert is_same_model(asked, served) is same
    assert (model_mismatch(asked, served, {}) == "") is same
    assert model_mismatch(asked, served, {asked: [served]}) == ""


def test_a_model_that_is_there_needs_no_word():
    with ChatServer(models={"some-model": None}) as server:
        findings = check(server, "some-model", "some-model")
        assert server.gets == ["/v1/models"], "asked once"
    assert (findings.notes, findings.problems) == ([], [])


def test_an_unknown_model_stops_unless_allowed():
    with ChatServer(models={"other": None, "third": None}) as server:
        [problem] = check(server, "some-model").problems
        assert check(server, "some-model", settings=SETTINGS | {"allow_models": ["some-model"]}).problems == []
    assert "has no model 'some-model' (it has other, third)" in problem
    assert "allow_models: [some-model]" in problem and "\n" not in problem


def test_a_shutdown_date_warns_ahead_and_counts_before_the_table():
    with ChatServer(models={"a": "2026-12-23", "b": "2027-12-23", "gpt-4o": None, "dall-e-3": None}) as server:
        findings = check(server, "a", "b", "gpt-4o", "dall-e-3")
    assert findings.problems == []
    assert [note.split(",")[0] for note in findings.notes] == [
        "The model 'a' retires on 2026-12-23",
        "The model 'gpt-4o' retires on 2027-01-14",
        "The model 'dall-e-3' retired on 2026-05-12 according to config/models.tsv",
    ]
    assert "in 30 days (the endpoint)" in findings.notes[0] and "in 52 days (config/models.tsv)" in findings.notes[1]


def test_a_retired_model_stops_even_where_the_endpoint_says_nothing():
    with ChatServer(models={}) as server:
        assert "gave an empty list of models" in check(server, "some-model").notes[0]
    with ChatServer() as server:  # no list of models
        findings = check(server, "dall-e-3", "some-model")
        allowed = check(server, "dall-e-3", settings=SETTINGS | {"allow_models": ["dall-e-3"]})
    [problem] = findings.problems
    assert problem.startswith("The model 'dall-e-3' retired on 2026-05-12 (config/models.tsv)")
    assert (
        "does not say which models it has (HTTP 404): whether it has dall-e-3, some-model was not" in findings.notes[0]
    )
    assert allowed.problems == []


def test_what_cannot_be_asked_is_said(monkeypatch):
    monkeypatch.delenv("TEST_KEY", raising=False)
    server = ChatServer()
    server._server.server_close()
    assert "could not be reached at http://127.0.0.1" in check(server, "some-model").notes[0]
    assert "needs a key in TEST_KEY, which is not set" in check(server, "some-model", key_env="TEST_KEY").notes[0]
    assert "Recorded exchanges answer" in check(server, "some-model", mode="replay").notes[0]
    assert check(server).notes == []  # the stand-in alone: nothing to check


def test_a_wrong_key_stops_and_is_not_repeated(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "sk-planted-0123456789abcdef")
    with ChatServer() as server:
        server.get = lambda path: (401, {"error": {"message": "bad key sk-planted-0123456789abcdef"}})
        [problem] = check(server, "some-model", key_env="TEST_KEY").problems
    assert problem == (
        "Endpoint 'server' did not accept the key (HTTP 401); check the key in the environment variable TEST_KEY."
    )


def test_the_table_of_known_models_can_be_read_and_holds_the_papers(tmp_path):
    known = read_retirements(REPOSITORY / "config" / "models.tsv")
    assert known["dall-e-3"] == date(2026, 5, 12)
    assert known["gemini-2.0-flash"] == date(2026, 6, 1)
    assert known["gpt-4o"] == known["gpt-4o-2024-08-06"] == date(2027, 1, 14)
    broken = tmp_path / "models.tsv"
    broken.write_text("model\tretires\tsource\na\tsoon\tx\n")
    with pytest.raises(InputError, match="line 2"):
        read_retirements(broken)
