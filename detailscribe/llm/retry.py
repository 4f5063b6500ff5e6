"""Retry delays: exponential back-off with jitter, and the Retry-After header."""

import contextlib
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0


def backoff_s(attempt: int) -> float:
    """Seconds to wait after attempt 0, 1, ...: exponential, with jitter so that jobs do not retry in step."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that response headers ask to wait (`retry-after-ms`, `retry-after` in seconds or as a date).

    Returns:
        None if they do not say, or if the value is malformed.
    """
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, float(headers.get("retry-after-ms", "")) / 1000)
    value = headers.get("retry-after", "")
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, float(value))
    with contextlib.suppress(TypeError, ValueError):
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    return None
