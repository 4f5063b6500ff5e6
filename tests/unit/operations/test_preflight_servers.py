"""Preflight of served models: a program that is not installed is a sentence with its installation, before any job."""

import sys

import pytest

from detailscribe.operations.preflight_servers import missing_programs, program_problem
from tests.unit.llm.served_helpers import ENDPOINT

VLLM = "run `pip install 'vllm==0.33.0'`, or name the program in `command`"
LLAMA = "install llama.cpp b10964 .https://github.com/ggml-org/llama.cpp/releases/tag/b10964., name the program"
GGUF = {"kind": "llama_cpp", "file": "m.gguf", "version": "b10964"}


@pytest.fixture(autouse=True)
def path(tmp_path, monkeypatch):
    """A path with one program, `there`."""
    (tmp_path / "there").write_text("#!/bin/sh\n")
    (tmp_path / "there").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, f"the program 'vllm' is not on this machine: {VLLM}"),
        ({"command": "/opt/none/vllm serve"}, f"the program '/opt/none/vllm' is not on this machine: {VLLM}"),
        (GGUF, f"the program 'llama-server' is not on this machine: {LLAMA}.*python -m llama_cpp.server"),
        ({"kind": "transformers", "version": "5.23.0"}, r"run `pip install 'transformers\[serving\]==5.23.0'`"),
        (
            {**GGUF, "command": f"{sys.executable} -m not_there_at_all.x llama_cpp.server", "version": "0.3.36"},
            r"has no module 'not_there_at_all': run `pip install 'llama-cpp-python\[server\]==0.3.36'`",
        ),
    ],
)
def test_a_program_that_is_not_here_is_a_sentence_with_its_installation(changes, said):
    import re

    assert re.search(said, program_problem(ENDPOINT | changes))


@pytest.mark.parametrize("command", ["there serve", ["there"], f"{sys.executable} -m json.tool serve", "there -m none"])
def test_a_program_that_is_here_is_none(command):
    assert program_problem(ENDPOINT | {"command": command}) == ""


def test_only_endpoints_that_start_a_server_are_named_and_others_are_not_looked_for():
    endpoints = {"a": ENDPOINT, "b": ENDPOINT | {"command": "there"}, "c": {"kind": "openai"}, "d": ENDPOINT}
    assert [line[:13] for line in missing_programs("abca", endpoints)] == ["Endpoint 'a':"]
    assert missing_programs("abc", endpoints, lambda: {"b"}) == [], "its answers are recorded"
    assert len(missing_programs("ad", endpoints, lambda: {"a", "d"})) == 2
    assert missing_programs("bc", endpoints, lambda: pytest.fail("nothing is missing")) == []
