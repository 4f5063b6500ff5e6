"""Tokens and probabilities of recorded responses, in the shapes of different servers, whole and broken."""

import json
import math

import pytest

from detailscribe.llm import exchange_store
from detailscribe.llm.openai_api.token_probabilities import token_probabilities
from detailscribe.llm.request import Answer, Request

LOG = math.log


def alternative(values):
    return dict(zip(("token", "logprob", "bytes"), values, strict=True))


def entry(token, logprob, top=(), **more):
    return {"token": token, "logprob": logprob, **more, "top_logprobs": list(map(alternative, top))}


def chat(*content):
    return {"choices": [{"message": {"content": "x"}, "logprobs": {"content": list(content), "refusal": None}}]}


def completion(**logprobs):
    return {"choices": [{"message": {"content": "x"}, "logprobs": logprobs}]}


SHAPES = {
    "openai": (
        chat(entry("4", LOG(0.5), [("4", LOG(0.5), [52]), (" 4", LOG(0.25), [32, 52])], bytes=[52])),
        [("4", {"4": 0.5, " 4": 0.25})],
    ),
    "vllm, minus infinity and the sampled token among the alternatives": (
        chat(entry("4", LOG(0.5), [("4", LOG(0.5), [52]), ("5", -9999.0, [53])], bytes=[52])),
        [("4", {"4": 0.5, "5": 0.0})],
    ),
    "a sampled token that is none of the most probable": (
        chat(entry("2", LOG(0.1), [("4", LOG(0.5), None)])),
        [("2", {"4": 0.5, "2": 0.1})],
    ),
    "bytes of the sampled token alone": (
        chat(entry("4", LOG(0.25), [("4", LOG(0.25), None), ("5", LOG(0.5), None)], bytes=[52])),
        [("4", {"4": 0.25, "5": 0.5})],
    ),
    "llama_cpp.server: no bytes": (
        chat(entry("yes", LOG(0.5), [("yes", LOG(0.5), None), ("no", LOG(0.5), None)], bytes=None)),
        [("yes", {"yes": 0.5, "no": 0.5})],
    ),
    "ollama: no alternatives": (chat({"token": "4", "logprob": LOG(0.5)}), [("4", {"4": 0.5})]),
    "alternatives that are null": (chat({"token": "4", "logprob": 0.0, "top_logprobs": None}), [("4", {"4": 1.0})]),
    "minus infinity as text and as null": (
        chat(entry("4", "-inf", [("5", "-Infinity", None), ("3", None, None)])),
        [("4", {"5": 0.0, "3": 0.0, "4": 0.0})],
    ),
    "a rounded log-probability above 0": (chat(entry("4", 1e-6, [("4", 1e-6, None)])), [("4", {"4": 1.0})]),
    "special tokens": (
        chat(entry("4", 0.0, [("4", 0.0, None)]), entry("<|im_end|>", 0.0, bytes=[])),
        [("4", {"4": 1.0}), ("<|im_end|>", {"<|im_end|>": 1.0})],
    ),
    "a tokenizer's own spelling": (
        chat(entry("▁Yes", 0.0, [("▁Yes", LOG(0.5), None), ("ĠYes", LOG(0.25), None)])),
        [(" Yes", {" Yes": 0.75})],
    ),
    "a character of three tokens": (
        chat(
            entry("\\xef\\xbc", 0.0, bytes=[0xEF, 0xBC]),
            entry("\\x94", 0.0, [("\\x94", 0.0, [0x94])], bytes=[0x94]),
            entry("!", 0.0),
        ),
        [("", {"\N{REPLACEMENT CHARACTER}": 1.0}), ("４", {"\N{REPLACEMENT CHARACTER}": 1.0}), ("!", {"!": 1.0})],
    ),
    "a character that is never whole": (
        chat(entry("\\xef\\xbc", 0.0, bytes=[0xEF, 0xBC]), entry("4", 0.0)),
        [("", {"\N{REPLACEMENT CHARACTER}": 1.0}), ("\N{REPLACEMENT CHARACTER}4", {"4": 1.0})],
    ),
    "two tokens of one text": (
        chat(entry("4", LOG(0.5), [("4", LOG(0.5), [52]), ("4", LOG(0.25), [52])], bytes=[52])),
        [("4", {"4": 0.75})],
    ),
    "together, the shape of completions": (
        completion(tokens=["4", "</s>"], token_logprobs=[LOG(0.5), None], top_logprobs=[{"5": LOG(0.25)}, None]),
        [("4", {"5": 0.25, "4": 0.5}), ("</s>", {"</s>": 0.0})],
    ),
    "completions without alternatives": (
        completion(tokens=["4"], token_logprobs=[LOG(0.5)], token_ids=[7]),
        [("4", {"4": 0.5})],
    ),
    "a response within a list": (
        [chat(entry("4", 0.0, [("4", 0.0, None)]))],
        [("4", {"4": 1.0})],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_tokens_of_every_shape(shape):
    body, expected = SHAPES[shape]
    tokens, problem = token_probabilities(body)
    assert problem == "" and tokens is not None
    for token, (text, alternatives) in zip(tokens, expected, strict=True):
        found: dict[str, float] = {}
        for each, probability in token.alternatives:
            found[each] = found.get(each, 0.0) + probability
        assert token.text == text and found == pytest.approx(alternatives)


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (None, "the response was not recorded"),
        ({}, "has no `logprobs`"),
        ([], "has no `logprobs`"),
        ("text", "has no `logprobs`"),
        ({"choices": []}, "has no `logprobs`"),
        ({"choices": [{"logprobs": None}]}, "has no `logprobs`"),
        ({"choices": [{"logprobs": {"content": None, "refusal": None}}]}, "has no `logprobs`"),
        ({"choices": [{"logprobs": {"content": []}}]}, "has no `logprobs`"),
        ({"choices": [{"logprobs": 7}]}, "has no `logprobs`"),
        (chat(7), "cannot be read"),
        (chat({"logprob": 0.0}), "cannot be read ('token')"),
        (chat({"token": 5, "logprob": 0.0}), "the token '5' is no text"),
        (chat({"token": "a"}), "cannot be read ('logprob')"),
        (chat({"token": "a", "logprob": True}), "'True' is no number"),
        (chat({"token": "a", "logprob": "nan"}), "the log-probability nan is none"),
        (chat({"token": "a", "logprob": "much"}), "cannot be read (could not convert"),
        (chat({"token": "a", "logprob": 10**400}), "cannot be read (int too large"),
        (chat({"token": "a", "logprob": 0.5}), "the log-probability 0.5 is none"),
        (chat({"token": "a", "logprob": 0.0, "top_logprobs": 3}), "cannot be read"),
        (chat({"token": "a", "logprob": 0.0, "bytes": [300]}), "cannot be read (bytes must be in range"),
        (chat(entry("token_id:52", 0.0)), "leave `return_tokens_as_token_ids` out"),
        (completion(tokens=["a"], token_logprobs=[]), "1 tokens, 0 log-probabilities and 1 lists of alternatives"),
        (completion(tokens=["a"], token_logprobs=[0.0], top_logprobs=[3]), "cannot be read"),
    ],
)
def test_a_response_without_readable_probabilities_gives_the_reason(body, said):
    tokens, problem = token_probabilities(body)
    assert tokens is None and said in problem and "\n" not in problem


def test_the_record_of_a_response_is_read_however_it_is_kept(tmp_path):
    """Minus infinity is no JSON; a long body is a file of its own; one of more than 8 MiB is left out."""
    bodies = {
        "inf": chat(entry("4", 0.0, [("4", 0.0, None), ("5", -math.inf, None)])),
        "long": chat(*[entry("4", 0.0, [("4", 0.0, None)] * 20) for _ in range(100)]),
        "too long": chat(*[entry("4" * 2**20, 0.0) for _ in range(9)]),
    }
    found = {}
    for name, body in bodies.items():
        request = Request("judge", "server", "m", [{"role": "user", "content": name}])
        exchange_store.record_answer(tmp_path, request, Answer("ok", text="4", body=body), {})
        found[name] = token_probabilities(exchange_store.recorded_body(tmp_path, request.digest))
        json.loads(exchange_store.exchange_path(tmp_path, request.digest).read_text())
    assert dict(found["inf"][0][0].alternatives) == {"4": 1.0, "5": 0.0}
    assert len(found["long"][0]) == 100 and len(list(tmp_path.glob("*/*.body.json.gz"))) == 1
    assert found["too long"] == (
        None,
        "the response was not recorded: it has more than 8 MiB, or is of an earlier version",
    )
