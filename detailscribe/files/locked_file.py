"""A JSON file shared by the processes of one machine, with numbered exclusive slots.

Slots are POSIX record locks on single bytes of the file, so the kernel releases them however a process ends.
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

LOCKED_ERRNOS = (errno.EAGAIN, errno.EACCES)  # raised where another process holds the lock


class LockedFile:
    """A JSON object on disk, with slots 1, 2, ... that one caller at a time can lock.

    Open it with `open_locked_file`, never twice in a process: closing any handle of a file releases all record locks
    that the process has on it.
    """

    def __init__(self, path: Path):
        path.parent.mkdir(parents=True, exist_ok=True)
        self._handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
        self._held: set[int] = set()
        self._guard = threading.RLock()

    def read(self) -> dict:
        """The current value, without a lock; empty if the file holds no JSON object."""
        data = os.pread(self._handle, os.fstat(self._handle).st_size, 0)
        try:
            value = json.loads(data)
        except ValueError:
            return {}
        return value if isinstance(value, dict) else {}

    @contextlib.contextmanager
    def update(self) -> Iterator[dict]:
        """Yield the value under an exclusive lock; write it back at the end, unless an error was raised."""
        with self._guard:
            locked = self._lock(0, fcntl.LOCK_EX)
            try:
                value = self.read()
                yield value
                data = json.dumps(value).encode()
                os.pwrite(self._handle, data.ljust(os.fstat(self._handle).st_size), 0)
            finally:
                if locked:
                    self._lock(0, fcntl.LOCK_UN)

    def try_lock(self, slot: int) -> bool:
        """Lock a slot without waiting; False if it is taken, in this process or another."""
        with self._guard:
            if slot in self._held or not self._lock(slot, fcntl.LOCK_EX | fcntl.LOCK_NB):
                return False
            self._held.add(slot)
            return True

    def release(self, slot: int) -> None:
        """Release a slot."""
        with self._guard:
            self._held.discard(slot)
            self._lock(slot, fcntl.LOCK_UN)

    def is_held(self, slot: int) -> bool:
        """Whether a running process holds the slot."""
        if slot in self._held:
            return True
        free = self.try_lock(slot)
        if free:
            self.release(slot)
        return not free

    def _lock(self, byte: int, operation: int) -> bool:
        try:
            fcntl.lockf(self._handle, operation, 1, byte)
        except OSError as error:
            # Any other error means a file system without locks (some network ones): continue unguarded.
            return error.errno not in LOCKED_ERRNOS
        return True


@cache
def open_locked_file(path: Path) -> LockedFile:
    """The locked file at a path, one object per process."""
    return LockedFile(path)
