"""Preflight: whether models exist and until when, and whether the requested model answered."""

from datetime import date

import pytest

from detailscribe.errors import InputError
from detailscribe.llm.model_names import is_same_model, model_mismatch, read_retirements
from detailscribe.operations.preflight import Findings, check_models, result_lines
from tests.chat_server import ChatServer
from tests.paths import REPOSITORY

TODAY = date(2026, 11, 23)
SETTINGS = {"warn_days": 60, "allow_models": []}
HERE = "127.0.0.1"  # the test server
KNOWN = {(HERE, "dall-e-3"): date(2026, 5, 12), (HERE, "gpt-4o"): date(2027, 1, 14)}


def check(server, *models, mode="live", settings=SETTINGS, **changes):
    endpoints = {"server": server.endpoint(**changes), "offline": {"kind": "offline"}}
    requested = [("server", model) for model in models] + [("offline", "offline-stand-in")]
    return check_models(requested, endpoints, mode, settings, KNOWN, TODAY)


@pytest.mark.parametrize(
    ("requested", "served", "same"),
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
def test_a_dated_snapshot_is_the_same_model_and_another_is_not(requested, served, same):
    assert is_same_model(requested, served) is same
    assert (model_mismatch(requested, served, {}) == "") is same
    assert model_mismatch(requested, served, {requested: [served]}) == ""


@pytest.mark.parametrize(
    ("endpoints", "unchecked", "texts"),
    [
        (["offline"], 0, ["nothing to check"]),
        (["offline", "server"], 0, ["nothing to check", "1 models checked, 2 problems"]),
        (["server"], 0, ["1 models checked, 2 problems"]),
        (["server"], 1, ["0 models checked, 1 not checked, 2 problems"]),
        (["own"], 0, ["1 models are served by the jobs"]),
        (["own", "server"], 0, ["1 models are served by the jobs", "1 models checked, 2 problems"]),
    ],
)
def test_only_models_that_were_asked_about_count_as_checked(endpoints, unchecked, texts):
    kinds = {"offline": {"kind": "offline"}, "server": {"kind": "openai"}, "own": {"kind": "vllm"}}
    findings = Findings(problems=["one", "two"], unchecked=["some-model"] * unchecked)
    lines = result_lines([(name, "some-model") for name in endpoints], kinds, findings)
    assert len(lines) == len(texts) and all(text in line for text, line in zip(texts, lines, strict=True))


def test_an_existing_model_gives_no_message():
    with ChatServer(models={"some-model": None}) as server:
        findings = check(server, "some-model", "some-model")
        assert server.gets == ["/v1/models"], "one request"
    assert (findings.notes, findings.problems) == ([], [])


def test_an_unknown_model_is_a_problem_unless_allowed():
    with ChatServer(models={"other": None, "third": None}) as server:
        [problem] = check(server, "some-model").problems
        assert check(server, "some-model", settings=SETTINGS | {"allow_models": ["some-model"]}).problems == []
    assert "has no model 'some-model' (it has other, third)" in problem
    assert "allow_models: [some-model]" in problem and "\n" not in problem


def test_a_shutdown_date_of_the_endpoint_takes_precedence_over_the_table():
    with ChatServer(models={"a": "2026-12-23", "b": "2027-12-23", "gpt-4o": None, "dall-e-3": None}) as server:
        findings = check(server, "a", "b", "gpt-4o", "dall-e-3")
    assert findings.problems == []
    assert [note.split(",")[0] for note in findings.notes] == [
        "The model 'a' retires on 2026-12-23",
        "The model 'gpt-4o' retires on 2027-01-14",
        "The model 'dall-e-3' retired on 2026-05-12 according to config/models.tsv",
    ]
    assert "in 30 days (the endpoint)" in findings.notes[0] and "in 52 days (config/models.tsv)" in findings.notes[1]


def test_a_retired_model_is_a_problem_even_if_the_endpoint_lists_no_models():
    with ChatServer(models={}) as server:
        assert "returned an empty list of models" in check(server, "some-model").notes[0]
    with ChatServer() as server:  # no list of models
        findings = check(server, "dall-e-3", "some-model")
        allowed = check(server, "dall-e-3", settings=SETTINGS | {"allow_models": ["dall-e-3"]})
    [problem] = findings.problems
    assert problem.startswith("The model 'dall-e-3' retired on 2026-05-12 (config/models.tsv)")
    assert "does not list its models (HTTP 404); not checked: dall-e-3, some-model" in findings.notes[0]
    assert sorted(findings.unchecked) == ["dall-e-3", "some-model"]
    assert allowed.problems == []


def test_a_retirement_date_counts_for_the_host_that_it_belongs_to_alone():
    elsewhere = {("api.openai.com", "gpt-4o"): date(2026, 12, 1), ("api.openai.com", "dall-e-3"): date(2026, 5, 12)}
    requested = [("server", "gpt-4o"), ("server", "dall-e-3")]
    for models in ({"gpt-4o": None, "dall-e-3": None}, None):
        with ChatServer(models=models) as server:
            findings = check_models(requested, {"server": server.endpoint()}, "live", SETTINGS, elsewhere, TODAY)
        assert findings.problems == [] and not any("retire" in note for note in findings.notes)
    openai = server.endpoint(base_url="", key_env="NO_SUCH_KEY")  # not asked for its list, since the key is missing
    findings = check_models(requested, {"server": openai}, "live", SETTINGS, elsewhere, TODAY)
    assert "The model 'dall-e-3' retired on 2026-05-12" in findings.problems[0]
    assert any("The model 'gpt-4o' retires on 2026-12-01" in note for note in findings.notes)


def test_an_endpoint_that_cannot_be_checked_is_reported(monkeypatch):
    monkeypatch.delenv("TEST_KEY", raising=False)
    server = ChatServer()
    server._server.server_close()
    assert "could not be reached at http://127.0.0.1" in check(server, "some-model").notes[0]
    assert "needs a key in TEST_KEY, which is not set" in check(server, "some-model", key_env="TEST_KEY").notes[0]
    assert "Replay uses recorded exchanges" in check(server, "some-model", mode="replay").notes[0]
    assert check(server).notes == []  # only the offline stand-in: nothing to check


def test_a_rejected_key_is_a_problem_and_is_not_repeated(monkeypatch):
    monkeypatch.setenv("TEST_KEY", "sk-planted-0123456789abcdef")
    with ChatServer() as server:
        server.get = lambda path: (401, {"error": {"message": "bad key sk-planted-0123456789abcdef"}})
        [problem] = check(server, "some-model", key_env="TEST_KEY").problems
    assert problem == (
        "Endpoint 'server' rejected the key (HTTP 401); check the key in the environment variable TEST_KEY."
    )


def test_the_table_of_retirements_holds_the_papers_models(tmp_path):
    known = read_retirements(REPOSITORY / "config" / "models.tsv")
    assert known["api.openai.com", "dall-e-3"] == date(2026, 5, 12)
    assert known["generativelanguage.googleapis.com", "gemini-2.0-flash"] == date(2026, 6, 1)
    assert known["api.openai.com", "gpt-4o"] == known["api.openai.com", "gpt-4o-2024-08-06"] == date(2027, 1, 14)
    broken = tmp_path / "models.tsv"
    broken.write_text("model\tretires\tsource\na\tsoon\tx\n")
    with pytest.raises(InputError, match="line 2"):
        read_retirements(broken)
