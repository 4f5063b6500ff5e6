"""A real server on this machine (`transformers serve`) with a tiny random model that the test builds itself.

Needs `pip install "transformers[serving]==5.23.0"`, which the rest of the project does without.
"""

import importlib
import importlib.util
import os
import socket
import subprocess
import sys
import time
from datetime import date
from importlib.metadata import version
from pathlib import Path

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm.client import Chat
from detailscribe.llm.served.ports import listening_inodes, listens
from detailscribe.llm.served.servers import RUNNING, Servers
from detailscribe.operations.preflight import check_models
from tests.paths import REPOSITORY
from tests.unit.llm.helpers import question

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not all(importlib.util.find_spec(name) for name in ("fastapi", "uvicorn")), reason="needs transformers[serving]"
    ),
]
START_S = 180
TEMPLATE = "{% for message in messages %}{{ message['role'] }}: {{ message['content'] }}\n{% endfor %}assistant: "


@pytest.fixture(scope="module")
def model(tmp_path_factory):
    """A folder with a language model of some thousand weights."""
    importlib.import_module("detailscribe.engines.torch_setup")  # a CPU build of torch needs it before transformers
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("models") / "tiny"
    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE({letter: n for n, letter in enumerate([*letters, "<end>"])}, []))
    tokenizer.pre_tokenizer, tokenizer.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="<end>", pad_token="<end>")
    fast.chat_template = TEMPLATE
    fast.save_pretrained(folder)
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    LlamaForCausalLM(LlamaConfig(vocab_size=len(letters) + 1, **size)).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    """The server's address."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = "import detailscribe.engines.torch_setup; from transformers.cli.transformers import main; main()"
    command = [sys.executable, "-c", code, "serve", str(model), "--host", "127.0.0.1", "--port", str(port)]
    folder = tmp_path_factory.mktemp("server")
    env = {**os.environ, "HF_HUB_OFFLINE": "1", "HF_HUB_CACHE": str(folder)}
    with open(folder / "log", "w") as log:
        process = subprocess.Popen([*command, "--device", "cpu"], stdout=log, stderr=log, cwd=REPOSITORY, env=env)
    try:
        for _ in range(START_S):
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
            with socket.socket() as door:
                if door.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(1)
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.kill()
        process.wait()


def test_a_job_starts_and_ends_a_real_server(model, tmp_path, monkeypatch):
    code = "import detailscribe.engines.torch_setup; from transformers.cli.transformers import main; main()"
    endpoint = {"kind": "transformers", "model": str(model), "revision": "tiny", "version": version("transformers")}
    endpoint |= {"command": [sys.executable, "-c", code, "serve"], "options": {"tensor_parallel": 0}}
    endpoint |= {"in_flight": 1, "timeout_s": 120, "max_retries": 1, "start_timeout_s": START_S}
    endpoint |= {"input_usd_per_million": 0, "output_usd_per_million": 0}
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY), prepend=os.pathsep)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    options, said = {"max_tokens": 8, "temperature": 0.0}, []
    requests = [question(n, endpoint="own", model="tiny", options=options) for n in range(2)]
    with Servers(said.append, said.append, tmp_path / "job.log") as servers:
        replies = Chat({"own": endpoint}, tmp_path / "store", "live", servers=servers).ask(requests)
        (server,) = RUNNING.values()
        port, pids = server.port.number, server.process.pids()
        assert pids and listens(pids, port)
    assert any(reply.text for reply in replies) and {reply.served_model for reply in replies if reply.text} == {"tiny"}
    assert "is ready after" in said[-1] and "does not tell its version" not in said[-1]
    assert not listening_inodes(port) and not any(Path(f"/proc/{pid}").exists() for pid in pids)
    assert Chat({"own": endpoint}, tmp_path / "store", "replay").ask(requests) == replies
    wrong = {"own": endpoint | {"version": "5.0.0"}}
    with Servers(log=tmp_path / "job.log") as servers, pytest.raises(SetupError, match="but `version` says 5.0.0"):
        Chat(wrong, tmp_path / "other", "live", servers=servers).ask(requests)


def test_a_real_server_answers_and_its_record_replays(server, model, tmp_path):
    endpoint = {"kind": "openai", "base_url": server, "key_env": "", "in_flight": 2, "timeout_s": 120, "max_retries": 1}
    endpoint |= {"input_usd_per_million": 0, "output_usd_per_million": 0}
    options = {"max_tokens": 8, "temperature": 0.0}
    requests = [question(n, model=str(model), options=options) for n in range(3)]
    replies = Chat({"server": endpoint}, tmp_path, "live").ask(requests)
    assert {reply.status for reply in replies} <= {"ok", "failed"}, "a random model may write nothing but spaces"
    assert any(reply.text for reply in replies)
    assert all(reply.usage["output_tokens"] <= 8 for reply in replies if reply.text)
    replay = Chat({"server": endpoint | {"base_url": "http://127.0.0.1:9/v1"}}, tmp_path, "replay")
    assert replay.ask(requests) == replies
    findings = check_models(
        *([("server", str(model))], {"server": endpoint}, "live"),
        *({"warn_days": 90, "allow_models": []}, {}, date.today()),
    )
    assert findings.problems == []
    assert "returned an empty list of models" in findings.notes[0]
