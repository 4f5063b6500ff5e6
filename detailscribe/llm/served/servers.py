"""Servers of a job: one per endpoint, started at its first request that is not recorded, ended with the job."""

import os
import re
import secrets
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from detailscribe.errors import InputError, SetupError
from detailscribe.files.kept_process import GRACE_S, KeptProcess, printed
from detailscribe.llm.request import Request
from detailscribe.llm.served import startup
from detailscribe.llm.served.batch_program import PROGRAMS, BatchProgram
from detailscribe.llm.served.command_line import Weights, command_line, served_name, server_environment
from detailscribe.llm.served.kinds import (
    DEFAULT_START_TIMEOUT_S,
    LLAMA_CPP_PYTHON,
    check_served,
    is_served,
    server_command,
    server_program,
)
from detailscribe.llm.served.ports import HOST, Port, claim_port
from detailscribe.llm.served.server_log import (
    is_out_of_memory,
    is_port_taken,
    last_line,
    quoted_reason,
    server_redactor,
)

PORT_TRIES = 3
GPU_LIST_S = 60.0  # nvidia-smi wakes sleeping GPUs
PROGRESS_S = 15.0  # between two messages of progress
MEMORY_REMEDY = (
    "lower `context` or `in_flight`, use a larger GPU or several (`tensor_parallel`), or lower `image_tokens` or "
    "quantise the model, with which everything is asked again"
)


@dataclass
class RunningServer:
    """A server that answers.

    Attributes:
        model: Name of the model in the requests.
        served_name: Name of the model at the server.
        key: Its API key.
    """

    program: str
    process: KeptProcess
    port: Port
    log: Path
    model: str
    served_name: str
    key: str

    def excerpt(self, log_tells: bool = True) -> str:
        """The log's line that says why the server failed, and the log's path, in brackets; or the path alone."""
        return quoted_reason(self.log, server_redactor(self.key)) if log_tells else f"(log: {self.log})"


RUNNING: dict[str, RunningServer] = {}  # servers of this process by `base_url`


class Servers:
    """The servers that a job starts. Use it in a `with` block; without one, they end with the process.

    Args:
        say: Called with a message that the user should see.
        note: Called with a message of progress, for the job's log.
        log: Log file of the job; the server of endpoint `x` writes to `{stem}.x.log` beside it.
        locate: Finds the weights of an endpoint.
        locks: Open locks of the job's GPUs, held until the last process of a server has ended.
        grace_s: Seconds that a server has to end before it is killed.
        measure: Called with the process numbers of each server before it ends with a job that succeeded.
    """

    def __init__(
        self,
        say: Callable[[str], object] | None = None,
        note: Callable[[str], object] | None = None,
        log: Path = Path("server.log"),
        locate: Callable[[dict], Weights] | None = None,
        locks: Callable[[], Sequence[int]] = tuple,
        grace_s: float = GRACE_S,
        measure: Callable[[list[int]], object] | None = None,
    ):
        self._measure = measure or _nothing
        self._say, self._note, self._log = say or _nothing, note or _nothing, log
        self._locate, self._locks, self._grace_s = locate or _as_configured, locks, grace_s
        self._running: dict[str, tuple[RunningServer, dict]] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, error: type[BaseException] | None, *_) -> None:
        """End all servers."""
        for name, (server, _entry) in list(self._running.items()):
            if error is None:
                self._measure(server.process.pids())
            self._end(name)

    def serve(self, endpoints: dict[str, dict], requests: Iterable[Request]) -> dict[str, dict]:
        """Start what the requests need; entries of the served endpoints with the address and key of their servers.

        An endpoint with `batch` has no server: its program is started with the file of its requests (`run_batch`).

        Raises:
            InputError: an endpoint is misconfigured, or asked for several models.
            SetupError: a server does not start; the message has the last line of its log, and the log's path.
        """
        models: dict[str, dict[str, None]] = {}
        for request in requests:
            if is_served(endpoints[request.endpoint]):
                models.setdefault(request.endpoint, {})[request.model] = None
        return {name: self._ready(name, endpoints[name], list(wanted)) for name, wanted in models.items()}

    def _ready(self, name: str, endpoint: dict, models: list[str]) -> dict:
        if name in self._running:
            server, entry = self._running[name]
            if not server.process.ending():
                models = list(dict.fromkeys([server.model, *models]))
                _check_one_model(name, models)
                return entry
            self._end(name)
        check_served(name, endpoint)
        _check_one_model(name, models)
        if endpoint.get("batch"):
            return self._batch_entry(name, endpoint, models[0])
        server = self._start(name, endpoint, models[0])
        variable = f"DETAILSCRIBE_KEY_OF_{re.sub(r'[^A-Z0-9]', '_', name.upper())}"
        os.environ[variable] = server.key  # where the client, its redactor and its messages find a key
        entry = {**endpoint, "base_url": f"http://{HOST}:{server.port.number}/v1", "key_env": variable}
        entry["state_folder"] = str(server.port.state_folder)
        entry.pop("default_query", None)
        RUNNING[entry["base_url"]] = server
        self._running[name] = server, entry
        return entry

    def _batch_entry(self, name: str, endpoint: dict, model: str) -> dict:
        entry = {**endpoint, "base_url": f"http://{HOST}/run-batch/{name}", "key_env": ""}
        entry.pop("default_query", None)
        environment = server_environment(endpoint, "", 0, _gpu_numbers())
        PROGRAMS[entry["base_url"]] = BatchProgram(
            *(name, entry, self._locate(endpoint), model, environment, self._log_of(name)),
            *(self._locks, self._grace_s, self._say, self._note),
        )
        return entry

    def _log_of(self, name: str) -> Path:
        return self._log.with_name(f"{self._log.stem}.{name}.log")

    def _end(self, name: str) -> None:
        server, entry = self._running.pop(name)
        RUNNING.pop(entry["base_url"], None)
        os.environ.pop(entry["key_env"], None)
        server.process.stop()
        server.port.release()

    def _start(self, name: str, endpoint: dict, model: str) -> RunningServer:
        weights = self._locate(endpoint)
        log = self._log_of(name)
        log.parent.mkdir(parents=True, exist_ok=True)
        for attempt in range(PORT_TRIES):
            server = self._launch(endpoint, weights, model, log)
            try:
                self._wait(name, endpoint, server)
                return server
            except startup.StartError as error:
                server.process.stop()
                if is_port_taken(log) and attempt + 1 < PORT_TRIES:
                    self._note(f"Endpoint {name!r}: port {server.port.number} was taken meanwhile; trying another.")
                    continue
                raise SetupError(_start_message(name, endpoint, server, error)) from None
            except BaseException:
                server.process.stop()
                raise
            finally:
                if server.process.ending():
                    server.port.release()
        raise AssertionError("unreachable")

    def _launch(self, endpoint: dict, weights: Weights, model: str, log: Path) -> RunningServer:
        port, key = claim_port(), secrets.token_urlsafe(24)
        log.write_bytes(b"")
        try:
            process = KeptProcess(
                command_line(endpoint, weights, model, port.number),
                server_environment(endpoint, key, port.number, _gpu_numbers()),
                log,
                [port.lock, *self._locks()],
                self._grace_s,
            )
        except BaseException:
            port.release()
            raise
        name = served_name(endpoint, weights, model)
        return RunningServer(server_program(endpoint), process, port, log, model, name, key)

    def _wait(self, name: str, endpoint: dict, server: RunningServer) -> None:
        timeout_s = endpoint.get("start_timeout_s", DEFAULT_START_TIMEOUT_S)
        self._say(f"Endpoint {name!r}: starting {server.program} with {server.model} (log: {server.log})")
        started, said = time.monotonic(), 0.0

        def progress(waited_s: float) -> None:
            nonlocal said
            if waited_s - said >= PROGRESS_S:
                said = waited_s
                line = last_line(server.log, server_redactor(server.key))
                self._note(f"Endpoint {name!r}: {server.program} has been starting for {waited_s:.0f} s: {line}")

        port, key = server.port.number, server.key
        startup.wait_until_ready(server.program, server.process, port, key, timeout_s, progress)
        startup.check_model(server.program, port, key, server.served_name)
        found, wanted = startup.server_version(endpoint, port, key), endpoint["version"]
        if found and not startup.is_version(wanted, found):
            raise startup.StartError(startup.version_problem(wanted, found), log_tells=False)
        unknown = "" if found else f"; it does not tell its version, which counts as {wanted}"
        self._say(f"Endpoint {name!r}: {server.program} is ready after {time.monotonic() - started:.0f} s{unknown}")


def _start_message(name: str, endpoint: dict, server: RunningServer, error: startup.StartError) -> str:
    if server.process.is_missing:
        program = server_command(endpoint)[0]
        other = f", or set `command: python -m {LLAMA_CPP_PYTHON}`" if server.program == "llama-server" else ""
        return (
            f"Endpoint {name!r}: the program {program!r} {error}; install it where the job runs, or name it in "
            f"`command`{other}."
        )
    remedy = MEMORY_REMEDY if error.log_tells and is_out_of_memory(server.log) else "correct that"
    place = server.excerpt(error.log_tells)
    return f"Endpoint {name!r}: its server {server.program} {error} {place}; {remedy}, and run again."


def _check_one_model(name: str, models: list[str]) -> None:
    if len(models) > 1:
        listed = ", ".join(map(repr, models))
        raise InputError(f"endpoint {name!r}: its server has one model, but {listed} are asked; add an endpoint each")


def _gpu_numbers() -> dict[str, int]:
    """Numbers of this machine's GPUs by UUID, in the order of their PCI addresses; empty without a GPU."""
    if not re.search(r"GPU-", os.environ.get("CUDA_VISIBLE_DEVICES", "")):
        return {}
    _, text = printed(["nvidia-smi", "-L"], GPU_LIST_S) or (1, "")
    found = re.findall(r"^GPU (\d+):.*\(UUID: (GPU-[\w-]+)\)", text, re.MULTILINE)
    return {uuid: int(number) for number, uuid in found}


def _as_configured(endpoint: dict) -> Weights:
    model = endpoint["model"]
    revision = "" if Path(model).exists() else endpoint["revision"]
    return Weights(model, revision, endpoint.get("projector", ""), endpoint.get("chat_template", ""))


def _nothing(_: object) -> None:
    pass
