"""Raw response bodies: everything that a server sent, kept beside the parsed answer with secrets removed.

Log-probabilities, reasoning fields and fingerprints of a hosted model cannot be requested again once it is retired. A
small body is part of the exchange file; a larger one is a compressed file beside it.
"""

import gzip
import hashlib
import io
import math
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

from detailscribe.files.atomic import atomic_write
from detailscribe.files.digests import canonical_json, file_sha256
from detailscribe.files.json_reader import load_json
from detailscribe.files.packed import is_there, read_bytes, sha256_of

MAX_INLINE_BYTES = 16 * 2**10  # of a body inside the exchange file
MAX_BYTES = 8 * 2**20  # of a body that is kept
MAX_DEPTH = 64  # levels of nesting that are kept
SUFFIX = ".body.json.gz"


def redacted_body(body: object, redact: Callable[[str], str], depth: int = 0) -> object:
    """A JSON value without secrets in any text or key, and without the data of an image, which the exchange keeps.

    Values nested deeper than MAX_DEPTH become a text that says so.

    Args:
        redact: `Redactor.redact`, or `Redactor.redact_error` for an error, which may name accounts.
    """
    if depth > MAX_DEPTH:
        return f"[omitted: nested deeper than {MAX_DEPTH} levels]"
    if isinstance(body, str):
        return redact(body)
    if isinstance(body, list):
        return [redacted_body(value, redact, depth + 1) for value in body]
    if isinstance(body, dict):
        return {
            redact(str(key)): f"[omitted: {len(value)} characters of image data]"
            if (key == "b64_json" or key == "url" and _is_data(value)) and isinstance(value, str)
            else redacted_body(value, redact, depth + 1)
            for key, value in body.items()
        }
    return body


def _is_data(value: object) -> bool:
    return isinstance(value, str) and value[:5].lower() == "data:"


def write_body(exchange: Path, body: object) -> dict:
    """Keep a redacted body for an exchange file.

    Returns:
        The exchange's entry `body`: `{"json": ...}`, or `{"file", "sha256", "bytes"}` of the compressed file beside it,
        or `{"omitted": reason}` for a body of more than MAX_BYTES.
    """
    text = canonical_json(body)
    if "NaN" in text or "Infinity" in text:
        body = _finite(body)
        text = canonical_json(body)
    data = text.encode("utf-8", "replace")
    if len(data) <= MAX_INLINE_BYTES:
        return {"json": body}
    if len(data) > MAX_BYTES:
        digest = hashlib.sha256(data).hexdigest()
        return {"omitted": f"{len(data)} bytes, more than {MAX_BYTES} (SHA-256 {digest})"}
    path = exchange.with_suffix(SUFFIX)
    with atomic_write(path) as temporary:
        temporary.write_bytes(gzip.compress(data, mtime=0))
    return {"file": path.name, "sha256": file_sha256(path), "bytes": len(data)}


def _finite(value: Any) -> Any:
    """A JSON value whose NaN and infinities are texts: JSON has no such numbers, a server's log-probabilities may."""
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [_finite(each) for each in value]
    return {key: _finite(each) for key, each in value.items()} if isinstance(value, dict) else value


def body_file(exchange: Path, entry: dict | None) -> Path | None:
    """The compressed file of a body, if the exchange has one.

    Raises:
        ValueError: the file is missing or changed; the message names it.
    """
    if not entry or "file" not in entry:
        return None
    path = exchange.with_suffix(SUFFIX)
    if entry["file"] != path.name or not is_there(path) or sha256_of(path) != entry["sha256"]:
        raise ValueError(f"{exchange} names the response body {str(entry['file'])[:80]!r}, which is missing or changed")
    return path


def read_body(exchange: Path, entry: dict | None) -> object:
    """The body of an exchange; None for an exchange recorded without one.

    Raises:
        ValueError: its file is missing, changed or no JSON.
    """
    path = body_file(exchange, entry)
    if path is not None:
        return load_json(unpacked_body(path), allow_nonfinite=True)
    return (entry or {}).get("json")


def unpacked_body(path: Path) -> bytes:
    """The bytes of a body's compressed file.

    Raises:
        ValueError: the file is not what gzip writes, or holds more than MAX_BYTES; the message does not name it.
    """
    try:
        with gzip.open(io.BytesIO(read_bytes(path))) as file:
            data = file.read(MAX_BYTES + 1)
    except (gzip.BadGzipFile, EOFError, zlib.error) as error:
        raise ValueError(f"a response body that cannot be unpacked: {error}") from None
    if len(data) > MAX_BYTES:
        raise ValueError(f"a response body of more than {MAX_BYTES} bytes")
    return data
