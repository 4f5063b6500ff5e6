"""Connection to a server: the OpenAI client, each response bounded in size, no redirect to another host followed;
images behind an address.

Address, headers and query come from the configuration alone; the environment decides about proxies and certificates.
"""

import asyncio
import ssl
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

import httpx2
import openai

from detailscribe.llm.endpoint_error import EndpointError, unparseable_response
from detailscribe.llm.endpoints import Redactor, api_key, server_url
from detailscribe.llm.openai_api.environment import is_loopback, reported_environment, without_openai_variables

Result = TypeVar("Result")
MIB = 2**20
IMAGE_BYTES = 64 * MIB  # of an image that is fetched by its address
CHAT_BYTES, OTHER_BYTES, FILE_BYTES = 32 * MIB, 128 * MIB, 1024 * MIB  # of a decoded body; the last: a batch's output
MAX_REDIRECTS = 5


class BoundedClient(openai.DefaultAsyncHttpxClient):
    """HTTP client whose responses are read up to a limit, counted after decompression.

    Args:
        redactor: Of the endpoint.
        options: Of `httpx2.AsyncClient`.
    """

    def __init__(self, redactor: Redactor, **options):
        super().__init__(**options)
        self._redactor = redactor

    async def send(
        self,
        request: httpx2.Request,
        *,
        stream: bool = False,
        auth: Any = httpx2.USE_CLIENT_DEFAULT,
        follow_redirects: Any = None,
    ) -> httpx2.Response:
        """Send a request and read the whole response.

        Raises:
            EndpointError: the response is too large, or leads to another host.
        """
        for _ in range(MAX_REDIRECTS + 1):
            response = await super().send(request, stream=True, auth=auth, follow_redirects=False)
            following = response.next_request
            if following is None:
                return response if stream else await self._whole(response)
            await response.aclose()
            same = _is_same_server(request.url, following.url)
            if not same or following.method != request.method:  # a POST that becomes a GET loses what it asks
                target = self._redactor.excerpt(f"{following.url.scheme}://{following.url.netloc.decode()}")
                raise EndpointError(
                    f"redirects to another {'address' if same else 'host'} ({target}), which is not followed; "
                    "if it is yours, put its address into `base_url`",
                    retryable=False,
                )
            request = following
        raise EndpointError(f"redirects more than {MAX_REDIRECTS} times; correct `base_url`", retryable=False)

    async def _whole(self, response: httpx2.Response) -> httpx2.Response:
        path = response.request.url.path
        limit = CHAT_BYTES if path.endswith("/chat/completions") else FILE_BYTES if "/files/" in path else OTHER_BYTES
        length, coded = response.headers.get("content-length", ""), ("content-encoding", "transfer-encoding")
        if length.isdecimal() and int(length) <= limit and not any(name in response.headers for name in coded):
            await response.aread()  # no more than it announces, and faster
            return response
        data = await read_bounded(response, limit)
        changed = (b"content-encoding", b"content-length", b"transfer-encoding")
        headers = [pair for pair in response.headers.raw if pair[0].lower() not in changed]
        return httpx2.Response(response.status_code, headers=headers, content=data, request=response.request)


async def read_bounded(response: httpx2.Response, limit: int) -> bytes:
    """The decoded body of a streamed response; the connection is closed.

    Raises:
        EndpointError: more than `limit` bytes.
    """
    chunks, size = [], 0
    try:
        async for chunk in response.aiter_bytes():
            size += len(chunk)
            if size > limit:
                raise unparseable_response(f"the server's reply is larger than {limit // MIB} MiB")
            chunks.append(chunk)
    finally:
        await response.aclose()
    return b"".join(chunks)


def open_client(name: str, endpoint: dict, redactor: Redactor, timeout_s: float) -> openai.AsyncOpenAI:
    """The OpenAI client of an endpoint. It makes each call once.

    Args:
        name: Name of the endpoint.
        endpoint: Its config entry.
        redactor: Of the endpoint.
        timeout_s: Per read; the caller limits the whole call.

    Raises:
        SetupError: key, address, proxy or certificates cannot be used; the message names what to correct.
    """
    key, url = api_key(name, endpoint), server_url(name, endpoint)
    query = {str(key): str(value) for key, value in (endpoint.get("default_query") or {}).items()}
    with reported_environment(f"Endpoint {name!r}", url), without_openai_variables():
        return openai.AsyncOpenAI(
            api_key=key or "none",
            base_url=url,
            timeout=timeout_s,
            max_retries=0,
            default_query=query,
            default_headers={"api-key": key} if key and "api-version" in query else None,  # where Azure reads a key
            http_client=BoundedClient(redactor, timeout=timeout_s, **connection_options(url)),
        )


def connection_options(url: str) -> dict:
    """Options of an HTTP client for a server: none, or for one on this machine a connection without proxy."""
    if not is_loopback(url):
        return {}
    # Certificates of a file that may be gone are not loaded where nothing is encrypted.
    verify = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT) if url.lower().startswith("http://") else True
    return {"transport": httpx2.AsyncHTTPTransport(limits=openai.DEFAULT_CONNECTION_LIMITS, verify=verify)}


def download_image(url: str, timeout_s: float) -> bytes:
    """Download an image. Blocks for `timeout_s` seconds at most.

    Args:
        url: Address that a server gave.
        timeout_s: Time limit of the whole download.

    Raises:
        ValueError: not an HTTP URL.
        OSError: the download failed, took too long or is too large.
    """
    if not url.lower().startswith(("https://", "http://")):
        raise ValueError("it holds neither data nor a URL")
    return in_own_loop(_download(url, timeout_s))


def in_own_loop(work: Coroutine[Any, Any, Result]) -> Result:
    """Wait for a coroutine in a thread with its own loop; callers may have one, and only a loop bounds a whole time."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


async def _download(url: str, timeout_s: float) -> bytes:
    try:
        options = {"follow_redirects": True, "max_redirects": MAX_REDIRECTS, **connection_options(url)}
        async with asyncio.timeout(timeout_s), httpx2.AsyncClient(timeout=timeout_s, **options) as client:
            request = client.build_request("GET", url)
            response = await client.send(request, stream=True)
            data = await read_bounded(response, IMAGE_BYTES)
            if response.status_code != 200:
                raise OSError(f"its address answered with HTTP {response.status_code}")
            return data
    except TimeoutError:
        raise OSError(f"its address gave no whole image within {timeout_s:.3g} s") from None
    except EndpointError:
        raise OSError(f"it is larger than {IMAGE_BYTES // MIB} MiB") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, ImportError, ValueError) as error:
        raise OSError(f"{type(error).__name__}: {error}") from None


def _is_same_server(old: httpx2.URL, new: httpx2.URL) -> bool:
    def place(url: httpx2.URL) -> tuple[str, int | None]:
        return url.host, url.port or {"http": 80, "https": 443}.get(url.scheme)

    upgrade = old.scheme == "http" and new.scheme == "https" and place(old)[1] == 80 and place(new)[1] == 443
    return place(old) == place(new) and old.scheme == new.scheme or old.host == new.host and upgrade
