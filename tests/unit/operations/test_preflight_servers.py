"""Preflight of served models: a program that is not installed is a sentence with its installation, before any job."""

import sys

import pytest

from detailscribe.operations.preflight_servers import few_gpus, missing_for_servers, missing_weights, program_problem
from tests.unit.llm.served_helpers import ENDPOINT

VLLM = "run `pip install 'vllm==0.33.0'` in an environment of its own, since it brings its own torch, and name the"
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
        (
            {**GGUF, "command": f"{sys.executable} -m not_there_at_all.x llama_cpp.server"},
            r"run `pip install 'llama-cpp-python\[server\]'` and set `version`, now 'b10964', to the one that `pip",
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
    assert [line[:13] for line in missing_for_servers("abca", endpoints)] == ["Endpoint 'a':"]
    assert missing_for_servers("abc", endpoints, lambda: {"b"}) == [], "its answers are recorded"
    [both] = missing_for_servers("ad", endpoints, lambda: {"a", "d"})
    assert both.startswith("Endpoints 'a', 'd': the program 'vllm'") and "\n" not in both
    assert missing_for_servers("bc", endpoints, lambda: pytest.fail("nothing is missing")) == []


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ""),
        ({"model": "FOLDER"}, ""),
        ({"model": "/none/qwen"}, "there is neither a file nor a folder '/none/qwen': put it there, or correct"),
        ({"model": "~/none-of-it/x/qwen"}, "there is neither a file nor a folder '~/none-of-it/x/qwen'"),
        ({"kind": "llama_cpp", "model": "none/m.gguf"}, "there is neither a file nor a folder 'none/m.gguf'"),
        ({**GGUF, "model": "FOLDER"}, "has no file m.gguf: correct the name, or download the model again"),
        ({**GGUF, "model": "FOLDER", "file": "there", "projector": "p.gguf"}, "has no file p.gguf"),
    ],
)
def test_local_weights_that_are_missing_are_named(path, changes, said):
    changes = {key: str(path) if value == "FOLDER" else value for key, value in changes.items()}
    found = missing_weights(["own"], {"own": ENDPOINT | changes}, path)
    assert (said in found[0] and found[0].startswith("Endpoint 'own': ")) if said else not found
    missing = missing_for_servers(["own"], {"own": ENDPOINT | changes | {"command": "there"}}, folder=path)
    assert missing == found or changes.get("kind") == "llama_cpp"


@pytest.mark.parametrize(
    ("needed", "gpus", "said"), [(2, 1, "--resources gpu=2"), (2, 2, ""), (4, None, ""), (0, 0, "")]
)
def test_a_server_that_needs_more_gpus_than_the_run_has_is_named(needed, gpus, said):
    endpoints = {name: ENDPOINT | {"options": {"tensor_parallel": needed}} for name in "ab"}
    found = few_gpus("ab", endpoints, gpus)
    assert (len(found) == 1 and found[0].startswith("Endpoints 'a', 'b': ") and said in found[0]) if said else not found
