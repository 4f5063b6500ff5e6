"""Start of a served model: wait until it is healthy, then check the model and the server's version.

Source: vLLM answers GET /health with 200 and GET /version; llama-server answers /health with 503 while it loads, and
/props with `build_info`; llama_cpp.server has neither, its /openapi.json has the version; `transformers serve` answers
/health, and its /v1/models lists the cache rather than the model.
"""

import http.client
import socket
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from detailscribe.files.json_reader import load_json
from detailscribe.files.kept_process import KeptProcess, printed
from detailscribe.llm.response_body import redacted_body
from detailscribe.llm.served import ports
from detailscribe.llm.served.kinds import LLAMA_CPP_PYTHON, server_command, server_program
from detailscribe.llm.served.server_log import server_redactor, shown

POLL_S, FIRST_POLL_S = 1.0, 0.1
CALL_S = 10.0  # of one question about health, model or version
VERSION_S = 180.0  # of a program that prints its version
MAX_BYTES = 2**22  # of a reply
SHOWN_LENGTH = 80  # characters of a version or of a name


class StartError(Exception):
    """The server did not become ready; the message continues a sentence that begins with the server's name.

    Args:
        message: The rest of the sentence.
        log_tells: Whether a line of the server's log says why; not of a healthy server that is not the wanted one.
    """

    def __init__(self, message: str, log_tells: bool = True):
        super().__init__(message)
        self.log_tells = log_tells


@dataclass(frozen=True)
class Probe:
    """Paths that tell about a server; empty for a server that does not tell."""

    health: str
    models: str
    version: str


PROBES = {
    "vllm": Probe("/health", "/v1/models", "/version"),
    "llama-server": Probe("/health", "/v1/models", "/props"),
    LLAMA_CPP_PYTHON: Probe("/v1/models", "/v1/models", "/openapi.json"),
    "transformers": Probe("/health", "", ""),
}


class _Socket(socket.socket):
    """A socket whose reads and writes end, all together, at `deadline` of the monotonic clock."""

    deadline = 0.0

    def recv_into(self, *arguments: Any) -> int:
        """Read, in the time that is left."""
        self.settimeout(self._left_s())
        return super().recv_into(*arguments)

    def sendall(self, *arguments: Any) -> None:
        """Write, in the time that is left."""
        self.settimeout(self._left_s())
        super().sendall(*arguments)

    def _left_s(self) -> float:
        if (left_s := self.deadline - time.monotonic()) <= 0:
            raise TimeoutError
        return left_s


def get(port: int, path: str, key: str, timeout_s: float | None = None) -> tuple[int, Any]:
    """Status and JSON value of a server of this machine; no text in the value holds the server's key.

    Args:
        timeout_s: Of the whole question, however slowly the answer comes; by default CALL_S.

    Returns:
        Status 0 if no answer comes in time; None for what is no JSON, is nested too deeply, or is too large.
    """
    timeout_s = CALL_S if timeout_s is None else timeout_s
    connection = http.client.HTTPConnection(ports.HOST, port, timeout=timeout_s)
    with _Socket(socket.AF_INET, socket.SOCK_STREAM) as door:
        door.deadline = time.monotonic() + timeout_s
        door.settimeout(timeout_s)
        try:
            door.connect((ports.HOST, port))
            connection.sock = door
            connection.request("GET", path, headers={"Authorization": f"Bearer {key}"})
            response = connection.getresponse()
            data = response.read(MAX_BYTES + 1)
        except (OSError, http.client.HTTPException, ValueError):
            return 0, None
        finally:
            connection.close()
    if len(data) > MAX_BYTES:
        return response.status, None
    try:
        value = load_json(data, allow_nonfinite=True, mend_text=True)
    except ValueError:
        return response.status, None
    return response.status, redacted_body(value, server_redactor(key).redact)


def is_healthy(program: str, port: int, key: str, timeout_s: float | None = None) -> bool:
    """Whether a server answers that it is ready. Arguments as for `get`."""
    return get(port, PROBES[program].health, key, timeout_s)[0] == 200


def wait_until_ready(
    program: str, process: KeptProcess, port: int, key: str, timeout_s: float, progress: Callable[[float], object]
) -> None:
    """Wait until a server is healthy.

    Args:
        progress: Called with the seconds since the start, after each question.

    Raises:
        StartError: it ended, or is not healthy in time.
    """
    started = time.monotonic()
    while True:
        left_s = timeout_s - (time.monotonic() - started)
        healthy = is_healthy(program, port, key, min(CALL_S, max(left_s, POLL_S)))
        if ending := process.ending():
            raise StartError(ending)
        # A program of another user may have taken the port; its answer is not this server's.
        if healthy and ports.listens(process.pids(), port):
            return
        waited = time.monotonic() - started
        if waited >= timeout_s:
            raise StartError(f"was not ready after {timeout_s:g} s")
        progress(waited)
        time.sleep(FIRST_POLL_S if waited < POLL_S else POLL_S)


def check_model(program: str, port: int, key: str, name: str) -> None:
    """Check that a server serves the model that it was asked to.

    Raises:
        StartError: it lists another one, or none.
    """
    path = PROBES[program].models
    if not path:
        return
    status, value = get(port, path, key)
    rows = value.get("data") if isinstance(value, dict) else None
    names = [row.get("id") for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
    if name not in names:
        listed = ", ".join(repr(shown(each, SHOWN_LENGTH)) for each in names[:3]) or f"nothing readable (HTTP {status})"
        raise StartError(f"serves {listed} instead of {name!r}", log_tells=False)


def server_version(endpoint: dict, port: int, key: str) -> str:
    """The version that a running server tells, on one line; empty if it does not."""
    program = server_program(endpoint)
    value: Any = get(port, PROBES[program].version, key)[1] if PROBES[program].version else None
    if isinstance(value, dict):
        info = value.get("info")
        value = info if isinstance(info, dict) else value
        return shown(value.get("version") or value.get("build_info") or "", SHOWN_LENGTH)
    return _printed_version(server_command(endpoint)) if program == "transformers" else ""


def is_version(wanted: str, found: str) -> bool:
    """Whether a version is the wanted one, or a build of it: `0.33.0+cu130` of 0.33.0, `b6123-4f1a` of b6123."""
    return found == wanted or found.startswith((f"{wanted}+", f"{wanted}-"))


def version_problem(wanted: str, found: str) -> str:
    """What is wrong with a server of another version than the configured one, and the remedy."""
    return (
        f"is version {found}, but `version` says {wanted}; install that one, or set `version: {found!r}`, "
        "with which is asked again what was not recorded under that version"
    )


def _printed_version(command: list[str]) -> str:
    """Last word of what `transformers version` prints."""
    words = [*command[:-1], "version"] if command[-1] == "serve" else [*command, "version"]
    status, text = printed(words, VERSION_S) or (1, "")
    lines = text.split()
    return shown(lines[-1], SHOWN_LENGTH) if status == 0 and lines else ""
