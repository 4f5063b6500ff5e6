"""Ports of the loopback interface: a free one that no other job takes, and whose processes listen on it.

A port is held by locking a file that stands for it. The file, and the folder of what callers of that port share, are
removed with the port; those of a job that was killed, when the next one looks for a port.
"""

import contextlib
import fcntl
import os
import shutil
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.user_tmp import shared_by_jobs

HOST = "127.0.0.1"
TRIES = 50
LISTEN = "0A"  # state in /proc/net/tcp


STATE = ".state"  # ending of the folder that belongs to a port


@dataclass
class Port:
    """A port of this machine, held against other jobs of the user until every copy of `lock` is closed.

    vLLM binds with SO_REUSEPORT, so that two of its servers on one port would share the calls instead of failing.
    """

    number: int
    lock: int
    file: Path

    @property
    def state_folder(self) -> Path:
        """Folder for what the callers of this port share; removed with the port."""
        return self.file.with_suffix(STATE)

    def release(self) -> None:
        """Remove the port's files and close this process's copy of the lock. Safe to call twice."""
        if self.lock < 0:
            return
        _remove(self.file)
        with contextlib.suppress(OSError):
            os.close(self.lock)
        self.lock = -1


def claim_port() -> Port:
    """A free port that no other job of this user holds.

    Raises:
        SetupError: there is none, or the folder of the locks cannot be used.
    """
    folder = shared_by_jobs("detailscribe-ports")
    remove_leftovers(folder)
    for _ in range(TRIES):
        with socket.socket() as door:
            door.bind((HOST, 0))
            number = door.getsockname()[1]
            file = folder / str(number)
            if (lock := _locked(file, os.O_CREAT)) >= 0:
                return Port(number, lock, file)
    raise SetupError(f"no free port was found on {HOST}: end servers that nobody uses, and run again")


def remove_leftovers(folder: Path) -> None:
    """Remove the files of ports that no process holds: those of jobs that were killed."""
    for file in folder.iterdir():
        if not file.name.isdecimal():
            continue
        lock = _locked(file)
        if lock >= 0:
            _remove(file)
            os.close(lock)


def _locked(file: Path, flags: int = 0) -> int:
    """A locked descriptor of a file, or -1 if another process has it, or removed it meanwhile."""
    try:
        lock = os.open(file, os.O_RDWR | os.O_CLOEXEC | flags, 0o600)
    except OSError:
        if flags:
            raise
        return -1
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.fstat(lock).st_ino == file.stat().st_ino:
            return lock
    except OSError:
        pass
    os.close(lock)
    return -1


def _remove(file: Path) -> None:
    """Remove the files of a port, which is locked."""
    shutil.rmtree(file.with_suffix(STATE), ignore_errors=True)
    with contextlib.suppress(OSError):
        file.unlink()


def listens(pids: Iterable[int], port: int) -> bool:
    """Whether one of these processes listens on a port; true where the system does not tell."""
    try:
        sockets = {f"socket:[{inode}]" for inode in listening_inodes(port)}
    except OSError:
        return True
    hidden = False
    for pid in pids:
        try:
            links = list(Path(f"/proc/{pid}/fd").iterdir())
        except PermissionError:  # of a program that changes its user, as containers do
            hidden = True
            continue
        except OSError:
            continue
        for link in links:
            with contextlib.suppress(OSError):
                if str(link.readlink()) in sockets:
                    return True
    return hidden


def listening_inodes(port: int) -> set[str]:
    """Inodes of the sockets that listen on a port of this machine, over IPv4.

    Raises:
        OSError: the system does not tell.
    """
    inodes = set()
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        words = line.split()
        if words[3] == LISTEN and int(words[1].rpartition(":")[2], 16) == port:
            inodes.add(words[9])
    return inodes
