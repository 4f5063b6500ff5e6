"""Requests and replies of `chat_server`: role templates, reading a request's body, rule-based replies, faults."""

import base64
import hashlib
import io
import math
import re
from functools import lru_cache

import yaml
from PIL import Image

from detailscribe.miniature import stand_in
from detailscribe.miniature.stand_in_content import invent_prompt, placeholder_png
from tests.paths import REPOSITORY

ROLE_OF = {  # template file -> role
    "decompose": "decompose",
    "critique_detailscribe": "critique",
    "critique_ablation": "critique",
    "refine_prompt": "refine",
    "rewrite_prompt": "rewrite",
    "judge_rubric": "judge",
    "judge_spatial": "judge",
    "judge_yes_no": "judge",
    "judge_part": "judge_part",
    "judge_remark": "judge_remark",
    "judge_pair": "judge_pair",
    "write_functional": "write_prompts",
    "write_compositional": "write_prompts",
    "write_multi_subject": "write_prompts",
}


@lru_cache
def template(name: str) -> dict:
    """A template of `config/templates/`."""
    return yaml.safe_load((REPOSITORY / f"config/templates/{name}.yaml").read_text(encoding="utf-8"))


def role(name: str, reply: str = "brackets", **changes) -> dict:
    """Config entry of a role, with a template of `config/templates/` and the endpoint `server`."""
    entry = {"endpoint": "server", "model": "some-model", "template": template(name), "options": {}, "reply": reply}
    return entry | changes


def read_messages(body: dict) -> tuple[str, str, object]:
    """System text, user text and image (None without one) of a request."""
    texts, image = {"system": "", "user": ""}, None
    for message in body.get("messages", []):
        parts = message["content"]
        for part in [{"type": "text", "text": parts}] if isinstance(parts, str) else parts:
            if part["type"] == "text":
                texts[message["role"]] = part["text"]
            else:
                data = base64.b64decode(part["image_url"]["url"].partition("base64,")[2], validate=True)
                image = Image.open(io.BytesIO(data)).convert("RGB")
    return texts["system"], texts["user"], image


def template_name(system: str) -> str:
    """Name of the template with this system message."""
    return next((name for name in ROLE_OF if template(name)["system"].strip() == system), "unknown")


def read_values(user: str) -> dict:
    """Field values in a rendered template."""
    values = {
        key.lower(): value
        for key, value in re.findall(r"^(Prompt|Topic|Concept|Thing|Interaction|Fault): (.*)$", user, re.MULTILINE)
    }
    return values | {"components": re.findall(r"^- (.+)$", user, re.MULTILINE)}


def reply_by_rule(name: str, role: str, values: dict, image, draw: int) -> str:
    """The offline stand-in's reply to a request."""
    if role == "decompose":
        return stand_in.answer_decompose(values["prompt"], values["topic"])
    if role == "critique":
        return stand_in.answer_critique(values["prompt"], values["components"] or None, image)
    if role == "refine":
        return stand_in.answer_refine(values["prompt"], image)
    if role == "rewrite":
        return stand_in.answer_rewrite(values["prompt"])
    if role == "judge":
        return f"By what is to be seen: <{stand_in.grade_image(values['prompt'], image, draw)[0]}>"  # never declines
    if role in ("judge_part", "judge_remark"):
        asked = next(values[key] for key in ("thing", "interaction", "fault") if key in values)
        return "<yes>" if hashlib.sha256(image.tobytes() + asked.encode()).digest()[0] % 2 else "<no>"
    if role == "judge_pair":  # `image` is the second one
        return f"<{1 + hashlib.sha256(image.tobytes()).digest()[0] % 5}>"
    if role == "write_prompts":
        return invent_prompt(values["topic"], name.removeprefix("write_"), draw)
    raise ValueError("the system message matches no template in config/templates")


def chat_body(
    text: str | None,
    refusal: str | None = None,
    finish_reason: str = "stop",
    model: str = "some-model",
    logprobs: object = None,
) -> dict:
    """A chat completion; without `logprobs` if there are none."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [
            {"index": 0, "message": message, "finish_reason": finish_reason}
            | ({} if logprobs is None else {"logprobs": logprobs})
        ],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def chat_logprobs(*tokens: tuple[str, dict[str, float]]) -> dict:
    """The `logprobs` of a chat completion, from each token's text and the probabilities of its alternatives."""

    def entry(text: str, probability: float) -> dict:
        log = math.log(probability) if probability else -9999.0  # as vLLM writes minus infinity
        return {"token": text, "logprob": log, "bytes": list(text.encode())}

    content = []
    for text, alternatives in tokens:
        top = [entry(each, probability) for each, probability in alternatives.items()]
        content.append(entry(text, alternatives.get(text, 0.0)) | {"top_logprobs": top})
    return {"content": content, "refusal": None}


def image_response(prompt: str, refused: bool) -> tuple[int, object]:
    """Status and body of an image generation, or of a refusal by the provider's policy."""
    if refused:
        return fault_response((400, {"message": "against the rules", "code": "content_policy_violation", "type": "x"}))
    encoded = base64.b64encode(placeholder_png(prompt)).decode()
    usage = {"input_tokens": 10, "output_tokens": 1000, "total_tokens": 1010}
    return 200, {"created": 0, "data": [{"b64_json": encoded}], "usage": usage}


def fault_response(fault: object) -> tuple[int, object]:
    """Status and body of a fault (`ChatServer`)."""
    if isinstance(fault, dict):
        return 200, fault
    if isinstance(fault, tuple):
        return fault[0], {"error": fault[1]}
    if isinstance(fault, int):
        return fault, {"error": {"message": f"status {fault}", "code": None, "type": "test", "param": None}}
    bodies = {"garbage": "<html>not JSON", "empty": chat_body("") | {"choices": []}, "blank": chat_body(" ")}
    return 200, bodies.get(fault, fault)
