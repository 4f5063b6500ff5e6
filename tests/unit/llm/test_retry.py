"""Retry delays: Retry-After headers and exponential back-off."""

import time
from email.utils import formatdate

import pytest

from detailscribe.llm import retry
from detailscribe.llm.retry import backoff_s, parse_retry_after


@pytest.mark.parametrize(
    ("headers", "low", "high"),
    [
        ({"retry-after": "2"}, 2, 2),
        ({"retry-after": "0.5"}, 0.5, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25, 0.25),
        ({"retry-after": formatdate(0, usegmt=True)}, 0, 0),
        ({"retry-after": "soon"}, None, None),
        ({}, None, None),
    ],
)
def test_retry_after_is_parsed_in_each_of_its_forms(headers, low, high):
    wait_s = parse_retry_after(headers)
    assert wait_s is None if low is None else low <= wait_s <= high


def test_retry_after_may_be_a_date():
    wait_s = parse_retry_after({"retry-after": formatdate(time.time() + 3600, usegmt=True)})
    assert 3500 <= wait_s <= 3600


def test_backoff_doubles_with_jitter_up_to_a_maximum():
    for attempt in range(12):
        full = min(retry.LONGEST_WAIT_S, retry.FIRST_WAIT_S * 2**attempt)
        sampled = [backoff_s(attempt) for _ in range(50)]
        assert all(full / 2 <= each <= full for each in sampled) and len(set(sampled)) > 10
