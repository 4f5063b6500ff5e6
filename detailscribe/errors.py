"""Exceptions for errors that the user can fix, and the names that exist instead; any other exception is a bug."""

import difflib
from collections.abc import Sequence

MOST_NAMES = 10  # names that a message lists


class InputError(ValueError):
    """A prompt file, topic list or config value is wrong; the message names the place, the value and the remedy."""


class SetupError(RuntimeError):
    """The machine or an account is not ready (weights, key, memory, disk); the message names the remedy."""


def known_names(value: object, known: Sequence[str], lead: str = "") -> str:
    """What there is instead of a name that does not exist: the nearest one, if any is near, and the first of all.

    Args:
        value: The name that does not exist.
        known: Those that do.
        lead: Stands before them where none is near.
    """
    near = difflib.get_close_matches(str(value), known, n=1)
    more = f" and {len(known) - MOST_NAMES} more" if len(known) > MOST_NAMES else ""
    names = (", ".join(known[:MOST_NAMES]) or "none") + more
    return f"did you mean {near[0]}? There are: {names}" if near else f"{lead}{names}"
