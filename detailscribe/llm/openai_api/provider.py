"""OpenAI-compatible provider: chat completions, image generations and the client of the Batch API.

The API key reaches the client and nothing else. What the server says is read by `responses.ServerReader` and
`http_errors.classify_http_error`; each call ends as an Answer or an EndpointError, whatever comes.
"""

import asyncio
import logging
import time
from collections.abc import Awaitable
from typing import Any, TypeVar

from detailscribe.errors import InputError
from detailscribe.files.json_reader import load_json
from detailscribe.llm.endpoint_error import EndpointError, unforeseen_error
from detailscribe.llm.endpoints import endpoint_redactor, public_url, server_url
from detailscribe.llm.openai_api.http_errors import classify_http_error
from detailscribe.llm.openai_api.request_body import request_body
from detailscribe.llm.openai_api.responses import ServerReader
from detailscribe.llm.request import Answer, Request
from detailscribe.llm.response_body import MAX_BYTES
from detailscribe.llm.retry import parse_retry_after

Result = TypeVar("Result")
LARGE_BYTES = 2**20  # of a response that is read in a thread, while other calls go on
PROXY_STATUSES = (403, 407, 502, 503, 504)  # that a proxy on the way may have sent
log = logging.getLogger(__name__)


class OpenAIProvider:
    """Client of a server with OpenAI's chat and image APIs.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry.

    Attributes:
        redactor: Removes the endpoint's secrets from text.
        client: The OpenAI client, which makes each call once (`connection.open_client`).

    Raises:
        SetupError: its key, address, proxy or certificates cannot be used.
    """

    def __init__(self, name: str, endpoint: dict):
        self.endpoint, self._url = endpoint, server_url(name, endpoint)
        self.redactor = endpoint_redactor(name, endpoint)
        import openai  # takes 0.6 s, and an offline run does not need it

        from detailscribe.llm.openai_api import connection, environment

        self._openai, self._download = openai, connection.download_image
        self.client = connection.open_client(name, endpoint, self.redactor, endpoint["timeout_s"])
        self._proxy = environment.proxy_variable(self._url)

    async def answer(self, request: Request) -> Answer:
        """Send a request once, within the endpoint's `timeout_s` in all.

        Raises:
            EndpointError: no answer, or the set-up is wrong; nothing else.
        """
        try:
            return await self._answer(request)
        except EndpointError:
            raise
        except Exception as error:  # noqa: BLE001  # one call must not end the others
            raise self._unforeseen(error) from None

    async def _answer(self, request: Request) -> Answer:
        try:
            body = await asyncio.to_thread(request_body, request) if request.images else request_body(request)
        except (InputError, OSError) as error:
            return Answer("failed", str(error), billed=False)
        started = time.monotonic()
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
        left_s = self.endpoint["timeout_s"] - (time.monotonic() - started)
        if request.kind == "image" or len(response.content) > LARGE_BYTES:
            return await asyncio.to_thread(self._read, response.content, request, left_s)
        return self._read(response.content, request, left_s)

    def parse(self, body: object, request: Request) -> Answer:
        """The answer in a response's JSON value, of any shape; every text in it has passed the redactor.

        It may fetch an image by its address, for up to `timeout_s`.

        Raises:
            EndpointError: it holds none; nothing else.
        """
        return self._parse(body, request, self.endpoint["timeout_s"])

    def _parse(self, body: object, request: Request, left_s: float) -> Answer:
        reader = ServerReader(self.endpoint, self.redactor, lambda url: self._download(url, max(left_s, 0.0)))
        try:
            return reader.answer(body, request)
        except EndpointError:
            raise
        except Exception as error:  # noqa: BLE001  # a shape that nobody thought of
            raise self._unforeseen(error) from None

    def _read(self, content: bytes, request: Request, left_s: float) -> Answer:
        try:
            value = load_json(content, allow_nonfinite=True, mend_text=True)
        except ValueError as error:
            text = self.redactor.redact(content[:MAX_BYTES].decode("utf-8", "replace"))
            reason = self.redactor.excerpt(f"the server's reply could not be read ({error})")
            raise EndpointError(reason, fallback=Answer("failed", reason, body=text)) from None
        return self._parse(value, request, left_s)

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
            return self._rejected(error, request or Request("", "", "", ()))
        except (TimeoutError, self._openai.APITimeoutError):
            raise EndpointError(f"gave no answer within {timeout_s:g} s{self._via()}", may_be_billed=True) from None
        except self._openai.APIConnectionError as error:
            raise self._connection_error(error.__cause__) from None
        except (self._openai.APIError, ValueError) as error:
            reason = self.redactor.excerpt(f"the server's reply could not be read ({error})")
            raise EndpointError(reason, fallback=Answer("failed", reason)) from None

    async def close(self) -> None:
        """Close the connections."""
        await self.client.close()

    def _rejected(self, error: Any, request: Request) -> Answer:
        status, wait_s = error.status_code, parse_retry_after(error.response.headers)
        value = _error_value(error.response.content)
        try:
            return classify_http_error(status, value, request, self.endpoint, self.redactor, wait_s)
        except EndpointError as found:
            if self._proxy and status in PROXY_STATUSES:
                found.args = (f"{found} (the calls go{self._via()})",)
            raise found from None

    def _connection_error(self, cause: BaseException | None) -> EndpointError:
        kind, text = type(cause).__name__, self.redactor.excerpt(str(cause))  # of httpx2, which is not imported here
        place = public_url(self.endpoint) + self._via()
        if "CERTIFICATE" in text.upper():
            return EndpointError(
                f"could not be trusted at {place} ({text}); name the file of its certificates in SSL_CERT_FILE",
                retryable=False,
            )
        if kind in ("ConnectError", "ProxyError"):  # refused, or no such host
            remedy = f"correct or unset {self._proxy}, or add the host to NO_PROXY" if self._proxy else "start it"
            return EndpointError(f"could not be reached at {place}; {remedy} or correct `base_url`", retryable=False)
        if kind in ("UnsupportedProtocol", "LocalProtocolError"):
            return EndpointError(f"cannot be asked at {place} ({text}); correct `base_url`", retryable=False)
        return EndpointError(f"closed the connection before the answer was complete{self._via()}", may_be_billed=True)

    def _via(self) -> str:
        return f" through the proxy of {self._proxy}" if self._proxy else ""

    def _unforeseen(self, error: Exception) -> EndpointError:
        found = unforeseen_error(error, self.redactor.excerpt)
        log.warning("%s", found)
        return found


def _error_value(content: bytes) -> object:
    try:
        return load_json(content, allow_nonfinite=True, mend_text=True)
    except ValueError:
        return content[:MAX_BYTES].decode("utf-8", "replace")
