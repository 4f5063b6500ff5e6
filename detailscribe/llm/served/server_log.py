"""Log of a served model: the line that says why the server failed, and the kinds of failure that it tells of."""

import re
from pathlib import Path

from detailscribe.llm.endpoints import Redactor

TAIL_BYTES = 2**18  # of a log that is read
LINE_LENGTH = 240  # characters of a line that are quoted
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")
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
ENGINE_DEAD = re.compile("EngineCore encountered a fatal error|EngineDeadError")
NOISE = re.compile(r"^[\s^~.\-=]*$|^\s*(File \"|raise |at 0x)|^\s{4,}")


def tail(log: Path) -> list[str]:
    """The last lines of a log, whatever it holds: printable, without colours."""
    try:
        with open(log, "rb") as file:
            file.seek(0, 2)
            file.seek(max(0, file.tell() - TAIL_BYTES))
            data = file.read()
    except OSError:
        return []
    lines = re.split(r"[\r\n]+", ESCAPES.sub("", data.decode("utf-8", "replace")))
    return ["".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in line) for line in lines]


def reason_line(log: Path) -> str:
    """The line that says best why a server failed: out of memory, otherwise the last error, otherwise the last line."""
    lines = [PREFIX.sub("", line) for line in tail(log)]
    lines = [line.strip() for line in lines if line.strip() and not NOISE.search(line)]
    for pattern in (OUT_OF_MEMORY, PORT_TAKEN, ERROR):
        found = [line for line in lines if pattern.search(line) and not SECOND_HAND.search(line)]
        if found:
            return _short(found[-1])
    return _short(lines[-1]) if lines else ""


def quoted_reason(log: Path, key: str = "") -> str:
    """The line that says why a server failed, without its key, and the log's path, in brackets."""
    return f"({Redactor(key).excerpt(reason_line(log)) or 'its log is empty'}; log: {log})"


def last_line(log: Path) -> str:
    """The last line of a log that is not empty, for a message of progress."""
    lines = [line.strip() for line in tail(log) if line.strip()]
    return _short(PREFIX.sub("", lines[-1])) if lines else ""


def is_port_taken(log: Path) -> bool:
    """Whether the log says that the server's port was taken."""
    return any(PORT_TAKEN.search(line) for line in tail(log))


def is_out_of_memory(log: Path) -> bool:
    """Whether the log says that memory was not enough."""
    return any(OUT_OF_MEMORY.search(line) for line in tail(log))


def is_engine_dead(log: Path) -> bool:
    """Whether the log says that the process which runs vLLM's model has failed."""
    return any(ENGINE_DEAD.search(line) for line in tail(log))


def _short(line: str) -> str:
    line = " ".join(line.split())
    return line if len(line) <= LINE_LENGTH else line[:LINE_LENGTH] + " ..."
