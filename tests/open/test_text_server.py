"""What llama_cpp.server does with log-probabilities, a JSON schema and an image, with a real model of texts alone.

The table of docs/endpoints.md says the same.
"""

import json
import math
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply, Request
from detailscribe.llm.served.servers import Servers
from detailscribe.methods.reply_parsing import judge_response_format
from detailscribe.miniature.stand_in_content import placeholder_png
from detailscribe.scores.judges.reading import GRADES, YES_OR_NO, ask_and_read
from detailscribe.study.judging.probabilities import PROBABILITIES
from tests.open.llama import llama_endpoint
from tests.unit.llm.test_server_table import table

pytestmark = pytest.mark.open

MODEL = "smollm2"
QUESTION = [{"role": "user", "content": "Is the sky blue? Say yes or no."}]
SCHEMA = judge_response_format("yes_no")["response_format"]
Ask = Callable[..., tuple[Reply, dict]]


@pytest.fixture(scope="module")
def servers(tmp_path_factory) -> Iterator[Servers]:
    """One server for the whole module."""
    with Servers(log=tmp_path_factory.mktemp("servers") / "job.log") as servers:
        yield servers


@pytest.fixture
def ask(servers, gguf, tmp_path) -> Ask:
    """Ask the model with options; the reply, and the server's whole response."""

    def one(images: tuple[Path, ...] = (), **options) -> tuple[Reply, dict]:
        options = {"temperature": 0, "seed": 0, "max_tokens": 40} | options
        request = Request("judge", "llama", MODEL, QUESTION, images=images, options=options)
        chat = Chat({"llama": llama_endpoint(gguf)}, tmp_path / "store", "live", servers=servers)
        [reply] = chat.ask([request])
        return reply, exchange_store.recorded_body(tmp_path / "store", reply.digest)

    return one


def cells() -> tuple[str, str, str]:
    """What the table says of images, log-probabilities and JSON schemas."""
    images, logprobs, schema, _ = table()["llama_cpp.server 0.3.36"]
    return images, logprobs, schema


@pytest.mark.parametrize(
    ("options", "per_token"),
    [
        ({}, None),
        ({"logprobs": True}, None),
        ({"top_logprobs": 2}, None),
        ({"logprobs": True, "top_logprobs": 0}, 1),
        ({"logprobs": True, "top_logprobs": 2}, 2),
    ],
)
def test_log_probabilities_need_both_options(ask, options, per_token):
    reply, body = ask(**options)
    assert reply.status == "ok" and reply.text
    tokens = (body["choices"][0]["logprobs"] or {}).get("content")
    assert bool(tokens) is (per_token is not None)
    for token in tokens or []:
        values = [each["logprob"] for each in token["top_logprobs"]]
        assert len(values) == per_token and values == sorted(values, reverse=True)
        assert sum(map(math.exp, values)) <= 1 + 1e-6 and token["logprob"] in values
    assert cells()[1].startswith("with `logprobs: true` and `top_logprobs` (0 is enough); null with only one of them")


def test_log_probabilities_are_those_before_a_grammar(ask):
    options = {"logprobs": True, "top_logprobs": 1, "max_tokens": 4}
    free, body = ask(**options)
    bound, bound_body = ask(**options, grammar='root ::= "purple"')
    assert bound.text == "purple" != free.text
    [first, *_], [other, *_] = (each["choices"][0]["logprobs"]["content"] for each in (body, bound_body))
    assert other["token"] != first["token"] and other["logprob"] < first["logprob"]
    best, taken = other["top_logprobs"]
    assert (best["token"], taken["token"]) == (first["token"], other["token"])
    assert best["logprob"] == pytest.approx(first["logprob"], abs=1e-3)
    assert "before a grammar" in cells()[1]


@pytest.mark.parametrize(
    ("asked", "scale", "reading", "bound"),
    [
        ("Is the sky blue? Answer with one word alone, yes or no.", YES_OR_NO, "p_yes", {}),
        ("How many legs has a dog? Answer with one digit.", GRADES, "expected", {"grammar": "root ::= [1-5]"}),
    ],
)
def test_readings_by_probability_are_sums_over_the_spellings_of_a_mark(
    servers, gguf, tmp_path, asked, scale, reading, bound
):
    options = PROBABILITIES | bound | {"temperature": 0, "seed": 0, "max_tokens": 16}
    request = Request("judge", "llama", MODEL, [{"role": "user", "content": asked}], options=options)
    chat = Chat({"llama": llama_endpoint(gguf)}, tmp_path / "store", "live", servers=servers)
    [(reply, found)] = ask_and_read(chat, [request], scale, reading)
    content = exchange_store.recorded_body(tmp_path / "store", reply.digest)["choices"][0]["logprobs"]["content"]
    named = next(each for each in content if each["token"].strip().lower() in scale.marks)
    mass = dict.fromkeys(scale.marks, 0.0)
    for each in named["top_logprobs"]:
        if (mark := each["token"].strip().lower()) in mass:
            mass[mark] += math.exp(each["logprob"])
    total = sum(mass.values())
    assert found.status == "ok" and 0 < total < 1 and found.outside == pytest.approx(1 - total, abs=1e-6)
    assert found.value == pytest.approx(sum(scale.marks[mark] * each for mark, each in mass.items()) / total, abs=1e-6)
    assert min(scale.marks.values()) < found.value < max(scale.marks.values()) and found.entropy > 0


def test_a_json_schema_is_an_error_in_the_form_of_openai_and_works_in_the_servers_own(ask):
    reply, _ = ask(response_format=SCHEMA)
    assert reply.status == "failed" and "Input should be 'text' or 'json_object'" in reply.reason
    reply, _ = ask(response_format={"type": "json_object", "schema": SCHEMA["json_schema"]["schema"]}, max_tokens=300)
    assert reply.status == "ok"
    if reply.finish_reason == "stop":
        assert json.loads(reply.text)["score"] in ("yes", "no")
    assert ask(grammar='root ::= "yes" | "no"')[0].text in ("yes", "no")
    assert cells()[2] == "no: an error; `grammar` and `{type: json_object, schema: …}` work"


def test_an_image_stops_the_endpoint_in_one_sentence(ask, gguf, tmp_path):
    image = tmp_path / "fox.png"
    image.write_bytes(placeholder_png("a fox"))
    with pytest.raises(SetupError) as error:
        ask(images=(image,))
    said = str(error.value)
    assert f"Endpoint 'llama' cannot show images to the model {MODEL!r} (HTTP 500: can only concatenate str" in said
    assert "choose a model that sees images, or start its server with the image part (`projector`, `--mmproj`)" in said
    assert "\n" not in said and str(gguf) not in said
    assert cells()[0].endswith("otherwise an error, which stops the run")
