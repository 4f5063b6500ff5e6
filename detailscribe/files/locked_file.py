"""What processes of one machine share: a small value in a file, and places of which each has one holder.

Places are record locks on single bytes of the file, so the kernel gives them back however a process ends.
"""

import contextlib
import errno
import fcntl
import json
import os
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

TAKEN = (errno.EAGAIN, errno.EACCES)  # what a lock that another process holds is answered with


class LockedFile:
    """A JSON object on disk, and places 1, 2, ... beside it. Get it by `shared`, never twice in a process: closing
    any handle of a file gives up all record locks that the process has on it."""

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._held: set[int] = set()
        self._guard = threading.RLock()

    def peek(self) -> dict:
        """The value as it is now; empty where there is none that can be read."""
        data = os.pread(self._handle, os.fstat(self._handle).st_size, 0)
        try:
            value = json.loads(data)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @contextlib.contextmanager
    def change(self) -> Iterator[dict]:
        """The value, which no other process changes meanwhile; written back at the end."""
        with self._guard:
            locked = self._lock(0, fcntl.LOCK_EX)
            try:
                value = self.peek()
                yield value
                data = json.dumps(value).encode()
                os.pwrite(self._handle, data.ljust(os.fstat(self._handle).st_size), 0)
            finally:
                if locked:
                    self._lock(0, fcntl.LOCK_UN)

    def hold(self, place: int) -> bool:
        """Take a place; False where somebody has it, in this process or another."""
        with self._guard:
            if place in self._held or not self._lock(place, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
            self._held.add(place)
            return True

    def release(self, place: int) -> None:
        """Give a place back."""
        with self._guard:
            self._held.discard(place)
            self._lock(place, fcntl.LOCK_UN)

    def is_held(self, place: int) -> bool:
        """Whether a living process has the place."""
        if place in self._held:
            return True
        free = self.hold(place)
        if free:
            self.release(place)
        return not free

    def _lock(self, place: int, how: int) -> bool:
        try:
            fcntl.lockf(self._handle, how, 1, place)
        except OSError as error:
            # A file system without locks (some network ones) answers with another error; there nothing is guarded.
            return error.errno not in TAKEN
        return True


@cache
def shared(path: Path) -> LockedFile:
    """The shared file at a path, one object a process."""
    return LockedFile(path)
