"""Temporary folder of this user on this machine, for state that the user's processes share."""

import os
import stat
import tempfile
from pathlib import Path

from detailscribe.errors import SetupError


def user_tmp(prefix: str) -> Path:
    """Create `{TMPDIR}/{prefix}-{user id}` with mode 700 if it does not exist, and return it.

    Raises:
        SetupError: the folder cannot be created, or is not a folder of this user.
    """
    folder = Path(tempfile.gettempdir()) / f"{prefix}-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        status = folder.lstat()
    except OSError as error:
        raise SetupError(
            f"{folder} cannot be created ({error.strerror}); remove it if it is a file, or set TMPDIR to a folder that "
            "you can write to"
        ) from error
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.getuid():
        raise SetupError(f"{folder} belongs to another user; remove it, or set TMPDIR to a folder of your own")
    return folder
