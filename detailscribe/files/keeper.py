"""Keeper of a program that a job starts: a small process that ends all the program's processes when the job is gone.

The job holds one end of a pipe, the keeper's standard input. However the job ends, `kill -9` included, the kernel
closes that end. The keeper is the parent of the program and the reaper of its orphans, so that processes which left the
program's group are found as well. It runs as a script with the standard library alone and inherits the locks of the
job's GPUs and of a server's port, which are therefore held until the last process has ended.

Usage: keeper.py JOB_PID GRACE_S LOG COMMAND...
It writes `started PID`, `missing REASON` or `exited STATUS` to its standard output, a line each.
"""

import contextlib
import ctypes
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

PR_SET_PDEATHSIG, PR_SET_CHILD_SUBREAPER = 1, 36  # linux/prctl.h
POLL_S = 0.1


def main(job: int, grace_s: float, log_path: str, command: list[str]) -> int:
    """Start a command and watch over it; the exit status is 0 once none of its processes is left."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    prctl(PR_SET_CHILD_SUBREAPER, 1)
    ended_child, poke = os.pipe()
    os.set_blocking(ended_child, False)
    os.set_blocking(poke, False)
    signal.set_wakeup_fd(poke, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)  # a signal without a function does not reach the pipe
    try:
        with open(log_path, "ab") as log:
            server = subprocess.Popen(  # one thread, so that a function before exec is safe
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=before_exec,
            )
    except OSError as error:
        tell(f"missing {error.strerror}")
        return 127
    tell(f"started {server.pid}")
    ended = False
    while not ended and not is_job_gone(job, ended_child):
        ended = reap(server.pid)
    end_all(server.pid, grace_s)
    return 0


def before_exec() -> None:
    """In the server's process: default signals, and death if the keeper dies."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


def prctl(option: int, value: int) -> None:
    """Call prctl(2); without effect on systems other than Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(option, value, 0, 0, 0)


def is_job_gone(job: int, ended_child: int) -> bool:
    """Wait a moment, or until a child ends; whether the job has ended or has closed its end of the pipe."""
    readable, _, _ = select.select([0, ended_child], [], [], POLL_S)
    with contextlib.suppress(BlockingIOError):
        os.read(ended_child, 1024)
    return 0 in readable and not os.read(0, 1024) or os.getppid() != job


def reap(server: int) -> bool:
    """Collect processes that ended; whether the server is among them."""
    found = False
    while True:
        try:
            pid, status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return True
        if pid == server:
            tell(f"exited {os.waitstatus_to_exitcode(status)}")
            found = True
        if pid == 0:
            return found


def end_all(server: int, grace_s: float) -> None:
    """End all processes of the server: with SIGTERM, so that it removes its shared memory, then with SIGKILL."""
    if has_children():
        signal_all(server, signal.SIGTERM)
    deadline = time.monotonic() + grace_s
    while has_children():
        if time.monotonic() >= deadline:
            signal_all(server, signal.SIGKILL)
        time.sleep(POLL_S / 2)


def has_children() -> bool:
    """Collect processes that ended; whether any is left."""
    try:
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
    except ChildProcessError:
        return False
    return True


def signal_all(server: int, number: int) -> None:
    """Send a signal to all descendants of this process; where there is no /proc, to the server's group."""
    pids = descendants(os.getpid())
    for send, target in [(os.kill, pid) for pid in pids] if pids else [(os.killpg, server)]:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            send(target, number)


def descendants(root: int) -> list[int]:
    """Processes whose chain of parents leads to `root`; empty where there is no /proc."""
    children: dict[int, list[int]] = {}
    try:
        pids = [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]
    except OSError:
        return []
    for pid in pids:
        try:
            with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
                parent = int(file.read().rpartition(")")[2].split()[1])
        except (OSError, ValueError, IndexError):
            continue
        children.setdefault(parent, []).append(pid)
    found: list[int] = []
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def tell(line: str) -> None:
    """Write a line to the job, which may be gone."""
    with contextlib.suppress(OSError):
        os.write(1, f"{line}\n".encode())


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), float(sys.argv[2]), sys.argv[3], sys.argv[4:]))
