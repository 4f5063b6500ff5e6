"""A server that sends whatever a test plants, byte by byte if need be, and one call of a provider to it."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable
from http.server import BaseHTTPRequestHandler

from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.openai_api.provider import OpenAIProvider
from detailscribe.llm.request import Answer, Request
from tests.local_server import LocalServer


class PlantedServer(LocalServer):
    """The server, started by `with`.

    Args:
        respond: Given method and path, the response: status, headers, and the body in pieces. Without a header
            `Content-Length` the body ends with the connection.

    Attributes:
        calls: `{"method", "path", "headers"}` (names in lower case) of every request so far.
    """

    def __init__(self, respond: Callable[[str, str], tuple[int, dict, Iterable[bytes]]]):
        self.respond, self.calls = respond, list[dict]()
        super().__init__(_Handler)

    def endpoint(self, **changes) -> dict:
        """A config entry for this server."""
        entry = {"kind": "openai", "base_url": self.base_url, "key_env": "", "in_flight": 4, "timeout_s": 10}
        return entry | {"max_retries": 0, "input_usd_per_million": 2.0, "output_usd_per_million": 8.0} | changes


class _Handler(BaseHTTPRequestHandler):
    owner: PlantedServer

    def do_GET(self) -> None:
        self._answer("GET")

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["Content-Length"]))
        self._answer("POST")

    def _answer(self, method: str) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.owner.calls.append({"method": method, "path": self.path, "headers": headers})
        status, headers, pieces = self.owner.respond(method, self.path)
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        with contextlib.suppress(OSError):  # the client has gone
            for piece in pieces:
                self.wfile.write(piece)

    def log_message(self, *_) -> None:
        """Suppress the request log."""


def planted(body: bytes, status: int = 200, **headers: str) -> PlantedServer:
    """A server with one response to everything."""
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return PlantedServer(lambda *_: (status, {"Content-Length": str(len(body)), **named}, [body]))


def call_once(endpoint: dict, request: Request) -> Answer | EndpointError:
    """What one call of a provider ends as; anything else than an Answer or an EndpointError is raised."""

    async def call() -> Answer:
        provider = OpenAIProvider("server", endpoint)
        try:
            return await provider.answer(request)
        finally:
            await provider.close()

    try:
        return asyncio.run(call())
    except EndpointError as error:
        return error
