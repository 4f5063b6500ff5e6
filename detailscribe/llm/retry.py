"""Retry delays: exponential back-off with jitter, and the Retry-After header."""

import contextlib
import math
import random
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime

FIRST_WAIT_S, LONGEST_WAIT_S = 0.5, 60.0
DAY_S = 86_400.0


def backoff_s(attempt: int) -> float:
    """Seconds to wait after attempt 0, 1, ...: exponential, with jitter so that jobs do not retry in step."""
    return min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**attempt) * random.uniform(0.5, 1.0)


def parse_retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that response headers ask to wait (`retry-after-ms`, `retry-after` in seconds or as a date).

    Returns:
        0 to `DAY_S` + 1, which stands for every longer time; None if they do not say, or if the value is malformed.
    """
    with contextlib.suppress(TypeError, ValueError):
        return _bounded(float(headers.get("retry-after-ms", "")) / 1000)
    value = headers.get("retry-after", "")
    with contextlib.suppress(TypeError, ValueError):
        return _bounded(float(value))
    with contextlib.suppress(TypeError, ValueError, OverflowError):
        return _bounded(parsedate_to_datetime(value).timestamp() - time.time())
    return None


def _bounded(wait_s: float) -> float:
    if math.isnan(wait_s):
        raise ValueError("no number")
    return min(max(0.0, wait_s), DAY_S + 1)
