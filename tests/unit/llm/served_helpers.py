"""A fake `vllm` on the path, its endpoint, and what is left of its processes: shared by the tests of served models."""

import contextlib
import json
import os
import secrets
import sys
import time
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Reply, Request
from detailscribe.llm.served.ports import listening_inodes
from detailscribe.llm.served.servers import Servers
from tests.paths import REPOSITORY

MODEL = "some/model"
ENDPOINT = {
    "kind": "vllm",
    "model": "some/repository",
    "revision": "a" * 40,
    "version": "0.33.0",
    "in_flight": 2,
    "timeout_s": 20,
    "max_retries": 0,
    "start_timeout_s": 20,
    "input_usd_per_million": 0,
    "output_usd_per_million": 0,
}


class FakeVllm:
    """The fake program on the path of a test, and the folder of its job.

    Attributes:
        said: What the user was told.
        noted: What went to the job's log.
    """

    def __init__(self, folder: Path, monkeypatch):
        self.folder, self._token = folder, secrets.token_hex(8)
        self.said: list[str] = []
        self.noted: list[str] = []
        program = folder / "bin" / "vllm"
        program.parent.mkdir()
        program.write_text(f'#!/bin/sh\nexec {sys.executable} -I -S {REPOSITORY / "tests" / "fake_vllm.py"} "$@"\n')
        program.chmod(0o755)
        monkeypatch.setenv("PATH", f"{program.parent}{os.pathsep}{os.environ['PATH']}")
        monkeypatch.setenv("DETAILSCRIBE_LOCKS", str(folder))
        monkeypatch.setenv("FAKE_VLLM_NOTES", str(folder / "notes"))
        monkeypatch.setenv("FAKE_VLLM_ONCE", str(folder / "once"))
        monkeypatch.setenv("FAKE_VLLM_TOKEN", self._token)
        monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
        self._set = monkeypatch.setenv

    def misbehave(self, mode: str) -> None:
        """Let the servers that start from now on misbehave."""
        self._set("FAKE_VLLM", mode)

    def servers(self, **options) -> Servers:
        """The servers of a job in the folder."""
        log = self.folder / "logs" / "job.log"
        return Servers(self.said.append, self.noted.append, log, **{"grace_s": 2.0} | options)

    def ask(self, servers: Servers, *numbers: int, **changes) -> list[Reply]:
        """Ask the served model."""
        requests = [served_question(number) for number in numbers]
        return Chat({"local": ENDPOINT | changes}, self.folder / "store", "live", servers=servers).ask(requests)

    def notes(self) -> list[dict]:
        """What each start of the program was given."""
        path = self.folder / "notes"
        return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []

    def ports(self) -> list[int]:
        """Port of each server that was started."""
        argvs = [note["argv"] for note in self.notes()]
        return [int(argv[argv.index("--port") + 1]) for argv in argvs if "--port" in argv]

    def processes(self) -> list[int]:
        """Processes of all starts, keepers and children of the server included."""
        found = []
        for path in Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if path.name.isdigit() and self._token.encode() in (path / "environ").read_bytes():
                    found.append(int(path.name))
        return [pid for pid in found if pid != os.getpid()]

    def left(self, within_s: float = 0.0) -> str:
        """Processes and listening ports that are still there after some seconds, as words; empty for none."""
        deadline = time.monotonic() + within_s
        while True:
            pids = [pid for pid in self.processes() if not is_zombie(pid)]
            ports = [port for port in self.ports() if listening_inodes(port)]
            if not pids and not ports:
                return ""
            if time.monotonic() >= deadline:
                names = [Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ") for pid in pids]
                return f"processes {names}, ports {ports}"
            time.sleep(0.02)


def served_question(number: int, **changes) -> Request:
    """A request to the served model."""
    messages = [{"role": "user", "content": f"Prompt: {number}"}]
    return Request("rewrite", "local", MODEL, messages, **{"fields": {"id": str(number)}} | changes)


def is_zombie(pid: int) -> bool:
    """Whether a process has ended and only waits to be collected."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except OSError:
        return True
