"""Programs that a job starts: what they print, and that nothing of them outlives their time or the job."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from detailscribe.files.kept_process import printed
from tests.paths import REPOSITORY

# A child in a session of its own that ignores SIGTERM, as a server's may; it holds a port.
CHILD = (
    "import signal, socket, sys, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); door = socket.socket(); "
    "door.bind(('127.0.0.1', 0)); door.listen(); open(sys.argv[1], 'w').close(); time.sleep(600)"
)
PROGRAM = f"""
import os, subprocess, sys, time
subprocess.Popen([sys.executable, "-I", "-S", "-c", {CHILD!r}, sys.argv[1]], start_new_session=True)
print("some words", flush=True)
time.sleep(600)
"""
JOB = """
import sys
from detailscribe.files.kept_process import printed
printed([sys.executable, "-I", "-S", "-c", sys.argv[1], sys.argv[2]], 60)
"""


def alive(place: Path) -> list[int]:
    """Processes that have a path among their arguments."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            words, state = (entry / "cmdline").read_bytes(), (entry / "stat").read_text().rpartition(")")[2].split()[0]
        except OSError:
            continue
        if str(place).encode() in words.split(b"\0") and state != "Z" and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def nothing_left(place: Path, within_s: float) -> bool:
    deadline = time.monotonic() + within_s
    while alive(place) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(place)


@pytest.mark.parametrize(
    ("words", "errors", "found"),
    [
        (["sh", "-c", "echo a; echo b >&2; exit 3"], False, (3, "a\n")),
        (["sh", "-c", "echo a; echo b >&2; exit 3"], True, (3, "a\nb\n")),
        (["sh", "-c", "printf '\\377'"], False, (0, "\ufffd")),
        (["sh", "-c", "cat"], False, (0, "")),
        (["sh", "-c", "kill -9 $$"], False, (-9, "")),
        (["no-such-program"], False, None),
    ],
)
def test_what_a_program_prints(words, errors, found):
    assert printed(words, 20, errors) == found


def test_a_program_that_takes_too_long_leaves_nothing(tmp_path):
    place = tmp_path / "child"
    assert printed([sys.executable, "-I", "-S", "-c", PROGRAM, str(place)], 1.0) is None
    assert place.exists() and nothing_left(place, 0.0), "the child was there, and is gone long before its own end"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM], ids=lambda number: number.name)
def test_a_job_that_is_killed_leaves_nothing(tmp_path, number):
    place = tmp_path / "child"
    job = subprocess.Popen([sys.executable, "-c", JOB, PROGRAM, str(place)], cwd=REPOSITORY)
    deadline = time.monotonic() + 20
    while not place.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert len(alive(place)) >= 3, "job, keeper, program, child"
    job.send_signal(number)
    job.wait()
    assert nothing_left(place, 8.0)
