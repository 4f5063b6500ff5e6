"""OpenAI-compatible server of the small vision-language model: `python -m detailscribe.miniature.vlm --port 8000`.

It answers `/v1/chat/completions` and `/v1/models`, with token probabilities where a request asks for `logprobs`. It
reads the words of `tokens` alone, which the templates `small_*` write; what it cannot read it declines.
"""

import base64
import binascii
import io
import json
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from PIL import Image, UnidentifiedImageError

from detailscribe.miniature.vlm.answers import answer
from detailscribe.miniature.vlm.requests import MODEL, SERVED, refusal_of_question

MAX_BODY_BYTES = 2**25
_lock = threading.Lock()  # one answer at a time: answers must not depend on their neighbours


def create_server(port: int) -> ThreadingHTTPServer:
    """The server on this machine's own address; 0 takes a free port."""
    return ThreadingHTTPServer(("127.0.0.1", port), Handler)


class Handler(BaseHTTPRequestHandler):
    """One connection."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """The list of models."""
        if self.path.rstrip("/").endswith("/models"):
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 0}]})
        else:
            self._fail(404, f"there is nothing at {self.path}")

    def do_POST(self) -> None:
        """A chat completion."""
        if not self.path.rstrip("/").endswith("/chat/completions"):
            self._fail(404, f"there is nothing at {self.path}")
            return
        size = int(self.headers.get("Content-Length") or 0)
        if size > MAX_BODY_BYTES:
            self._fail(413, f"a request of more than {MAX_BODY_BYTES} bytes")
            return
        try:
            self._send(200, completion(json.loads(self.rfile.read(size))))
        except (ValueError, LookupError, TypeError, UnidentifiedImageError, binascii.Error) as error:
            self._fail(400, f"the request cannot be read ({error})")

    def log_message(self, format: str, *arguments: Any) -> None:
        """No line per request."""

    def _fail(self, status: int, reason: str) -> None:
        self._send(status, {"error": {"message": reason, "type": "invalid_request_error"}})

    def _send(self, status: int, body: dict) -> None:
        data = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)


def completion(body: dict) -> dict:
    """The response to a request.

    Raises:
        ValueError, LookupError, TypeError: not a request with one question.
    """
    question, images = question_of(body)
    if declined := refusal_of_question(question):
        message = {"role": "assistant", "content": None, "refusal": declined}
        choice = {"message": message, "finish_reason": "stop", "logprobs": None}
        made: dict[str, Any] = {"choices": [choice], "usage": {"prompt_tokens": 0, "completion_tokens": 0}}
    else:
        with _lock:
            _, made = answer(question, images)
    if not body.get("logprobs"):
        made["choices"][0].pop("logprobs")
    usage = made["usage"] | {"total_tokens": sum(made["usage"].values())}
    about = {"id": "chatcmpl-miniature", "object": "chat.completion", "created": int(time.time()), "model": SERVED}
    return {**about, "choices": [{"index": 0, **choice} for choice in made["choices"]], "usage": usage}


def question_of(body: dict) -> tuple[str, list[Image.Image]]:
    """Text and images of a request's last message.

    Raises:
        ValueError: an image is no data URL, or there is no image, or there are more than two.
    """
    content: Any = body["messages"][-1]["content"]
    parts: list[dict] = [{"type": "text", "text": content}] if isinstance(content, str) else content
    text = "".join(part["text"] for part in parts if part["type"] == "text").strip()
    images = [_image(part["image_url"]["url"]) for part in parts if part["type"] == "image_url"]
    if not 1 <= len(images) <= 2:
        raise ValueError(f"{len(images)} images, and the model reads one or two")
    return text, images


def _image(url: str) -> Image.Image:
    head, _, data = url.partition(";base64,")
    if not head.startswith("data:image/"):
        raise ValueError("an image that is no data URL")
    return Image.open(io.BytesIO(base64.b64decode(data, validate=True))).convert("RGB")
