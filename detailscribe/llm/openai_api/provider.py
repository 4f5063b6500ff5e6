"""OpenAI-compatible provider: chat completions, image generations and the client of the Batch API.

The API key reaches the client and nothing else.
"""

import asyncio
import json
import urllib.request
from collections.abc import Awaitable
from dataclasses import replace
from typing import Any, TypeVar
from urllib.parse import urlsplit

from detailscribe.errors import InputError
from detailscribe.llm.endpoint_error import EndpointError, unparseable_response
from detailscribe.llm.endpoints import OPENAI_URL, Redactor, api_key, public_url
from detailscribe.llm.openai_api.http_errors import classify_http_error
from detailscribe.llm.openai_api.request_body import request_body
from detailscribe.llm.openai_api.responses import parse_chat_response, parse_image_response
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.response_body import MAX_BYTES, redacted_body
from detailscribe.llm.retry import parse_retry_after

Result = TypeVar("Result")


class OpenAIProvider:
    """Client of a server with OpenAI's chat and image APIs.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry.

    Raises:
        SetupError: its key is not set.
    """

    def __init__(self, name: str, endpoint: dict):
        import openai  # takes 0.6 s, and an offline run does not need it

        self._openai, self.endpoint = openai, endpoint
        key, url = api_key(name, endpoint), urlsplit(endpoint["base_url"] or OPENAI_URL)
        self.redactor = Redactor(key, url.username or "", url.password or "")
        self.client = openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=endpoint["base_url"] or None,
            timeout=endpoint["timeout_s"],
            max_retries=0,
        )

    async def answer(self, request: Request) -> Answer:
        """Send a request once.

        Raises:
            EndpointError: no answer, or the set-up is wrong.
        """
        try:
            body = await asyncio.to_thread(request_body, request) if request.images else request_body(request)
        except InputError as error:
            return Answer("failed", str(error))
        # `extra_body` bypasses the client's validation of every field, which takes as long as the call itself.
        pending: Awaitable[Any]
        if request.kind == "image":
            pending = self.client.images.with_raw_response.generate(prompt="", extra_body=body)
        else:
            pending = self.client.chat.completions.with_raw_response.create(
                model=request.model, messages=[], extra_body=body
            )
        response: Any = await self.call(pending, request)
        if isinstance(response, Answer):
            return response
        try:
            reply = json.loads(response.content)
        except ValueError as error:
            text = response.content[:MAX_BYTES].decode("utf-8", "replace")
            raise self._unparseable(error, self.redactor.redact(text)) from None
        return (
            await asyncio.to_thread(self.parse, reply, request)
            if request.kind == "image"
            else self.parse(reply, request)
        )

    def parse(self, body: object, request: Request) -> Answer:
        """The answer in a response's body.

        Raises:
            EndpointError: it holds none.
        """
        if request.kind == "chat":
            return parse_chat_response(body, self.redactor)
        timeout_s = self.endpoint["timeout_s"]
        return parse_image_response(body, request, self.redactor, lambda url: download_image(url, timeout_s))

    async def call(
        self, pending: Awaitable[Result], request: Request | None = None, timeout_s: float | None = None
    ) -> Result | Answer:
        """Await a call of the client.

        Returns:
            The call's result, or an Answer if the server rejected only this request.

        Raises:
            EndpointError: no answer, or the set-up is wrong.
        """
        timeout_s = timeout_s or self.endpoint["timeout_s"]
        try:
            # The client's own timeout restarts with each read, so that a slow trickle of bytes would never end.
            async with asyncio.timeout(timeout_s):
                return await pending
        except self._openai.APIStatusError as error:
            request = request or Request("", "", "", ())
            details = error.body if isinstance(error.body, dict) else {"message": error.message}
            retry_after_s = parse_retry_after(error.response.headers)
            answer = classify_http_error(
                error.status_code, details, request, self.endpoint, self.redactor, retry_after_s
            )
            body = {"http_status": error.status_code, "error": details}
            return replace(answer, body=redacted_body(body, self.redactor.redact_error))
        except (TimeoutError, self._openai.APITimeoutError):
            raise EndpointError(f"gave no answer within {timeout_s:g} s") from None
        except self._openai.APIConnectionError as error:
            if type(error.__cause__).__name__ == "ConnectError":  # refused, or no such host; httpx2 is not imported
                url = public_url(self.endpoint)
                raise EndpointError(
                    f"could not be reached at {url}; start it or correct `base_url`", retryable=False
                ) from None
            raise EndpointError("closed the connection before the answer was complete") from None
        except (self._openai.APIError, ValueError) as error:
            raise self._unparseable(error) from None

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    def _unparseable(self, error: Exception, body: object = None) -> EndpointError:
        return unparseable_response(self.redactor.excerpt(f"the server's reply could not be read ({error})"), body)


def download_image(url: str, timeout_s: float) -> bytes:
    """Download an image that a response gives by URL.

    Raises:
        ValueError: not an HTTP URL.
        OSError: the download failed.
    """
    if not url.startswith(("https://", "http://")):
        raise ValueError("it holds neither data nor a URL")
    with urllib.request.urlopen(url, timeout=timeout_s) as response:
        return response.read()
