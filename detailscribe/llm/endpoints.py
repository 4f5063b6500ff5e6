"""Endpoint config entries: API key, checked URL, URL without credentials, redaction of secrets in a server's text."""

import base64
import os
import re
from urllib.parse import unquote, urlsplit

from detailscribe.errors import SetupError

OPENAI_URL = "https://api.openai.com/v1"
ACCOUNT_NAMES = re.compile(r"\b(?:org-|proj_|user-|sk-)[\w*.-]{10,}")  # servers put them into error messages
ACCOUNT_VARIABLES = ("OPENAI_ORG_ID", "OPENAI_PROJECT_ID")  # the client sends them as headers
EXCERPT_LENGTH = 300  # characters of a server's message that are passed on
ESCAPES = re.compile(r"\x1b\[[0-9;?]*[A-Za-z]")  # of terminals
SHORTEST_SECRET = 4  # characters; a shorter password is part of too many words


def is_offline(endpoint: dict) -> bool:
    """Whether the endpoint is the offline stand-in: no key, no limits, no retries, no cost."""
    return endpoint["kind"] == "offline"


def api_key(name: str, endpoint: dict) -> str:
    """The endpoint's API key; empty if it needs none.

    Raises:
        SetupError: the environment variable is not set, or its value cannot be sent in a header.
    """
    variable = "" if is_offline(endpoint) else endpoint.get("key_env")
    key = os.environ.get(variable, "").strip() if variable else ""
    if variable and not key:
        raise SetupError(
            f"Endpoint {name!r} needs a key: set the environment variable {variable} and run again, "
            "or set `exchanges: replay` to use recorded answers only."
        )
    if not key.isascii() or not key.isprintable():
        raise SetupError(
            f"Endpoint {name!r}: the environment variable {variable} holds a line break or another character that "
            "no key has; set it to the key alone."
        )
    return key


def server_url(name: str, endpoint: dict) -> str:
    """`base_url` of an endpoint, or OpenAI's if it is empty: the configuration alone decides which server is asked.

    Raises:
        SetupError: it is not an HTTP address that paths can be appended to.
    """
    text = endpoint.get("base_url") or OPENAI_URL
    shown = repr(re.sub(r"//[^@/]*@", "//", text))
    problem = ""
    if re.search(r"\s", text):
        problem = "holds a line break or a blank"
    elif not re.match("https?://", text, re.IGNORECASE):
        problem = "does not begin with http:// or https://"
    elif "?" in text or "#" in text:
        problem = "holds a query; put it into `default_query`, for example {api-version: 2024-10-21}, and leave it out"
    else:
        try:
            url = urlsplit(text)
            problem = "" if url.hostname and url.port != 0 else "names no host"
        except ValueError as error:
            problem = f"is not an address ({error})"
    if problem:
        raise SetupError(f"Endpoint {name!r}: `base_url` {shown} {problem}; write it as http://HOST:PORT/v1.")
    return text


def public_url(endpoint: dict) -> str:
    """Scheme, host and port of an endpoint, without credentials."""
    try:
        url = urlsplit(endpoint["base_url"] or OPENAI_URL)
        return f"{url.scheme}://{url.hostname}" + (f":{url.port}" if url.port else "")
    except ValueError:
        return "its address"


def endpoint_key(endpoint: dict) -> str:
    """Identity of the account that owns a batch: the URL and the name of the key's environment variable."""
    return f"{public_url(endpoint)} {endpoint.get('key_env') or ''}".strip()


def one_line(text: str, length: int = EXCERPT_LENGTH) -> str:
    """A text that others wrote, as a part of a message: on one line, printable, without colours, shortened."""
    words = " ".join(ESCAPES.sub("", text).split())
    line = (
        words
        if words.isprintable()
        else "".join(each if each.isprintable() else "\N{REPLACEMENT CHARACTER}" for each in words)
    )
    return line if len(line) <= length else line[:length] + " ..."


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

    def redact_cut(self, text: str, is_cut: bool = True) -> str:
        """Text without secrets, and without a part of a secret at either end.

        Args:
            is_cut: Whether the text may begin in the middle of a secret; it may always end there, being written.
        """
        text = self.redact(text)
        for secret in self._secrets:
            lengths = range(len(secret) - 1, SHORTEST_SECRET - 1, -1)
            if is_cut and (found := next((n for n in lengths if text.startswith(secret[-n:])), 0)):
                text = "[key]" + text[found:]
            if found := next((n for n in lengths if text.endswith(secret[:n])), 0):
                text = text[:-found] + "[key]"
        return text

    def redact_error(self, text: str) -> str:
        """A server's error message without secrets and account names."""
        return ACCOUNT_NAMES.sub("[account]", self.redact(text))

    def excerpt(self, text: str) -> str:
        """A server's message for a reason or an error: shortened, on one line, without account names."""
        return one_line(self.redact_error(text))


def endpoint_redactor(name: str, endpoint: dict) -> Redactor:
    """The redactor of an endpoint: its key, and the credentials in its URL in each form in which they are sent.

    Raises:
        SetupError: the key or the URL cannot be used (`api_key`, `server_url`).
    """
    key, url = api_key(name, endpoint), urlsplit(server_url(name, endpoint))
    user, password = url.username or "", url.password or ""
    pair = f"{unquote(user)}:{unquote(password)}" if user or password else ""
    return Redactor(key, user, password, unquote(user), unquote(password), base64.b64encode(pair.encode()).decode())
