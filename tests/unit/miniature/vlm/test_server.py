"""The small vision-language model behind a server: the answers of the same model in process, asked by the templates."""

import asyncio
import json
import re
import threading
import urllib.error
import urllib.request

import pytest
import yaml
from PIL import Image

from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.openai_api.token_probabilities import token_probabilities
from detailscribe.llm.request import Answer, Request
from detailscribe.methods.roles import render_messages
from detailscribe.miniature.stand_in_provider import OfflineProvider
from detailscribe.miniature.vlm.requests import MODEL, SERVED, question_for
from detailscribe.miniature.vlm.server import create_server
from detailscribe.miniature.world.captions import parse_prompt
from detailscribe.miniature.world.drawing import draw_scene
from detailscribe.miniature.world.facts import fact_phrases
from tests.paths import REPOSITORY

PROMPT = "A cat riding a book in the snow."
PROBABILITIES = {"logprobs": True, "top_logprobs": 10}
FIELDS = {"prompt": PROMPT, "part": "a cat", "components": list(fact_phrases(parse_prompt(PROMPT)))}
ENDPOINT = {"kind": "openai", "key_env": "", "in_flight": 2, "timeout_s": 60, "max_retries": 0}
TEMPLATES = {
    "critique": "small_critique",
    "judge": "small_mark",
    "judge_part": "small_part",
    "judge_pair": "small_pair",
}


@pytest.fixture(scope="module")
def address():
    """Base URL of the running server."""
    with create_server(0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/v1"
        server.shutdown()


@pytest.fixture(scope="module")
def image(sprites, tmp_path_factory):
    path = tmp_path_factory.mktemp("scene") / "a.png"
    Image.fromarray(draw_scene(parse_prompt(PROMPT), sprites)).save(path)
    return path


def asked(role: str, image, options: dict, fields: dict = FIELDS) -> Request:
    template = yaml.safe_load((REPOSITORY / "config" / "templates" / f"{TEMPLATES[role]}.yaml").read_text("utf-8"))
    images = (image,) * (2 if role == "judge_pair" else 1)
    return Request(role, "small", MODEL, render_messages(template, **fields), images, options, fields=fields)


def answered(provider, request: Request) -> Answer:
    async def ask() -> Answer:
        try:
            return await provider.answer(request)
        finally:
            await provider.close()

    return asyncio.run(ask())


@pytest.mark.parametrize("role", TEMPLATES)
def test_the_server_answers_as_the_model_in_process(address, image, role):
    request = asked(role, image, PROBABILITIES)
    assert request.messages[-1]["content"].strip() == question_for(request), "the template writes the model's words"
    served = answered(OpenAIProvider("small", ENDPOINT | {"base_url": address}), request)
    own = answered(OfflineProvider("offline", {"kind": "offline"}), request)
    assert (served.status, served.text, served.served_model) == ("ok", own.text, SERVED)
    assert token_probabilities(served.body) == token_probabilities(own.body)
    assert served.usage == own.usage


def test_probabilities_come_only_where_they_are_asked_for(address, image):
    served = answered(OpenAIProvider("small", ENDPOINT | {"base_url": address}), asked("judge", image, {}))
    assert served.status == "ok" and token_probabilities(served.body)[0] is None


@pytest.mark.parametrize(
    ("path", "body", "status"),
    [
        ("/chat/completions", b"no json", 400),
        ("/chat/completions", b'{"messages": []}', 400),
        ("/chat/completions", json.dumps({"messages": [{"role": "user", "content": "mark: A cat."}]}).encode(), 400),
        ("/embeddings", b"{}", 404),
    ],
)
def test_what_it_cannot_read_is_an_error_with_a_reason(address, path, body, status):
    with pytest.raises(urllib.error.HTTPError) as caught:
        urllib.request.urlopen(urllib.request.Request(address + path, body))
    assert caught.value.code == status and json.load(caught.value)["error"]["message"]


@pytest.mark.parametrize("role", TEMPLATES)
def test_what_is_not_of_its_world_it_declines(address, image, role):
    fields = {"prompt": "A cat carrying a whale.", "part": "a whale", "components": ["a cat", "a whale"]}
    served = answered(
        OpenAIProvider("small", ENDPOINT | {"base_url": address}), asked(role, image, PROBABILITIES, fields)
    )
    assert (served.status, served.served_model) == ("refused", SERVED)
    assert re.match("the model declined: I cannot check .*whale; known here: ", served.reason)


def test_the_study_with_the_server_takes_answers_by_the_name_that_it_gives():
    study = yaml.safe_load((REPOSITORY / "config" / "small_vlm.yaml").read_text("utf-8"))
    assert study["preflight"]["allow_served"] == {MODEL: [SERVED]}


def test_it_names_its_model(address):
    assert json.load(urllib.request.urlopen(f"{address}/models"))["data"][0]["id"] == MODEL


def test_without_the_decomposition_the_template_names_the_prompt_alone():
    template = yaml.safe_load((REPOSITORY / "config" / "templates" / "small_ablation.yaml").read_text("utf-8"))
    request = Request("critique", "small", MODEL, render_messages(template, prompt=PROMPT), fields={"prompt": PROMPT})
    assert request.messages[-1]["content"] == question_for(request)
