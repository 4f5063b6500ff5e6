"""A small OpenAI-compatible server for tests: real HTTP on this machine, answers by the offline rules.

It knows a role by the system message of its template in `config/templates/` and reads the prompt from the request, so
it needs nothing but the HTTP body. In a test: `with ChatServer() as server: ... server.base_url`. By hand:
`python tests/chat_server.py PORT`.
"""

import base64
import io
import json
import re
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from functools import lru_cache
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import yaml
from PIL import Image

ROOT = Path(__file__).resolve().parents[1]
sys.path.append(str(ROOT))  # for `python tests/chat_server.py`, which starts without the repository on its path

from detailscribe.miniature import stand_in  # noqa: E402

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
            choices), "blank" (empty text), "close" (the connection), "reset" (it), "cut" (the reply in the middle),
            "drip" (a byte at a time), a tuple (HTTP status, error) or a dict (the body). In a batch: "expired" (the
            request is not carried out).
        delay_s: Time before each answer.
        retry_after_s: The header that goes with status 429; None for none, a text as it is.
        models: Names and shutdown dates that `GET /models` gives; None for a server without that address.
        served: The model that answers; by default the one that was asked.
        batch_looks: How often a batch is looked at before it is done.
        batch_status: Its status then.

    Attributes:
        calls: `{"path", "role", "prompt", "body", "headers"}` (names in lower case) of every request so far.
        gets: Paths of every GET so far.
        batches: By id: the batches submitted, as the API shows them.
        most_at_once: Requests that were open at the same time at most.
    """

    def __init__(
        self,
        answer: Callable[[dict], str] | None = None,
        refuse: Callable[[str, str], bool] | None = None,
        fault: Callable[[str, str], object] | None = None,
        delay_s: float = 0.0,
        retry_after_s: float | str | None = 0.05,
        port: int = 0,
        models: dict[str, str | None] | None = None,
        served: str | None = None,
        batch_looks: int = 1,
        batch_status: str = "completed",
    ):
        self.answer, self.refuse, self.fault, self.models, self.served = answer, refuse, fault, models, served
        self.batch_looks, self.batch_status = batch_looks, batch_status
        self.gets: list[str] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict] = {}
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
            model = self.served or body["model"]
            if refused:
                return 200, chat_body(None, "This goes against the rules.", model=model)
            text = self.answer(body) if self.answer else by_rule(name, role, values, image, draw)
            return 200, chat_body(text, model=model)
        except (KeyError, ValueError) as error:
            return 400, {"error": {"message": f"no rule for this request ({error!r})", "code": None, "type": "test"}}
        finally:
            with self._lock:
                self._open -= 1

    def upload(self, data: bytes, boundary: bytes) -> dict:
        """Keep the file of a multipart body."""
        part = next(part for part in data.split(b"--" + boundary) if b"filename=" in part)
        id = f"file-{len(self.files)}"
        self.files[id] = part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        return {"id": id, "object": "file", "purpose": "batch", "filename": "x", "bytes": 1, "created_at": 0}

    def start_batch(self, body: dict) -> dict:
        """Take a batch on."""
        batch = {"id": f"batch_{len(self.batches)}", "object": "batch", "status": "in_progress", "created_at": 0}
        self.batches[batch["id"]] = batch | body | {"looks": 0}
        return self.batches[batch["id"]]

    def look(self, id: str) -> dict | None:
        """A batch as it stands; it is carried out at the last of the looks."""
        batch = self.batches.get(id)
        if batch and batch["status"] == "in_progress":
            batch["looks"] += 1
            if batch["looks"] >= self.batch_looks:
                self._carry_out(batch)
        return batch

    def _carry_out(self, batch: dict) -> None:
        batch["status"] = self.batch_status
        if self.batch_status == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "too much"}]}
            return
        done, open_ = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            row = json.loads(line)
            status, answer = self.respond(row["url"], row["body"], {"batch": batch["id"]})
            if answer == "expired":
                error = {"code": "batch_expired", "message": "not carried out in time"}
                open_.append({"custom_id": row["custom_id"], "response": None, "error": error})
            else:
                response = {"status_code": status, "body": answer}
                (done if status == 200 else open_).append(
                    {"custom_id": row["custom_id"], "response": response, "error": None}
                )
        for name, rows in (("output_file_id", done), ("error_file_id", open_)):
            if rows:
                batch[name] = f"file-{len(self.files)}"
                self.files[batch[name]] = "\n".join(json.dumps(row) for row in rows).encode()

    def get(self, path: str) -> tuple[int, object]:
        """HTTP status and body of a GET."""
        self.gets.append(path)
        _, _, kind, *rest = path.partition("?")[0].split("/")
        found: object = None
        if kind == "models" and self.models is not None:
            every = [{"id": id, "object": "model", "shutdown_date": day} for id, day in self.models.items()]
            found = {"object": "list", "data": every} if not rest else None
            found = found or next((each for each in every if each["id"] == "/".join(rest)), None)
        elif kind == "batches":
            found = self.look(rest[0]) if rest else {"object": "list", "data": list(self.batches.values())}
        elif kind == "files":
            found = self.files.get(rest[0], b"").decode()
        return (200, found) if found is not None else (404, {"error": {"message": "not found", "code": "not_found"}})


def read_messages(body: dict) -> tuple[str, str, object]:
    """System text, user text and image of a request; None for no image."""
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


def role_name(system: str) -> str:
    """The template whose system message this is."""
    return next((name for name in ROLE_OF if template(name)["system"].strip() == system), "unknown")


def read_values(user: str) -> dict:
    """The values that a rendered template shows."""
    values = {key.lower(): value for key, value in re.findall(r"^(Prompt|Topic|Concept): (.*)$", user, re.MULTILINE)}
    return values | {"components": re.findall(r"^- (.+)$", user, re.MULTILINE)}


def by_rule(name: str, role: str, values: dict, image, draw: int) -> str:
    """The offline stand-in's text for what the request shows."""
    if role == "decompose":
        return stand_in.decompose(values["prompt"], values["topic"])
    if role == "critique":
        return stand_in.critique(values["prompt"], values["components"] or None, image)
    if role == "refine":
        return stand_in.refine(values["prompt"], image)
    if role == "rewrite":
        return stand_in.rewrite(values["prompt"])
    if role == "judge":
        return stand_in.judge(values["prompt"], image, draw)
    if role == "write_prompts":
        return stand_in.write_prompt(values["topic"], name.removeprefix("write_"), draw)
    raise ValueError("the system message is of no template in config/templates")


def chat_body(
    text: str | None, refusal: str | None = None, finish_reason: str = "stop", model: str = "some-model"
) -> dict:
    """A chat completion."""
    message = {"role": "assistant", "content": text, "refusal": refusal}
    return {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 0,
        "model": model,
        "choices": [{"index": 0, "message": message, "finish_reason": finish_reason}],
        "usage": {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120},
    }


def image_body(body: dict, prompt: str, refused: bool) -> tuple[int, dict]:
    """An image generation, or the error that a provider gives for a prompt against its rules."""
    if refused:
        return faulty((400, {"message": "against the rules", "code": "content_policy_violation", "type": "x"}))
    picture = base64.b64encode(stand_in.picture(prompt)).decode()
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
    return 200, bodies.get(fault, fault)


class _Handler(BaseHTTPRequestHandler):
    owner: ChatServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send(*self.owner.get(self.path))

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        if self.path.endswith("/files"):
            self._send(200, self.owner.upload(data, self.headers["Content-Type"].partition("boundary=")[2].encode()))
        elif self.path.endswith("/batches"):
            self._send(200, self.owner.start_batch(json.loads(data)))
        else:
            headers = {name.lower(): value for name, value in self.headers.items()}
            self._send(*self.owner.respond(self.path, json.loads(data), headers))

    def _send(self, status: int, answer: object) -> None:
        how = answer if answer in ("close", "reset", "cut", "drip") else ""
        if how in ("close", "reset"):
            if how == "reset":  # no waiting for the rest: the other side gets a reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        answer = chat_body("<cut or dripping>") if how else answer
        data = (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429 and self.owner.retry_after_s is not None:
            self.send_header("Retry-After", str(self.owner.retry_after_s))
        self.end_headers()
        if how == "drip":
            for at in range(len(data)):
                try:
                    self.wfile.write(data[at : at + 1])
                except OSError:
                    break
                time.sleep(0.05)
        else:
            self.wfile.write(data[: len(data) // 2] if how == "cut" else data)
        self.close_connection = self.close_connection or bool(how)

    def log_message(self, *_) -> None:
        """Say nothing."""


if __name__ == "__main__":
    with ChatServer(port=int(sys.argv[1])) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()
