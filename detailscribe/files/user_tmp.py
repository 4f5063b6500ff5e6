"""Folders of this user on this machine: temporary files, and locks and counters that all jobs of the user share.

What jobs share is in one place per machine, whatever TMPDIR says: jobs of two shells, or of a scheduler that gives each
job a TMPDIR of its own, would otherwise take the same GPU or port. That place is below /tmp, since a logout empties
/run/user/ID and, with systemd's default, what a user has in /dev/shm, while jobs may go on.
"""

import os
import stat
import tempfile
from pathlib import Path

from detailscribe.errors import SetupError

MACHINE = Path("/tmp")
VARIABLE = "DETAILSCRIBE_LOCKS"  # environment variable: another folder for what jobs share


def user_tmp(prefix: str) -> Path:
    """Create `{TMPDIR}/{prefix}-{user id}` with mode 700 if it does not exist, and return it.

    Raises:
        SetupError: the folder cannot be created, or is not a folder of this user.
    """
    return _own_folder(Path(tempfile.gettempdir()), prefix, "TMPDIR")


def shared_by_jobs(prefix: str) -> Path:
    """Create `/tmp/{prefix}-{user id}` with mode 700 if it does not exist, and return it.

    The folder that DETAILSCRIBE_LOCKS names takes the place of /tmp; where /tmp cannot be used, TMPDIR does.

    Raises:
        SetupError: the folder cannot be created, or is not a folder of this user.
    """
    if chosen := os.environ.get(VARIABLE):
        return _own_folder(Path(chosen).absolute(), prefix, VARIABLE)
    try:
        return _own_folder(MACHINE, prefix, VARIABLE)
    except SetupError:
        if Path(tempfile.gettempdir()) == MACHINE:
            raise
    return user_tmp(prefix)


def _own_folder(parent: Path, prefix: str, variable: str) -> Path:
    folder = parent / f"{prefix}-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise SetupError(
            f"{folder} cannot be created ({error.strerror}); remove it if it is a file, or set {variable} to a folder "
            "that you can write to"
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise SetupError(f"{folder} belongs to another user; remove it, or set {variable} to a folder of your own")
    if status.st_mode & 0o077:  # others could remove a lock, or put another file in its place
        folder.chmod(0o700)
    return folder
