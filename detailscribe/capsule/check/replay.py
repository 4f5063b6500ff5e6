"""`capsule-replay`: the tables again from a capsule alone, in a bare folder, without a key, a GPU or a network."""

import tempfile
from pathlib import Path

from detailscribe.capsule.check.described import read_config, read_contents
from detailscribe.capsule.check.rebuilt import rebuild
from detailscribe.capsule.check.rerun import usable_cores
from detailscribe.capsule.check.said import say, say_rebuilt
from detailscribe.capsule.layout import CONTENTS
from detailscribe.capsule.reader import CapsuleReader


def replay_capsule(path: Path, folder: Path | None = None) -> int:
    """Make rows of answers, tables and figures again, compare them with those of the capsule, and say what was found.

    Args:
        path: The capsule.
        folder: Where to work; it keeps what was made. By default a temporary one.

    Returns:
        0 if all that can be made came out byte for byte, otherwise 1.

    Raises:
        InputError: no capsule, one that was changed, or a folder that is not empty.
        SetupError: no room, or the rules do not start.
    """
    with CapsuleReader(path) as reader:
        contents, config = read_contents(path, reader.read(CONTENTS)), read_config(reader)
        with tempfile.TemporaryDirectory(prefix="capsule-") as temporary:
            place = folder.resolve() if folder else Path(temporary)
            rebuilt = rebuild(reader, contents, config, place, whole=True, cores=usable_cores())
        status = say_rebuilt(path, rebuilt)
    if folder:
        say([f"the replayed study: {place / 'results'}"])
    return status
