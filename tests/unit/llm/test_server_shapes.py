"""Responses of real servers, from a table of shapes: what each must become, without a secret in any text."""

import json
from collections import Counter

import pytest
import yaml

from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.request import Answer
from tests.paths import REPOSITORY
from tests.unit.llm.helpers import chat_request
from tests.unit.llm.planted_server import call_once, planted

SHAPES = yaml.safe_load((REPOSITORY / "tests/unit/llm/server_shapes.yaml").read_text(encoding="utf-8"))
ANSWERS = ("ok", "refused", "failed")
SERVERS = {"OpenAI", "Azure", "Anthropic", "Gemini", "OpenRouter", "DashScope", "Mistral", "xAI", "vLLM", "SGLang"}
SERVERS |= {"llama-server", "llama-cpp-python", "Ollama", "LM Studio"}


def request_of(shape: dict, tmp_path):
    asked = shape.get("asked", "chat")
    if asked == "image":
        return chat_request("a fox", kind="image", role="image")
    if asked == "vision":
        path = tmp_path / "fox.png"
        path.write_bytes(b"\x89PNG\r\n\x1a\n")
        return chat_request(images=(path,))
    return chat_request()


def outcome(result: Answer | EndpointError) -> str:
    """What a shape has become, in the words of the table."""
    if isinstance(result, Answer):
        return result.status
    if not result.retryable:
        return "stop"
    if result.rate_limited:
        return "slower"
    return "retry" if result.fallback else "outage"


@pytest.mark.parametrize("shape", SHAPES, ids=[f"{number} {shape['server']}" for number, shape in enumerate(SHAPES, 1)])
def test_what_a_server_says_becomes_what_the_table_says(tmp_path, shape):
    raw = shape["raw"] if "raw" in shape else json.dumps(shape["body"])
    with planted(raw.encode(), shape.get("status", 200)) as server:
        result = call_once(server.endpoint(), request_of(shape, tmp_path))
    assert outcome(result) == shape["becomes"], result
    if "says" in shape:
        assert shape["says"] in (result.reason if isinstance(result, Answer) else str(result))
    if isinstance(result, Answer):
        if result.status == "ok":
            assert result.text
        if "text" in shape:
            assert result.text == shape["text"]
    if "usage" in shape:
        counts = shape["usage"]
        assert result.usage == (counts and {"input_tokens": counts[0], "output_tokens": counts[1]})
    assert isinstance(result, Answer) or "\n" not in str(result)


def test_the_table_names_each_server_and_where_its_shape_is_documented():
    assert len(SHAPES) >= 60
    assert Counter(shape["server"] for shape in SHAPES).keys() >= SERVERS
    assert all(shape["from"] and ("raw" in shape) != ("body" in shape) for shape in SHAPES)
