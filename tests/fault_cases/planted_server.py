"""A planted HTTP server: status, headers and bytes of every response are given by a function."""

import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass
class Response:
    """What the server sends; `drip_s` is the time between two bytes."""

    body: bytes
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    drip_s: float = 0.0


class PlantedServer:
    """The server, started by `with`. `respond` gets method, path and parsed body of a request."""

    def __init__(self, respond: Callable[[str, str, dict], Response]):
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"respond": [respond]}))
        self._server.daemon_threads = True
        self.base_url = f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> "PlantedServer":
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    respond: list[Callable[[str, str, dict], Response]]
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
        response = self.respond[0](method, self.path, body)
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
