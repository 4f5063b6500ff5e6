"""Who answers a request: an OpenAI-compatible server, or the offline stand-in.

Both have `chat(request)`, `image(request)` and `close()`, all async, and give back an `Answer`; what stops more than
one request is raised as `Trouble`. The key reaches the client and nothing else.
"""

import asyncio
import base64
import io
import os
import re
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

from PIL import Image

from detailscribe import offline
from detailscribe.errors import InputError, SetupError
from detailscribe.exchanges import Answer, Request, image_kind

POLICY_CODES = {  # a refusal that comes as an HTTP error
    "content_filter",
    "content_policy_violation",
    "invalid_prompt",
    "moderation_blocked",
    "ResponsibleAIPolicyViolation",
}
SETUP_CODES = {"model_not_found", "unknown_parameter", "unsupported_parameter", "unsupported_value"}
NO_CREDIT_CODES = {"insufficient_quota", "billing_hard_limit_reached"}
ACCOUNT_NAMES = re.compile(r"\b(?:org-|proj_|user-|sk-)[\w*.-]{10,}")  # servers put them into error messages
QUOTE_LENGTH = 300  # characters of a server's message that are passed on


class Trouble(Exception):
    """The endpoint did not answer.

    Attributes:
        final: The next request would fare no better.
    """

    def __init__(self, message: str, final: bool = False):
        super().__init__(message)
        self.final = final


class OfflineProvider:
    """The stand-in of `offline.py`: no network, no key, no cost."""

    async def chat(self, request: Request) -> Answer:
        """Answer by rule."""
        usage = {"input_tokens": 0, "output_tokens": 0}
        try:
            text = offline.reply(request)
        except OSError as error:
            return Answer("failed", f"the image could not be read ({error})")
        return Answer("ok", text=text, usage=usage, served_model=offline.MODEL, finish_reason="stop")

    async def image(self, request: Request) -> Answer:
        """Draw by rule."""
        picture = offline.picture(request.messages[-1]["content"], request.draw)
        return Answer("ok", image=picture, usage={"input_tokens": 0, "output_tokens": 0}, served_model=offline.MODEL)

    async def close(self) -> None:
        """Nothing to close."""


class OpenAIProvider:
    """Any server that speaks OpenAI's chat and image interfaces."""

    def __init__(self, name: str, endpoint: dict):
        import openai  # 0.6 s, and an offline run needs none of it

        self._openai, self._endpoint = openai, endpoint
        self._key = key_of(name, endpoint)
        self._client = openai.AsyncOpenAI(
            api_key=self._key or "none",
            base_url=endpoint["base_url"] or None,
            timeout=endpoint["timeout_s"],
            max_retries=endpoint["max_retries"],
        )

    async def chat(self, request: Request) -> Answer:
        """Ask for text.

        Raises:
            Trouble: no answer after all retries, or the set-up is wrong.
        """
        messages = [dict(message) for message in request.messages]
        if request.images:
            last = max(at for at, message in enumerate(messages) if message["role"] == "user")
            try:
                parts = [{"type": "image_url", "image_url": {"url": data_url(path)}} for path in request.images]
            except InputError as error:
                return Answer("failed", str(error))
            messages[last]["content"] = [{"type": "text", "text": messages[last]["content"]}, *parts]
        response = await self._call(
            self._client.chat.completions.create, request, model=request.model, messages=messages
        )
        if isinstance(response, Answer):
            return response
        choices = getattr(response, "choices", None)
        message = getattr(choices[0], "message", None) if isinstance(choices, list) and choices else None
        if message is None:
            return Answer("failed", "the server's reply holds no message")
        finish = str(getattr(choices[0], "finish_reason", None) or "")
        text, refusal = getattr(message, "content", None), getattr(message, "refusal", None)
        text = self._hide(text) if isinstance(text, str) else ""
        about = {
            "finish_reason": finish,
            "usage": usage_of(response, "prompt_tokens", "completion_tokens"),
            "served_model": self._quote(getattr(response, "model", None) or ""),
        }
        if refusal or finish == "content_filter":
            said = f"the model declined: {refusal}" if refusal else "the provider's content filter withheld the reply"
            return Answer("refused", self._quote(said), text, **about)
        if not text.strip():
            return Answer("failed", f"the reply is empty (finish reason {finish or 'not given'})")
        return Answer("ok", text=text, **about)

    async def image(self, request: Request) -> Answer:
        """Ask for one image; its prompt is the last message.

        Raises:
            Trouble: no answer after all retries, or the set-up is wrong.
        """
        response = await self._call(
            self._client.images.generate, request, model=request.model, prompt=request.messages[-1]["content"], n=1
        )
        if isinstance(response, Answer):
            return response
        data = getattr(response, "data", None)
        first = data[0] if isinstance(data, list) and data else None
        try:
            if getattr(first, "b64_json", None):
                picture = base64.b64decode(first.b64_json)
            else:
                picture = await asyncio.to_thread(fetch, getattr(first, "url", None), self._endpoint["timeout_s"])
        except (OSError, ValueError) as error:
            return Answer("failed", self._quote(f"the image could not be read from the reply ({error})"))
        if image_kind(picture) is None:
            return Answer("failed", "the reply's image is no PNG, JPEG, GIF or WebP file")
        try:
            with Image.open(io.BytesIO(picture)) as image:
                image.load()
        except (OSError, ValueError, SyntaxError) as error:
            return Answer("failed", self._quote(f"the reply's image is broken ({error})"))
        return Answer(
            "ok",
            text=self._hide(getattr(first, "revised_prompt", None) or ""),
            usage=usage_of(response, "input_tokens", "output_tokens"),
            served_model=self._quote(getattr(response, "model", None) or request.model),
            image=picture,
        )

    async def close(self) -> None:
        """Close the connections."""
        await self._client.close()

    async def _call(self, method, request: Request, **arguments):
        """The server's response, or an Answer where it turned down just this request."""
        try:
            return await method(**arguments, extra_body=dict(request.options))
        except self._openai.APIStatusError as error:
            return self._turned_down(error, request)
        except self._openai.APITimeoutError:
            raise Trouble(f"gave no answer within {self._endpoint['timeout_s']:g} s") from None
        except self._openai.APIConnectionError as error:
            if type(error.__cause__).__name__ == "ConnectError":  # refused, or no such host; httpx2 is not imported
                place = urlsplit(self._endpoint["base_url"] or "https://api.openai.com")
                where = f"{place.scheme}://{place.hostname}" + (f":{place.port}" if place.port else "")
                raise Trouble(f"could not be reached at {where}; start it or correct `base_url`", True) from None
            raise Trouble("closed the connection without an answer") from None
        except (self._openai.APIError, ValueError) as error:
            return Answer("failed", self._quote(f"the server's reply could not be read ({error})"))

    def _turned_down(self, error, request: Request) -> Answer:
        """An HTTP error as an answer to one request.

        Raises:
            Trouble: it concerns more than this request.
        """
        status, codes = error.status_code, {error.code, error.type}
        said = error.body.get("message") if isinstance(error.body, dict) else None
        said = self._quote(str(said or error.message))
        if status in (400, 403) and codes & POLICY_CODES:
            return Answer("refused", f"the provider declined: {said}", served_model=request.model)
        if status in (401, 403):
            key = self._endpoint.get("key_env")
            way_out = f"check the key in the environment variable {key}" if key else "name its `key_env` in the config"
            raise Trouble(f"did not accept the key (HTTP {status}); {way_out}", True) from None
        if status == 404 or codes & SETUP_CODES:
            way_out = "check the model's name, its options and `base_url`"
            raise Trouble(
                f"cannot serve the model {request.model!r} (HTTP {status}: {said}); {way_out}", True
            ) from None
        if status == 402 or codes & NO_CREDIT_CODES:
            raise Trouble(f"has no credit left (HTTP {status}); top up the account", True) from None
        if status in (408, 409, 429) or status >= 500:
            trouble = "still asks for fewer calls (lower its `in_flight`)" if status == 429 else "is in trouble"
            raise Trouble(f"{trouble} (HTTP {status})") from None
        return Answer("failed", f"the server turned the request down (HTTP {status}: {said})")

    def _hide(self, text: str) -> str:
        """Text without the key, and without half characters, which no file could hold."""
        text = text.encode("utf-8", "replace").decode()
        return text.replace(self._key, "[key]") if self._key else text

    def _quote(self, text: str) -> str:
        """A server's words for a reason or an error: short, without key and account names."""
        text = ACCOUNT_NAMES.sub("[account]", self._hide(" ".join(text.split())))
        return text if len(text) <= QUOTE_LENGTH else text[:QUOTE_LENGTH] + " ..."


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


def usage_of(response, given: str, made: str) -> dict | None:
    """Token counts under our names, None where the server gave none."""
    usage = getattr(response, "usage", None)
    counts = {"input_tokens": getattr(usage, given, None), "output_tokens": getattr(usage, made, None)}
    return counts if all(isinstance(count, int) for count in counts.values()) else None


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
