"""An OpenAI-compatible server for tests that answers with a tiny vision-language model's own logits, on the CPU.

As llama.cpp with a grammar: the answer is the most probable of some tokens, `logprobs` are those before that
restriction. The model is that of `tests/open/tiny_vlm.py`.
"""

import base64
import io
import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler
from pathlib import Path

from PIL import Image

from tests.local_server import LocalServer


class LogitServer(LocalServer):
    """The server, started by `with`.

    Args:
        folder: Of the model.
        choices: Texts of the tokens of which it answers one.

    Attributes:
        bodies: Of the requests so far.
    """

    def __init__(self, folder: Path, choices: Sequence[str]):
        from transformers import AutoProcessor, LlavaForConditionalGeneration

        self.processor = AutoProcessor.from_pretrained(folder)
        self.model = LlavaForConditionalGeneration.from_pretrained(folder).eval()
        self.choices = [self.processor.tokenizer.convert_tokens_to_ids(text) for text in choices]
        self.bodies: list[dict] = []
        self._lock = threading.Lock()
        super().__init__(_Handler)

    def logits(self, text: str, images: Sequence[Image.Image]):
        """Logits of the token after a text, [vocabulary], float64."""
        import torch

        inputs = self.processor(text=text, images=list(images), return_tensors="pt")
        with torch.no_grad(), self._lock:
            return self.model(**inputs).logits[0, -1].double()

    def spelled(self, token: int) -> dict:
        """Text and bytes of a token; one byte may be a part of a character."""
        from tokenizers import decoders

        text = self.processor.tokenizer.convert_ids_to_tokens(token)
        data = text.encode() if len(text) > 1 else decoders.ByteLevel().decode([text]).encode("utf-8", "replace")
        return {"token": text if len(text) > 1 else data.decode("utf-8", "replace"), "bytes": list(data)}

    def answer(self, body: dict) -> dict:
        """The completion for a request."""
        self.bodies.append(body)
        images, messages = [], []
        for message in body["messages"]:
            content = message["content"]
            parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
            for part in parts:
                if part["type"] == "image_url":
                    data = base64.b64decode(part["image_url"]["url"].partition("base64,")[2])
                    images.append(Image.open(io.BytesIO(data)).convert("RGB"))
            shown = [part if part["type"] == "text" else {"type": "image"} for part in parts]
            messages.append({"role": message["role"], "content": shown})
        text = self.processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
        logs = self.logits(text, images).log_softmax(-1)
        best = max(self.choices, key=lambda token: float(logs[token]))
        found = None
        if body.get("logprobs"):
            top = logs.topk(min(body["top_logprobs"], len(logs))).indices.tolist()
            entries = {token: self.spelled(token) | {"logprob": float(logs[token])} for token in {*top, best}}
            found = {"content": [entries[best] | {"top_logprobs": [entries[token] for token in top]}]}
        choice = {"index": 0, "message": {"role": "assistant", "content": self.spelled(best)["token"]}}
        usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
        return {
            "model": body["model"],
            "choices": [{**choice, "finish_reason": "stop", "logprobs": found}],
            "usage": usage,
        }


class _Handler(BaseHTTPRequestHandler):
    owner: LogitServer
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        data = json.dumps(self.owner.answer(json.loads(self.rfile.read(int(self.headers["Content-Length"])))))
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data.encode())))
        self.end_headers()
        self.wfile.write(data.encode())

    def log_message(self, *_) -> None:
        """Suppress the request log."""
