"""A planted HTTP server: status, headers and bytes of every response are given by a function."""

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler

from tests.local_server import LocalServer


@dataclass
class Response:
    """What the server sends; `drip_s` is the time between two bytes."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0


class PlantedServer(LocalServer):
    """The server, started by `with`. `respond` gets method, path and parsed body of a request."""

    def __init__(self, respond: Callable[[str, str, dict], Response]):
        self.respond = respond
        super().__init__(_Handler)


class _Handler(BaseHTTPRequestHandler):
    owner: PlantedServer
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._send("GET", {})

    def do_POST(self) -> None:
        data = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            body = json.loads(data)
        except ValueError:
            body = {}
        self._send("POST", body)

    def _send(self, method: str, body: dict) -> None:
        response = self.owner.respond(method, self.path, body)
        try:
            self.send_response(response.status)
            headers = {"Content-Type": "application/json", "Content-Length": str(len(response.body))}
            for name, value in (headers | response.headers).items():
                self.send_header(name, value)
            self.end_headers()
            step = 1 if response.drip_s else max(1, len(response.body))
            for start in range(0, len(response.body), step):
                self.wfile.write(response.body[start : start + step])
                time.sleep(response.drip_s)
        except OSError:
            self.close_connection = True

    def log_message(self, *_) -> None:
        """Suppress the request log."""
