"""Log of a served model: the line that says why the server failed, and the kinds of failure that it tells of.

What a server writes may hold its key. Every text that leaves this module has passed the redactor, before it is cut.
"""

import os
import re
from pathlib import Path

from detailscribe.llm.endpoints import ESCAPES, Redactor, one_line

TAIL_BYTES = 2**18  # of a log that is read
LINE_LENGTH = 240  # characters of a line that are quoted
MANY = 20  # times that length are looked at
SECRETS = re.compile(r"(\w+_)?(API_?KEY|ACCESS_KEY|TOKEN|SECRET|PASSWORD)")  # names of variables that a server inherits
SHORTEST = 8  # characters of such a secret; "none" or "true" is none
PREFIX = re.compile(  # of vLLM (process, level, time, place) and of llama.cpp (level and place)
    r"^(\([A-Za-z]\w*(?: pid=\d+)?\)\s*)*"
    r"((?:DEBUG|INFO|WARNING|ERROR|CRITICAL)\s+\d\d-\d\d [\d:]+ )?(\[[\w./]+:\d+\]\s*)?"
)
PORT_TAKEN = re.compile(r"address already in use|couldn't bind HTTP server socket|Errno 98\b|EADDRINUSE", re.IGNORECASE)
OUT_OF_MEMORY = re.compile(
    r"out of memory|OutOfMemoryError|No available memory for the cache blocks|Free memory on device|"
    r"less than desired GPU memory utilization|KV cache is needed, which is larger|failed to allocate|"
    r"unable to allocate|cudaMalloc failed|std::bad_alloc",
    re.IGNORECASE,
)
ERROR = re.compile(
    r"\b\w*(Error|Exception|Exit)\b\s*:|^error\b|\b(error|fatal|failed|cannot|could not|couldn't|unrecognized)\b",
    re.IGNORECASE,
)
# Lines that only say that something failed before, and one that llama.cpp writes at each start.
SECOND_HAND = re.compile(
    r"See root cause above|EngineCore failed to start|Engine process failed|EngineDeadError|^Traceback|"
    r"EngineCore encountered|cannot be used with preferred buffer type"
)
RUNS = re.compile("Running batch")
ENGINE_DEAD = re.compile("EngineCore encountered a fatal error|EngineDeadError")
NOISE = re.compile(r"^[\s^~.\-=]*$|^\s*(File \"|raise |at 0x)|^\s{4,}")


def server_redactor(key: str = "") -> Redactor:
    """The redactor of a server's texts: its key, and the secrets in the environment, which it inherits."""
    others = [text for name, text in os.environ.items() if SECRETS.fullmatch(name) and len(text) >= SHORTEST]
    return Redactor(key, *others)


def shown(text: object, length: int = LINE_LENGTH) -> str:
    """A text of a server for a message: one line of printable characters, shortened."""
    return one_line(str(text)[: MANY * length], length)


def tail(log: Path, redactor: Redactor) -> list[str]:
    """The last lines of a log, whatever it holds: without secrets, printable, without colours."""
    text, is_cut = _tail_text(log)
    text = redactor.redact_error(ESCAPES.sub("", redactor.redact_cut(text, is_cut)))
    return [_printable(line) for line in _lines(text)]


def reason_line(log: Path, redactor: Redactor) -> str:
    """The line that says best why a server failed: out of memory, otherwise the last error, otherwise the last line."""
    lines = [PREFIX.sub("", line) for line in tail(log, redactor)]
    lines = [line.strip() for line in lines if line.strip() and not NOISE.search(line)]
    for pattern in (OUT_OF_MEMORY, PORT_TAKEN, ERROR):
        found = [line for line in lines if pattern.search(line) and not SECOND_HAND.search(line)]
        if found:
            return shown(found[-1])
    return shown(lines[-1]) if lines else ""


def quoted_reason(log: Path, redactor: Redactor) -> str:
    """The line that says why a server failed, without its key, and the log's path, in brackets."""
    return f"({reason_line(log, redactor) or 'its log is empty'}; log: {log})"


def last_line(log: Path, redactor: Redactor) -> str:
    """The last line of a log that is not empty, for a message of progress."""
    lines = [line.strip() for line in tail(log, redactor) if line.strip()]
    return shown(PREFIX.sub("", lines[-1])) if lines else ""


def log_size(log: Path) -> int:
    """Bytes of a log; 0 if it was removed."""
    try:
        return log.stat().st_size
    except OSError:
        return 0


def log_head(log: Path, length: int) -> bytes:
    """The first bytes of a log; empty if it was removed."""
    try:
        with open(log, "rb") as file:
            return file.read(length)
    except OSError:
        return b""


def is_port_taken(log: Path) -> bool:
    """Whether the log says that the server's port was taken."""
    return _tells(log, PORT_TAKEN)


def is_out_of_memory(log: Path) -> bool:
    """Whether the log says that memory was not enough."""
    return _tells(log, OUT_OF_MEMORY)


def is_engine_dead(log: Path) -> bool:
    """Whether the log says that the process which runs vLLM's model has failed."""
    return _tells(log, ENGINE_DEAD)


def is_batch_running(log: Path) -> bool:
    """Whether the log has the progress bar of a batch, which comes once the model is loaded."""
    return _tells(log, RUNS)


def _tells(log: Path, pattern: re.Pattern[str]) -> bool:
    return any(pattern.search(line) for line in _lines(ESCAPES.sub("", _tail_text(log)[0])))


def _tail_text(log: Path) -> tuple[str, bool]:
    """The end of a log, and whether it begins in the middle."""
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            start = max(0, file.tell() - TAIL_BYTES)
            file.seek(start)
            return file.read(TAIL_BYTES).decode("utf-8", "replace"), start > 0
    except OSError:
        return "", False


def _printable(line: str) -> str:
    return "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line)


def _lines(text: str) -> list[str]:
    return re.split(r"[\r\n]+", text)
