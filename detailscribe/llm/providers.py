"""Who answers a request: an OpenAI-compatible server, or the offline stand-in.

Both have `answer(request)` and `close()`, async, and give back an `Answer`; what stops more than one request is raised
as `Trouble`. One try each: when to try again is for `chat.py`, which knows the limits. The key reaches the client and
nothing else.
"""

import asyncio
import base64
import json
import os
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from detailscribe.errors import InputError, SetupError
from detailscribe.llm.rate_limit import retry_after
from detailscribe.llm.request import Answer, Request, image_kind
from detailscribe.llm.responses import EndpointError, Redactor, classify_http_error, read_chat, read_image, unreadable
from detailscribe.miniature import stand_in

PATHS = {"chat": "/v1/chat/completions", "image": "/v1/images/generations"}  # as a batch names them
OPENAI_URL = "https://api.openai.com/v1"


class OfflineProvider:
    """The stand-in of `offline.py`: no network, no key, no cost."""

    async def answer(self, request: Request) -> Answer:
        """Answer by rule."""
        about = {"usage": {"input_tokens": 0, "output_tokens": 0}, "served_model": stand_in.MODEL}
        if request.kind == "image":
            return Answer("ok", image=stand_in.picture(request.messages[-1]["content"], request.draw), **about)
        try:
            text = stand_in.reply(request)
        except OSError as error:
            return Answer("failed", f"the image could not be read ({error})")
        return Answer("ok", text=text, finish_reason="stop", **about)

    async def close(self) -> None:
        """Nothing to close."""


class OpenAIProvider:
    """Any server that speaks OpenAI's chat and image interfaces."""

    def __init__(self, name: str, endpoint: dict):
        import openai  # 0.6 s, and an offline run needs none of it

        self._openai, self.endpoint = openai, endpoint
        key, place = key_of(name, endpoint), urlsplit(endpoint["base_url"] or OPENAI_URL)
        self.shield = Redactor(key, place.username or "", place.password or "")
        self.client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=endpoint["base_url"] or None,
            timeout=endpoint["timeout_s"],
            max_retries=0,
        )

    async def answer(self, request: Request) -> Answer:
        """Ask once.

        Raises:
            Trouble: no answer, or the set-up is wrong.
        """
        try:
            body = await asyncio.to_thread(body_of, request) if request.images else body_of(request)
        except InputError as error:
            return Answer("failed", str(error))
        # The body goes as it is, past the client's look at every part of it, which takes as long as the call itself.
        if request.kind == "image":
            pending = self.client.images.with_raw_response.generate(prompt="", extra_body=body)
        else:
            pending = self.client.chat.completions.with_raw_response.create(
                model=request.model, messages=[], extra_body=body
            )
        response = await self.call(pending, request)
        if isinstance(response, Answer):
            return response
        try:
            reply = json.loads(response.content)
        except ValueError as error:
            raise unreadable(self.shield.quote(f"the server's reply could not be read ({error})")) from None
        return (
            await asyncio.to_thread(self.read, reply, request) if request.kind == "image" else self.read(reply, request)
        )

    def read(self, reply: object, request: Request) -> Answer:
        """The answer in the body of a response.

        Raises:
            Trouble: there is none.
        """
        if request.kind == "chat":
            return read_chat(reply, self.shield)
        return read_image(reply, request, self.shield, lambda url: fetch(url, self.endpoint["timeout_s"]))

    async def call(self, pending, request: Request | None = None, timeout_s: float | None = None):
        """What a call of the client brings, or an Answer where it turned down just this request.

        Raises:
            Trouble: no answer, or the set-up is wrong.
        """
        timeout_s = timeout_s or self.endpoint["timeout_s"]
        try:
            # The client's own timeout is one for each read; a reply that drips would never end.
            async with asyncio.timeout(timeout_s):
                return await pending
        except self._openai.APIStatusError as error:
            asked = request or Request("", "", "", ())
            wait_s = retry_after(error.response.headers)
            return classify_http_error(error.status_code, error_of(error), asked, self.endpoint, self.shield, wait_s)
        except (TimeoutError, self._openai.APITimeoutError):
            raise EndpointError(f"gave no answer within {timeout_s:g} s") from None
        except self._openai.APIConnectionError as error:
            if type(error.__cause__).__name__ == "ConnectError":  # refused, or no such host; httpx2 is not imported
                where = address(self.endpoint)
                raise EndpointError(
                    f"could not be reached at {where}; start it or correct `base_url`", final=True
                ) from None
            raise EndpointError("closed the connection without a whole answer") from None
        except (self._openai.APIError, ValueError) as error:
            raise unreadable(self.shield.quote(f"the server's reply could not be read ({error})")) from None

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()


def provider_of(name: str, endpoint: dict) -> OpenAIProvider | OfflineProvider:
    """The provider of an endpoint.

    Raises:
        InputError: its kind is unknown.
        SetupError: its key is not set.
    """
    if endpoint["kind"] == "offline":
        return OfflineProvider()
    if endpoint["kind"] == "openai":
        return OpenAIProvider(name, endpoint)
    raise InputError(f"endpoint {name!r}: kind must be openai or offline, got {endpoint['kind']!r}")


def key_of(name: str, endpoint: dict) -> str:
    """The endpoint's key, empty where it needs none.

    Raises:
        SetupError: the environment variable is not set.
    """
    variable = endpoint.get("key_env") if endpoint["kind"] == "openai" else ""
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise SetupError(
            f"Endpoint {name!r} needs a key: set the environment variable {variable} and run again, "
            "or set `exchanges: replay` to use recorded answers only."
        )
    return key


def address(endpoint: dict) -> str:
    """Where an endpoint is, without what its address may hold for logging in."""
    place = urlsplit(endpoint["base_url"] or OPENAI_URL)
    return f"{place.scheme}://{place.hostname}" + (f":{place.port}" if place.port else "")


def body_of(request: Request) -> dict:
    """The JSON body that asks a request; images as data URLs in the last user message.

    Raises:
        InputError: an image file is none.
    """
    if request.kind == "image":
        return {"model": request.model, "prompt": request.messages[-1]["content"], "n": 1, **request.options}
    messages = [dict(message) for message in request.messages]
    if request.images:
        last = max(at for at, message in enumerate(messages) if message["role"] == "user")
        parts = [{"type": "image_url", "image_url": {"url": data_url(path)}} for path in request.images]
        messages[last]["content"] = [{"type": "text", "text": messages[last]["content"]}, *parts]
    return {"model": request.model, "messages": messages, **request.options}


def error_of(error) -> object:
    """What a status error's body holds under `error`."""
    return error.body if isinstance(error.body, dict) else {"message": error.message}


def data_url(path: Path) -> str:
    """An image file as a data URL, its type by content.

    Raises:
        InputError: not a PNG, JPEG, GIF or WebP file.
    """
    data = Path(path).read_bytes()
    kind = image_kind(data)
    if kind is None:
        raise InputError(f"{path} is no PNG, JPEG, GIF or WebP image")
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"


def fetch(url: str | None, timeout_s: float) -> bytes:
    """Download an image that a reply names by its address."""
    if not str(url).startswith(("https://", "http://")):
        raise ValueError("it holds neither data nor an address")
    with urllib.request.urlopen(url, timeout=timeout_s) as response:
        return response.read()
