"""A small OpenAI-compatible server for tests: real HTTP on this machine, rule-based replies of the offline stand-in.

It recognises a role by the system message of its template in `config/templates/` and reads the prompt from the
request's body. In a test: `with ChatServer() as server: ... server.base_url`. By hand:
`python tests/chat_server.py PORT`.
"""

import json
import socket
import struct
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python tests/chat_server.py`

from tests.chat_replies import (
    ROLE_OF,
    chat_body,
    fault_response,
    image_response,
    read_messages,
    read_values,
    reply_by_rule,
    template_name,
)
from tests.local_server import LocalServer


class ChatServer(LocalServer):
    """The server, started by `with`.

    Args:
        answer: Reply text from a request's body; by default the offline rules.
        refuse: Given role and prompt, whether to refuse (`message.refusal`; for images an HTTP 400).
        fault: Given role and prompt, None or the fault: an HTTP status (int), "garbage" (no JSON), "empty" (no
            choices), "blank" (empty text), "close" (of the connection), "reset" (of the connection), "cut" (half of
            the reply), "drip" (one byte at a time), a tuple (HTTP status, error) or a dict (the body). In a batch:
            "expired" (no result).
        delay_s: Time before each reply.
        retry_after_s: `Retry-After` header of status 429; None for none, a text unchanged.
        models: Names and shutdown dates that `GET /models` returns; None for a server without that path.
        served: Model name of the replies; by default the requested one.
        batch_polls: Polls until a batch has ended.
        batch_status: Its final status.
        logprobs: The `logprobs` of a reply from a request's body; by default a server that ignores the option.

    Attributes:
        calls: `{"path", "role", "prompt", "body", "headers"}` (names in lower case) of every request so far.
        gets: Paths of every GET so far.
        batches: By id: the submitted batches, as the API shows them.
        max_concurrent: Largest number of concurrent requests so far.
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
        batch_polls: int = 1,
        batch_status: str = "completed",
        logprobs: Callable[[dict], object] | None = None,
    ):
        self.answer, self.refuse, self.fault, self.models, self.served = answer, refuse, fault, models, served
        self.batch_polls, self.batch_status, self.logprobs = batch_polls, batch_status, logprobs
        self.gets: list[str] = []
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, dict] = {}
        self.delay_s, self.retry_after_s = delay_s, retry_after_s
        self.calls: list[dict] = []
        self.max_concurrent = self._open = 0
        self._lock, self._seen = threading.Lock(), Counter()
        super().__init__(_Handler, port)

    def endpoint(self, **changes) -> dict:
        """A config entry for this server."""
        entry = {"kind": "openai", "base_url": self.base_url, "key_env": "", "in_flight": 4, "timeout_s": 10}
        prices = {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
        return entry | {"max_retries": 0} | prices | changes

    def prompts_of(self, role: str) -> list[str]:
        """Prompts of a role's requests, in the order of arrival."""
        return [call["prompt"] for call in self.calls if call["role"] == role]

    def respond(self, path: str, body: dict, headers: dict) -> tuple[int, object]:
        """HTTP status and body of a POST."""
        system, user, image = read_messages(body)
        name = "image" if path.endswith("/images/generations") else template_name(system)
        role, values = ROLE_OF.get(name, name), read_values(user)
        prompt = body.get("prompt") or values.get("prompt") or values.get("topic") or user
        with self._lock:
            self.calls.append({"path": path, "role": role, "prompt": prompt, "body": body, "headers": headers})
            self._open += 1
            self.max_concurrent = max(self.max_concurrent, self._open)
        try:
            time.sleep(self.delay_s)
            fault = self.fault and self.fault(role, prompt)
            if fault:
                return fault_response(fault)
            with self._lock:
                text = json.dumps(body, sort_keys=True)
                draw = self._seen[text]  # a repeated body, once it was answered, is another draw
                self._seen[text] += 1
            refused = self.refuse and self.refuse(role, prompt)
            if role == "image":
                return image_response(prompt, refused)
            model = self.served or body["model"]
            if refused:
                return 200, chat_body(None, "This goes against the rules.", model=model)
            text = self.answer(body) if self.answer else reply_by_rule(name, role, values, image, draw)
            found = self.logprobs(body) if self.logprobs and body.get("logprobs") else None
            return 200, chat_body(text, model=model, logprobs=found)
        except (KeyError, ValueError) as error:
            return 400, {"error": {"message": f"no rule for this request ({error!r})", "code": None, "type": "test"}}
        finally:
            with self._lock:
                self._open -= 1

    def upload(self, data: bytes, boundary: bytes) -> dict:
        """Store the file of a multipart body."""
        part = next(part for part in data.split(b"--" + boundary) if b"filename=" in part)
        id = f"file-{len(self.files)}"
        self.files[id] = part.split(b"\r\n\r\n", 1)[1].removesuffix(b"\r\n")
        return {"id": id, "object": "file", "purpose": "batch", "filename": "x", "bytes": 1, "created_at": 0}

    def start_batch(self, body: dict) -> dict:
        """Accept a batch."""
        batch = {"id": f"batch_{len(self.batches)}", "object": "batch", "status": "in_progress", "created_at": 0}
        self.batches[batch["id"]] = batch | body | {"polls": 0}
        return self.batches[batch["id"]]

    def poll(self, id: str) -> dict | None:
        """State of a batch; its requests run at the last poll."""
        batch = self.batches.get(id)
        if batch and batch["status"] == "in_progress":
            batch["polls"] += 1
            if batch["polls"] >= self.batch_polls:
                self._run_batch(batch)
        return batch

    def _run_batch(self, batch: dict) -> None:
        batch["status"] = self.batch_status
        if self.batch_status == "failed":
            batch["errors"] = {"object": "list", "data": [{"code": "token_limit_exceeded", "message": "too much"}]}
            return
        done, failed = [], []
        for line in self.files[batch["input_file_id"]].splitlines():
            row = json.loads(line)
            status, answer = self.respond(row["url"], row["body"], {"batch": batch["id"]})
            if answer == "expired":
                error = {"code": "batch_expired", "message": "not finished in time"}
                failed.append({"custom_id": row["custom_id"], "response": None, "error": error})
            else:
                response = {"status_code": status, "body": answer}
                (done if status == 200 else failed).append(
                    {"custom_id": row["custom_id"], "response": response, "error": None}
                )
        for name, rows in (("output_file_id", done), ("error_file_id", failed)):
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
            found = self.poll(rest[0]) if rest else {"object": "list", "data": list(self.batches.values())}
        elif kind == "files":
            found = self.files.get(rest[0], b"")
        return (200, found) if found is not None else (404, {"error": {"message": "not found", "code": "not_found"}})


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
        fault = answer if answer in ("close", "reset", "cut", "drip") else ""
        if fault in ("close", "reset"):
            if fault == "reset":  # closing without lingering sends a TCP reset
                self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            return
        answer = chat_body("<cut or dripping>") if fault else answer
        data = (
            answer
            if isinstance(answer, bytes)
            else (answer if isinstance(answer, str) else json.dumps(answer)).encode()
        )
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        if status == 429 and self.owner.retry_after_s is not None:
            self.send_header("Retry-After", str(self.owner.retry_after_s))
        self.end_headers()
        if fault == "drip":
            for at in range(len(data)):
                try:
                    self.wfile.write(data[at : at + 1])
                except OSError:
                    break
                time.sleep(0.05)
        else:
            self.wfile.write(data[: len(data) // 2] if fault == "cut" else data)
        self.close_connection = self.close_connection or bool(fault)

    def log_message(self, *_) -> None:
        """Suppress the request log."""


if __name__ == "__main__":
    with ChatServer(port=int(sys.argv[1])) as server:
        print(server.base_url, flush=True)
        threading.Event().wait()
