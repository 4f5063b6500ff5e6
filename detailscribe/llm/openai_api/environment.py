"""Environment variables of a connection: proxies, certificates, and the variables of the OpenAI client."""

import contextlib
import os
from collections.abc import Iterator
from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx2

from detailscribe.errors import SetupError
from detailscribe.llm.endpoints import ACCOUNT_VARIABLES

CERTIFICATE_VARIABLES = ("SSL_CERT_FILE", "SSL_CERT_DIR")


def is_loopback(url: str) -> bool:
    """Whether a URL names this machine."""
    host = urlsplit(url).hostname or ""
    try:
        address = ip_address(host)
        return address.is_loopback or address.is_unspecified
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def proxy_variable(url: str) -> str:
    """Name of the environment variable whose proxy calls to this URL go through; empty if they go directly."""
    parts = urlsplit(url)
    proxies = getproxies()
    if is_loopback(url) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return ""
    kind = next((kind for kind in (parts.scheme, "all") if proxies.get(kind)), "")
    names = (f"{kind}_proxy", f"{kind}_PROXY".upper())
    return next((name for name in names if kind and os.environ.get(name)), "")


@contextlib.contextmanager
def reported_environment(subject: str, url: str) -> Iterator[None]:
    """Report a proxy or a certificate file that a client cannot be made with.

    Raises:
        SetupError: names the environment variable and the remedy.
    """
    try:
        yield
    except (ImportError, OSError, ValueError, httpx2.InvalidURL) as error:
        if isinstance(error, OSError):  # ssl.SSLError is one
            variable = next((name for name in CERTIFICATE_VARIABLES if os.environ.get(name)), "")
            place = f"the certificates of {variable} ({os.environ[variable]})" if variable else "the certificates"
            remedy = f"correct or unset {variable}" if variable else "install the system's certificates"
            raise SetupError(f"{subject}: {place} cannot be read ({type(error).__name__}); {remedy}.") from None
        variable, scheme = _unusable_proxy()
        if not variable:
            raise SetupError(f"{subject}: `base_url` cannot be used ({type(error).__name__}); correct it.") from None
        remedy = "install the package socksio or unset it" if isinstance(error, ImportError) else "correct or unset it"
        raise SetupError(f"{subject}: the proxy in {variable} ({scheme}://) cannot be used; {remedy}.") from None


def _unusable_proxy() -> tuple[str, str]:
    """Variable and scheme of the proxy that stops a client; each client reads all of these variables."""
    names = [name for name in os.environ if name.lower() in ("http_proxy", "https_proxy", "all_proxy")]
    schemes = [(name, os.environ[name].partition("://")[0] if "://" in os.environ[name] else "http") for name in names]
    unusual = [pair for pair in schemes if pair[1] not in ("http", "https")]
    return (unusual or schemes or [("", "")])[0]


@contextlib.contextmanager
def without_openai_variables() -> Iterator[None]:
    """Hide variables from which the client would take an address, headers or another key; accounts stay."""
    names = [name for name in os.environ if name.startswith("OPENAI_") and name not in ACCOUNT_VARIABLES]
    hidden = {name: os.environ.pop(name) for name in names}
    try:
        yield
    finally:
        os.environ.update(hidden)
