"""The table of what each server can do (docs/endpoints.md), against a server's own code and the validation."""

import ast
import importlib.util
import re
from pathlib import Path

import pytest

from detailscribe.errors import InputError
from detailscribe.study.validation import REFUSED
from tests.paths import REPOSITORY
from tests.unit.study.configured import configured_study

PRICES = {"input_usd_per_million": 0, "output_usd_per_million": 0}
SERVED = {"model": "lab/seeing", "revision": "a" * 40, "in_flight": 1, "timeout_s": 9, "max_retries": 0, **PRICES}
TRANSFORMERS = SERVED | {"kind": "transformers", "version": "5.23.0"}
LLAMA_CPP_PYTHON = SERVED | {"kind": "llama_cpp", "version": "0.3.36", "file": "a.gguf"}
LLAMA_CPP_PYTHON |= {"command": "python -m llama_cpp.server"}


def table() -> dict[str, list[str]]:
    """Cells of the table by the name of the server."""
    text = (REPOSITORY / "docs" / "endpoints.md").read_text(encoding="utf-8")
    text = text.partition("## What each server can do")[2].partition("\n## ")[0]
    rows = [re.split(r" *\| *", line.strip("| ")) for line in text.splitlines() if line.startswith("| ")]
    return {row[0]: row[1:] for row in rows[1:]}


def test_transformers_serve_refuses_what_the_table_says():
    # Read, not imported: the module needs packages that the project does without.
    folder = Path(importlib.util.find_spec("transformers").origin).parent
    module = ast.parse((folder / "cli" / "serving" / "chat_completion.py").read_text(encoding="utf-8"))
    assigned = [node for node in module.body if isinstance(node, ast.Assign)]
    [fields] = [node.value for node in assigned if node.targets[0].id == "UNUSED_CHAT_COMPLETION_FIELDS"]
    refused = ast.literal_eval(fields)
    images, logprobs, schema, _ = table()["transformers serve 5.23"]
    assert logprobs == schema == "no: refused" and images.startswith("with a")
    assert set(REFUSED["transformers"]) <= refused
    assert {"logprobs", "top_logprobs", "response_format", "reasoning_effort"} <= set(REFUSED["transformers"])


@pytest.mark.parametrize("endpoint", [TRANSFORMERS, LLAMA_CPP_PYTHON], ids=["transformers", "llama_cpp.server"])
def test_a_structured_judge_at_a_server_without_json_schemas_is_refused(endpoint):
    judge = {"endpoint": "seeing", "model": "seeing", "reply": "structured"}
    with pytest.raises(InputError, match="judges: main: reply: structured: .* takes no JSON schema; set brackets"):
        configured_study(endpoints={"seeing": endpoint}, judges={"main": judge})
    configured_study(endpoints={"seeing": endpoint}, judges={"main": judge | {"reply": "brackets"}})


def test_an_option_that_a_server_refuses_is_named():
    role = {"endpoint": "seeing", "model": "seeing", "options": {"logprobs": True}}
    with pytest.raises(InputError, match="roles: decompose: options: logprobs: transformers refuses it; remove it"):
        configured_study(endpoints={"seeing": TRANSFORMERS}, roles={"decompose": role})
    vllm = SERVED | {"kind": "vllm", "version": "0.33.0"}
    configured_study(endpoints={"seeing": vllm}, roles={"decompose": role})
