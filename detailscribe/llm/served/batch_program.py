"""Program of a batch: `vllm run-batch`, which reads requests from a file and writes answers to another, without a port.

The files are temporary ones beside the exchanges; a job touches them while it uses them.
Source: vLLM 0.33.0, `vllm/entrypoints/launchers/run_batch.py`. It checks every request before it loads the model, so
that one line which it does not understand ends the batch, and writes answers as they come, in the order of the requests
(versions before: all at the end). If its engine fails, it keeps what it wrote (versions before: answers errors).
"""

import contextlib
import os
import secrets
import shutil
import stat
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from detailscribe.files.kept_process import KeptProcess
from detailscribe.llm.endpoint_error import EndpointError
from detailscribe.llm.served.command_line import Weights, batch_command_line

PREFIX, REQUESTS, ANSWERS = ".run-batch-", ".requests.tmp", ".answers.tmp"  # names of temporary files (files.atomic)
STALE_S = 3600.0  # after which untouched files are those of a job that was killed
MIB = 2**20
LINE_BYTES, FILE_BYTES = 32 * MIB, 2**16 * MIB  # of one answer, and of all answers of a batch


@dataclass(frozen=True)
class BatchProgram:
    """How a job starts the batches of one endpoint.

    Attributes:
        name: Name of the endpoint.
        endpoint: Its config entry.
        weights: Where the weights are.
        model: Name of the model in the requests.
        environment: Of the program.
        log: File of its output; each batch begins it anew.
        locks: Open locks of the job's GPUs.
        grace_s: Seconds that it has to end before it is killed.
        say: Called with a sentence that the user should see.
        note: Called with a message of progress, for the job's log.
    """

    name: str
    endpoint: dict
    weights: Weights
    model: str
    environment: Mapping[str, str]
    log: Path
    locks: Callable[[], Sequence[int]]
    grace_s: float
    say: Callable[[str], object]
    note: Callable[[str], object]

    def start(self, files: "BatchFiles") -> KeptProcess:
        """Start a batch, in a process group of its own that ends with the job.

        Raises:
            SetupError: this machine cannot start another process.
        """
        self.log.parent.mkdir(parents=True, exist_ok=True)
        self.log.write_bytes(b"")
        command = batch_command_line(self.endpoint, self.weights, self.model, files.requests, files.answers)
        return KeptProcess(command, self.environment, self.log, self.locks(), self.grace_s)


PROGRAMS: dict[str, BatchProgram] = {}  # of this process by `base_url`


class BatchFiles:
    """The two files of one batch.

    Args:
        store: Folder of the exchanges.
    """

    def __init__(self, store: Path):
        self.name = secrets.token_hex(8)
        stem = f"{store.resolve()}/{PREFIX}{self.name}"  # the program may have another working directory
        self.requests, self.answers = Path(stem + REQUESTS), Path(stem + ANSWERS)
        self._offset = 0

    def __enter__(self) -> "BatchFiles":
        return self

    def __exit__(self, *_) -> None:
        """Delete them, whatever the program has put in their place."""
        for path in (self.requests, self.answers):
            remove(path)

    def touch(self) -> None:
        """Show other jobs that they are in use."""
        for path in (self.requests, self.answers):
            with contextlib.suppress(OSError):
                os.utime(path)

    def size(self) -> int:
        """Bytes of the answers so far.

        Raises:
            EndpointError: something else than a file is in their place, or they cannot be read.
        """
        try:
            status = self.answers.stat()
        except FileNotFoundError:
            return 0
        except OSError as error:
            raise EndpointError(f"has answers that cannot be read ({error.strerror})", retryable=False) from None
        if not stat.S_ISREG(status.st_mode):
            raise EndpointError("put something else in the place of its file of answers", retryable=False)
        return status.st_size

    def new_lines(self, ended: bool) -> Iterator[bytes]:
        """Lines of the answers that were not read yet; those that may still grow only if the program has ended.

        Raises:
            EndpointError: more than FILE_BYTES in all, or LINE_BYTES in a line; or they cannot be read.
        """
        size = self.size()
        if size == self._offset:
            return
        if size > FILE_BYTES:
            raise EndpointError(f"wrote more than {FILE_BYTES // MIB} MiB of answers", retryable=False)
        try:
            descriptor = os.open(self.answers, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            raise EndpointError(f"has answers that cannot be read ({error.strerror})", retryable=False) from None
        with open(descriptor, "rb") as file:
            file.seek(self._offset)
            while line := file.readline(LINE_BYTES + 1):
                if len(line) > LINE_BYTES:
                    raise EndpointError(f"wrote an answer of more than {LINE_BYTES // MIB} MiB", retryable=False)
                if not (line.endswith(b"\n") or ended):
                    return
                self._offset += len(line)
                if line.strip():
                    yield line


def remove(path: Path) -> None:
    """Delete a file, or a folder in its place; what cannot be deleted stays."""
    with contextlib.suppress(OSError):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)


def remove_leftovers(store: Path) -> Iterable[str]:
    """Delete the files of batches whose jobs were killed; the names of those batches."""
    names = set()
    for path in store.glob(f"{PREFIX}*.tmp"):
        with contextlib.suppress(OSError):
            if time.time() - path.stat().st_mtime > STALE_S:
                remove(path)
                names.add(path.name.removeprefix(PREFIX).partition(".")[0])
    return names
