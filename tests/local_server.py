"""A threaded HTTP server on a free port of this machine, started and stopped by `with`."""

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Self


class LocalServer:
    """Base of the test servers.

    Args:
        handler: Class of the request handlers; it gets this object as `owner`.
        port: 0 for any free one.

    Attributes:
        address: `http://127.0.0.1:PORT`.
        base_url: The address with `/v1`.
    """

    def __init__(self, handler: type[BaseHTTPRequestHandler], port: int = 0):
        self._server = _Server(("127.0.0.1", port), type("Handler", (handler,), {"owner": self}))
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self.base_url = f"{self.address}/v1"

    def __enter__(self) -> Self:
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_) -> None:
        self._server.shutdown()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with the default of 5, many calls at once would be reset
