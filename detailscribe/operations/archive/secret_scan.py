"""Secret scan of a file before it is shared: values of secret environment variables, and account names."""

import json
import os
import re
from pathlib import Path

from detailscribe.files.packed import read_bytes
from detailscribe.llm.endpoints import ACCOUNT_NAMES
from detailscribe.llm.response_body import SUFFIX as BODY_SUFFIX
from detailscribe.llm.response_body import unpacked_body
from detailscribe.operations.archive.members import STORE

SECRET_VARIABLE = re.compile(r"KEY|TOKEN|SECRET|PASSWORD|ORG_ID|PROJECT_ID")
ADDRESS_PASSWORD = re.compile(rb"https?://[^\s/\"@]*:[^\s/\"@]*@")
SHORTEST_SECRET = 8  # characters; a shorter value occurs by chance


def find_secret(path: Path) -> str:
    """Description of a secret in a file; empty if there is none.

    Raises:
        ValueError: a response body that cannot be unpacked.
    """
    data = unpacked_body(path) if path.name.endswith(BODY_SUFFIX) else read_bytes(path)
    for name, value in os.environ.items():
        if SECRET_VARIABLE.search(name) and len(value) >= SHORTEST_SECRET and value.encode() in data:
            return f"the value of the environment variable {name}"
    if path.suffix == ".json" and path.parent.parent.name == STORE.name:
        exchange = json.loads(data)
        if ACCOUNT_NAMES.search(f"{exchange['reply']['reason']} {exchange['served_model']}"):
            return "text that looks like a key or an account name"
    elif path.suffix == ".json" and ADDRESS_PASSWORD.search(data):  # of a record of weights
        return "an address with a password"
    return ""
