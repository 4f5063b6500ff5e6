"""A Hugging Face hub on this machine: one repository, as much of the protocol as downloads need."""

import hashlib
import http.server
import json
import threading
from pathlib import Path
from urllib.parse import unquote, urlsplit

REPOSITORY = "lab/tiny"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


class HubServer:
    """Serves the files of a folder as `lab/tiny`; `token` is what a gated one asks for."""

    def __init__(self, folder: Path, token: str = ""):
        hub = self
        self.folder, self.token, self.served = folder, token, []

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                status, headers, body = hub.answer(unquote(urlsplit(self.path).path), self.headers)
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                if self.command == "GET":
                    self.wfile.write(body)

            do_HEAD = do_GET

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.server.server_port}"

    def __enter__(self) -> "HubServer":
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def answer(self, path: str, headers) -> tuple[int, dict, bytes]:
        files = {file.relative_to(self.folder).as_posix(): file for file in self.folder.rglob("*") if file.is_file()}
        if path.startswith(f"/api/models/{REPOSITORY}/tree/{COMMIT}"):
            rows = [
                {"type": "file", "path": name, "size": file.stat().st_size, "oid": self.etag(file)}
                for name, file in files.items()
            ]
            return 200, {}, json.dumps(rows).encode()
        if path.startswith(f"/api/models/{REPOSITORY}"):
            info = {"id": REPOSITORY, "sha": COMMIT, "siblings": [{"rfilename": name} for name in files]}
            return 200, {}, json.dumps(info).encode()
        name = path.removeprefix(f"/{REPOSITORY}/resolve/{COMMIT}/").removeprefix(f"/{REPOSITORY}/resolve/main/")
        if name not in files:
            return 404, {"X-Error-Code": "EntryNotFound", "X-Repo-Commit": COMMIT}, b""
        if self.token and headers.get("Authorization") != f"Bearer {self.token}":
            return 403, {"X-Error-Code": "GatedRepo"}, b""
        self.served.append(name)
        return 200, {"X-Repo-Commit": COMMIT, "ETag": f'"{self.etag(files[name])}"'}, files[name].read_bytes()

    @staticmethod
    def etag(file: Path) -> str:
        return hashlib.sha256(file.read_bytes()).hexdigest()
