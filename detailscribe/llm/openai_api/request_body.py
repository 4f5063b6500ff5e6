"""JSON body of a request to the chat and image APIs."""

import base64
from pathlib import Path
from typing import Literal

from detailscribe.errors import InputError
from detailscribe.files.packed import read_bytes
from detailscribe.llm.request import Request, image_format

API_PATHS: dict[str, Literal["/v1/chat/completions", "/v1/images/generations"]] = {  # as the Batch API names them
    "chat": "/v1/chat/completions",
    "image": "/v1/images/generations",
}


def request_body(request: Request) -> dict:
    """The JSON body of a request; images as data URLs in the last user message, after its text or before it.

    Raises:
        InputError: an image file is not an image.
    """
    if request.kind == "image":
        return {"model": request.model, "prompt": request.messages[-1]["content"], "n": 1, **request.options}
    messages = [dict(message) for message in request.messages]
    if request.images:
        last = max(index for index, message in enumerate(messages) if message["role"] == "user")
        parts = [{"type": "image_url", "image_url": {"url": image_data_url(path)}} for path in request.images]
        text = {"type": "text", "text": messages[last]["content"]}
        messages[last]["content"] = [*parts, text] if request.images_first else [text, *parts]
    return {"model": request.model, "messages": messages, **request.options}


def image_data_url(path: Path) -> str:
    """An image file as a data URL; the type is that of its content.

    Raises:
        InputError: not a PNG, JPEG, GIF or WebP file.
    """
    data = read_bytes(path)
    name = image_format(data)
    if name is None:
        raise InputError(f"{path} is not a PNG, JPEG, GIF or WebP image")
    return f"data:image/{name};base64,{base64.b64encode(data).decode()}"
