"""A small OpenAI-compatible server for tests: real HTTP on this machine, answers by the offline rules.

It knows a role by the system message of its template in `config/templates/` and reads the prompt from the request, so
it needs nothing but the HTTP body. In a test: `with ChatServer() as server: ... server.base_url`. By hand:
`python tests/chat_server.py PORT`.
"""

import base64
import hashlib
import json
import re
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # for `python tests/chat_server.py`, which starts without the repository on its path

from detailscribe import offline  # noqa: E402

SERVED_MODEL = "test-server"
ROLE_OF = {  # template file -> role
    "decompose": "decompose",
    "critique_detailscribe": "critique",
    "critique_ablation": "critique",
    "refine_prompt": "refine",
    "rewrite_prompt": "rewrite",
    "judge_rubric": "judge",
    "judge_spatial": "judge",
    "judge_yes_no": "judge",
    "write_functional": "write_prompts",
    "write_compositional": "write_prompts",
    "write_multi_subject": "write_prompts",
}


@lru_cache
def template(name: str) -> dict:
    """One of the templates of `config/templates/`."""
    return yaml.safe_load((ROOT / f"config/templates/{name}.yaml").read_text(encoding="utf-8"))


def role(name: str, reply: str = "brackets", **changes) -> dict:
    """A role's config entry with a template of `config/templates/` and the endpoint `server`."""
    entry = {"endpoint": "server", "model": "some-model", "template": template(name), "options": {}, "reply": reply}
    return entry | changes


class ChatServer:
    """The server, started by `with`.

    Args:
        answer: Text from a request's body; by default the offline rules.
        refuse: Given role and prompt, whether to decline (`message.refusal`; for images an HTTP 400).
        fault: Given role and prompt, None or what goes wrong: an HTTP status (int), "garbage" (no JSON), "empty" (no
            choices), "blank" (empty text), "close" (the connection), a tuple (HTTP status, error) or a dict (the body).
        delay_s: Time before each answer.
        retry_after_s: The header that goes with status 429.

    Attributes:
        calls: `{"path", "role", "prompt", "body", "headers"}` (names in lower case) of every request so far.
        most_at_once: Requests that were open at the same time at most.
    """

    def __init__(
        self,
        answer: Callable[[dict], str] | None = None,
        refuse: Callable[[str, str], bool] | None = None,
        fault: Callable[[str, str], object] | None = None,
        delay_s: float = 0.0,
        retry_after_s: float = 0.05,
        port: int = 0,
    ):
        self.answer, self.refuse, self.fault = answer, refuse, fault
        self.delay_s, self.retry_after_s = delay_s, retry_after_s
        self.calls: list[dict] = []
        self.most_at_once = self._open = 0
        self._lock, self._seen = threading.Lock(), Counter()
        self._server = ThreadingHTTPServer(("127.0.0.1", port), type("Handler", (_Handler,), {"owner": self}))
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "ChatServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()

    def endpoint(self, **changes) -> dict:
        """A config entry that points here."""
        entry = {"kind": "openai", "base_url": self.base_url, "key_env": "", "in_flight": 4, "timeout_s": 10}
        prices = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
        return entry | {"max_retries": 0} | prices | changes

    def asked(self, role: str) -> list[str]:
        """The prompts that a role was asked about, in the order of arrival."""
        return [call["prompt"] for call in self.calls if call["role"] == role]

    def respond(self, path: str, body: dict, headers: dict) -> tuple[int, object]:
        """HTTP status and body; the body None closes the connection."""
        system, user, image = read_messages(body)
        name = "image" if path.endswith("/images/generations") else role_name(system)
        role, values = ROLE_OF.get(name, name), read_values(user)
        prompt = body.get("prompt") or values.get("prompt") or values.get("topic") or user
        with self._lock:
            self.calls.append({"path": path, "role": role, "prompt": prompt, "body": body, "headers": headers})
            self._open += 1
            self.most_at_once = max(self.most_at_once, self._open)
        try:
            time.sleep(self.delay_s)
            fault = self.fault and self.fault(role, prompt)
            if fault:
                return faulty(fault)
            with self._lock:
                text = json.dumps(body, sort_keys=True)
                draw = self._seen[text]  # the same body again, once it was answered, stands for another draw
                self._seen[text] += 1
            refused = self.refuse and self.refuse(role, prompt)
            if role == "image":
                return image_body(body, prompt, refused)
            if refused:
                return 200, chat_body(None, "This goes against the rules.")
            return 200, chat_body(self.answer(body) if self.answer else by_rule(name, role, values, image, draw))
        except (KeyError, ValueError) as error:
            return 400, {"error": {"message": f"no rule for this request ({error!r})", "code": None, "type": "test"}}
        finally:
            with self._lock:
                self._open -= 1


def read_messages(body: dict) -> tuple[str, str, str]:
    """System text, user text and digest of the images of a request."""
    texts, images = {"system": "", "user": ""}, []
    for message in body.get("messages", []):
        parts = message["content"]
        for part in [{"type": "text", "text": parts}] if isinstance(parts, str) else parts:
            if part["type"] == "text":
                texts[message["role"]] = part["text"]
            else:
                data = base64.b64decode(part["image_url"]["url"].partition("base64,")[2], validate=True)
                images.append(hashlib.sha256(data).hexdigest())
    return texts["system"], texts["user"], "/".join(images)


def role_name(system: str) -> str:
    """The template whose system message this is."""
    return next((name for name in ROLE_OF if template(name)["system"].strip() == system), "unknown")


def read_values(user: str) -> dict:
    """The values that a rendered template shows."""
    values = {key.lower(): value for key, value in re.findall(r"^(Prompt|Topic|Concept): (.*)$", user, re.MULTILINE)}
    return values | {"components": re.findall(r"^- (.+)$", user, re.MULTILINE)}


def by_rule(name: str, role: str, values: dict, image: str, draw: int) -> str:
    """The offline stand-in's text for what the request shows."""
    if role == "decompose":
        return offline.decompose(values["prompt"], values["topic"])
    if role == "critique":
        return offline.critique(values["prompt"], values["components"] or None, image)
    if role == "refine":
        return offline.refine(values["prompt"], image)
    if role == "rewrite":
        return offline.rewrite(values["prompt"])
    if role == "judge":
        return offline.judge(values["prompt"], f"{image}/{draw}")
    if role == "write_prompts":
        return offline.write_prompt(values["topic"], name.removeprefix("write_"), draw)
    raise ValueError("the system message is of no template in config/templates")


def chat_body(text: str | None, refusal: str | None = None, finish_reason: str = "stop") -> dict:
    """A chat completion."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": SERVED_MODEL,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def image_body(body: dict, prompt: str, refused: bool) -> tuple[int, dict]:
    """An image generation, or the error that a provider gives for a prompt against its rules."""
    if refused:
        return faulty((400, {"message": "against the rules", "code": "content_policy_violation", "type": "x"}))
    picture = base64.b64encode(offline.picture(prompt)).decode()
    usage = {"input_tokens": 10, "output_tokens": 1000, "total_tokens": 1010}
    return 200, {"created": 0, "data": [{"b64_json": picture}], "usage": usage}


def faulty(fault) -> tuple[int, object]:
    """Status and body of a fault (`ChatServer`)."""
    if isinstance(fault, dict):
        return 200, fault
    if isinstance(fault, tuple):
        return fault[0], {"error": fault[1]}
    if isinstance(fault, int):
        return fault, {"error": {"message": f"status {fault}", "code": None, "type": "test", "param": None}}
    bodies = {"garbage": "<html>not JSON", "empty": chat_body("") | {"choices": []}, "blank": chat_body(" ")}
    return 200, None if fault == "close" else bodies[fault]


class _Handler(BaseHTTPRequestHandler):
    owner: ChatServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, answer = self.owner.respond(
            self.path, body, {name.lower(): value for name, value in self.headers.items()}
        )
        if answer is None:
            self.close_connection = True
            return
        data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429:
            self.send_header("Retry-After", str(self.owner.retry_after_s))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with ChatServer(port=int(sys.argv[1])) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()
