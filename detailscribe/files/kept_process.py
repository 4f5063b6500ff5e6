"""Processes of programs that a job starts: each through the keeper, which ends it however this process ends."""

import contextlib
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files import keeper

GRACE_S = 15.0  # between SIGTERM and SIGKILL; vLLM removes its shared memory in this time
MARGIN_S = 10.0  # that the keeper has beyond it
MARK = "DETAILSCRIBE_SERVER"  # environment variable that all processes of a program share
SHORT_GRACE_S = 1.0  # of a program that only prints something
POLL_S = 0.01
MAX_BYTES = 2**20  # of what a program prints


def printed(command: Sequence[str], timeout_s: float, errors: bool = False) -> tuple[int, str] | None:
    """Exit status and output of a short program that reads nothing; it and its children end with this process.

    Args:
        errors: Whether the output has what it prints to its standard error, too.

    Returns:
        None if it could not be started, or did not end in time; of the output, at most MAX_BYTES.
    """
    if not shutil.which(command[0]):
        return None
    words = [*command] if errors else ["sh", "-c", 'exec "$@" 2> /dev/null', "sh", *command]
    deadline = time.monotonic() + timeout_s
    with tempfile.TemporaryFile() as output:  # without a name, so that nothing is left of a job that is killed
        number = output.fileno()
        try:
            process = KeptProcess(words, os.environ, Path(f"/dev/fd/{number}"), [number], grace_s=SHORT_GRACE_S)
        except SetupError:
            return None
        try:
            while not process.ending() and time.monotonic() < deadline:
                time.sleep(POLL_S)
            status = process.exit_status
        finally:
            process.stop()
        return None if status is None else (status, os.pread(number, MAX_BYTES, 0).decode("utf-8", "replace"))


class KeptProcess:
    """A running program with all its descendants.

    Args:
        command: Program and arguments, without secrets.
        environment: Its environment.
        log: File that its output is appended to.
        locks: Open locks that are held until the last process has ended.
        grace_s: Seconds between SIGTERM and SIGKILL.

    Raises:
        SetupError: this machine cannot start another process.
    """

    def __init__(
        self,
        command: list[str],
        environment: Mapping[str, str],
        log: Path,
        locks: Iterable[int] = (),
        grace_s: float = GRACE_S,
    ):
        self._grace_s, self._mark, self._lines, self._rest = grace_s, secrets.token_hex(8), list[str](), b""
        script = [sys.executable, "-I", "-S", keeper.__file__, str(os.getpid()), str(grace_s), str(log)]
        try:
            self._keeper = subprocess.Popen(
                [*script, *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env={**environment, MARK: self._mark},
                start_new_session=True,
                pass_fds=tuple(locks),
            )
        except OSError as error:
            raise SetupError(f"{command[0]!r} could not be started ({error.strerror}); free some memory") from error
        assert self._keeper.stdout
        os.set_blocking(self._keeper.stdout.fileno(), False)

    def ending(self) -> str:
        """How the program ended, as the end of a sentence; empty while it runs."""
        ended = self._keeper.poll() is not None
        self._read()
        for line in self._lines:
            word, _, value = line.partition(" ")
            if word == "missing":
                return f"could not be started ({value})"
            if word == "exited":
                return _exit_words(int(value))
        return "was ended from outside" if ended else ""

    @property
    def exit_status(self) -> int | None:
        """Exit status of the program's own process, negative for a signal; None if it has none."""
        self._read()
        statuses = [line.partition(" ")[2] for line in self._lines if line.startswith("exited")]
        return int(statuses[0]) if statuses else None

    @property
    def is_missing(self) -> bool:
        """Whether the program could not be started at all."""
        self._read()
        return any(line.startswith("missing") for line in self._lines)

    def pids(self) -> list[int]:
        """Processes of the program, its descendants included; empty where there is no /proc."""
        return keeper.descendants(self._keeper.pid)

    def stop(self) -> None:
        """End all processes of the program, and wait for it. Safe to call twice."""
        assert self._keeper.stdin and self._keeper.stdout
        self._read()
        with contextlib.suppress(OSError):
            self._keeper.stdin.close()
        try:
            self._keeper.wait(self._grace_s + MARGIN_S)
        except subprocess.TimeoutExpired:
            self._keeper.kill()  # the program's own process dies with it
            self._keeper.wait()
        self._read()
        if self._keeper.returncode < 0:  # it was killed before it could end the others
            _kill_marked(f"{MARK}={self._mark}".encode())
        self._keeper.stdout.close()

    def _read(self) -> None:
        if not self._keeper.stdout or self._keeper.stdout.closed:
            return
        with contextlib.suppress(BlockingIOError):
            while data := os.read(self._keeper.stdout.fileno(), 4096):
                self._rest += data
        *lines, self._rest = self._rest.split(b"\n")
        self._lines += [line.decode("utf-8", "replace") for line in lines]


def _kill_marked(mark: bytes) -> None:
    """Kill all processes with an entry in their environment; without effect where there is no /proc."""
    for path in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            if mark in path.read_bytes().split(b"\0"):
                os.kill(int(path.parent.name), signal.SIGKILL)


def _exit_words(status: int) -> str:
    if status >= 0:
        return f"ended with exit status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = str(-status)
    hint = " (the kernel does this when the machine's memory is full)" if status == -signal.SIGKILL else ""
    return f"was ended by {name}{hint}"
