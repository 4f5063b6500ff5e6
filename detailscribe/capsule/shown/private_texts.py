"""Scan of texts that a capsule holds word by word for what is private on this machine: the last check, not the first.

Prompts, templates and answers go in as they are. Where such a text holds a key, an account, this machine's name or a
path of its user, no capsule is made, and the message says where it stands.
"""

import contextlib
import functools
import getpass
import os
import re
import socket
from pathlib import Path

from detailscribe.errors import SetupError
from detailscribe.llm.endpoints import ACCOUNT_NAMES
from detailscribe.operations.archive.secret_scan import SECRET_VARIABLE, SHORTEST_SECRET

# What a text of a study never needs: credentials in an address, folders of a user, keys in well-known forms.
PRIVATE = re.compile(
    r"(?P<login>\w+://[^\s/\"@]*:[^\s/\"@]*@)"
    r"|(?P<home>(?:/home/|/Users/|/root/|[A-Za-z]:\\+Users\\+)[\w.-]+)"
    r"|(?P<key>\b(?:sk|pk|rk|gsk|hf|ghp|gho|xox[abp]|AKIA|AIza)[-_]?[A-Za-z0-9_-]{16,}"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----|\bBearer [A-Za-z0-9._-]{16,})"
)
NAMED = {"login": "an address with a password", "home": "the folder of a user", "key": "what looks like a key"}
SHORTEST_NAME = 6  # letters of a host's or user's name that is looked for; a shorter one is part of too many words
COMMON = {"localhost", "ubuntu", "debian", "jovyan", "runner", "container"}  # hosts and users that are nobody's name


def check_private(place: str, text: str) -> None:
    """Refuse a text that holds something private.

    Args:
        place: The member, and the row or key in it, for the message.
        text: The text.

    Raises:
        SetupError: it does; names the place and what was found, never the find itself.
    """
    if found := private_part(text):
        raise SetupError(
            f"{place} holds {found}; take it out of what it comes from (a prompt, a template, an answer that is to be "
            "asked again) and run again before you seal the study"
        )


def private_part(text: str) -> str:
    """What of a text is private; empty if nothing is."""
    for name, value in _known_here().items():
        if value in text:
            return name
    if match := PRIVATE.search(text):
        return NAMED[str(match.lastgroup)]
    return "what looks like an account" if "-" in text and ACCOUNT_NAMES.search(text) else ""


@functools.cache
def _known_here() -> dict[str, str]:
    """Values that are private on this machine, by what they are."""
    found = {
        f"the value of the environment variable {name}": value
        for name, value in os.environ.items()
        if SECRET_VARIABLE.search(name) and len(value) >= SHORTEST_SECRET
    }
    home = str(Path.home())
    places = {"the path of your home folder": home, "the path of this folder": str(Path.cwd())}
    found |= {name: path for name, path in places.items() if len(Path(path).parts) > 2}
    names = {"the name of this machine": socket.gethostname()}
    with contextlib.suppress(OSError, KeyError):  # a user without an entry
        names["your user name"] = getpass.getuser()
    found |= {what: each for what, each in names.items() if len(each) >= SHORTEST_NAME and each not in COMMON}
    return found
