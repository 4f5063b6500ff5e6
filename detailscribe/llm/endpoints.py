"""Endpoint config entries: API key, URL without credentials, and redaction of secrets in text that a server returns."""

import os
import re
from urllib.parse import urlsplit

from detailscribe.errors import SetupError

OPENAI_URL = "https://api.openai.com/v1"
ACCOUNT_NAMES = re.compile(r"\b(?:org-|proj_|user-|sk-)[\w*.-]{10,}")  # servers put them into error messages
ACCOUNT_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")  # the client sends them as headers
EXCERPT_LENGTH = 300  # characters of a server's message that are passed on
SHORTEST_SECRET = 4  # characters; a shorter password is part of too many words


def is_offline(endpoint: dict) -> bool:
    """Whether the endpoint is the offline stand-in: no key, no limits, no retries, no cost."""
    return endpoint["kind"] == "offline"


def api_key(name: str, endpoint: dict) -> str:
    """The endpoint's API key; empty if it needs none.

    Raises:
        SetupError: the environment variable is not set.
    """
    variable = "" if is_offline(endpoint) else endpoint.get("key_env")
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise SetupError(
            f"Endpoint {name!r} needs a key: set the environment variable {variable} and run again, "
            "or set `exchanges: replay` to use recorded answers only."
        )
    return key


def public_url(endpoint: dict) -> str:
    """Scheme, host and port of an endpoint, without credentials."""
    url = urlsplit(endpoint["base_url"] or OPENAI_URL)
    return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")


def endpoint_key(endpoint: dict) -> str:
    """Identity of the account that owns a batch: the URL and the name of the key's environment variable."""
    return f"{public_url(endpoint)} {endpoint.get('key_env') or ''}".strip()


class Redactor:
    """Redacts an endpoint's API key, URL credentials and account names from text."""

    def __init__(self, key: str, *others: str):
        known = [key, *others, *(os.environ.get(name, "") for name in ACCOUNT_VARIABLES)]
        self._secrets = sorted({text for text in known if len(text) >= SHORTEST_SECRET}, key=len, reverse=True)

    def redact(self, text: str) -> str:
        """Text without secrets and without lone surrogates, which no UTF-8 file can hold."""
        text = text.encode("utf-8", "replace").decode()
        for secret in self._secrets:
            text = text.replace(secret, "[key]")
        return text

    def redact_error(self, text: str) -> str:
        """A server's error message without secrets and account names."""
        return ACCOUNT_NAMES.sub("[account]", self.redact(text))

    def excerpt(self, text: str) -> str:
        """A server's message for a reason or an error: shortened, on one line, without account names."""
        text = self.redact_error(" ".join(text.split()))
        return text if len(text) <= EXCERPT_LENGTH else text[:EXCERPT_LENGTH] + " ..."
