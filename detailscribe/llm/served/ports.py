"""Ports of the loopback interface: a free one that no other job takes, and whose processes listen on it."""

import contextlib
import fcntl
import os
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.files.user_tmp import user_tmp

HOST = "127.0.0.1"
TRIES = 50
LISTEN = "0A"  # state in /proc/net/tcp


@dataclass
class Port:
    """A port of this machine, held against other jobs of the user until every copy of `lock` is closed.

    vLLM binds with SO_REUSEPORT, so that two of its servers on one port would share the calls instead of failing.
    """

    number: int
    lock: int

    def release(self) -> None:
        """Close this process's copy of the lock."""
        with contextlib.suppress(OSError):
            os.close(self.lock)


def claim_port() -> Port:
    """A free port that no other job of this user holds.

    Raises:
        SetupError: there is none, or the folder of the locks cannot be used.
    """
    folder = user_tmp("detailscribe-ports")
    for _ in range(TRIES):
        with socket.socket() as door:
            door.bind((HOST, 0))
            number = door.getsockname()[1]
            lock = os.open(folder / str(number), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return Port(number, lock)
            except OSError:
                os.close(lock)
    raise SetupError(f"no free port was found on {HOST}: end servers that nobody uses, and run again")


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
