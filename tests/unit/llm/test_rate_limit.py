"""Limits: one bound for all processes of a machine, requests and tokens a minute, Retry-After."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from email.utils import formatdate

import pytest

from detailscribe.llm import rate_limit
from detailscribe.llm.rate_limit import Limit, back_off, retry_after

HOLDER = """
import asyncio, sys, time
from pathlib import Path
from detailscribe.llm.rate_limit import Limit

async def main(number):
    limit = Limit({"in_flight": 4}, Path(sys.argv[1]))
    async def one():
        async with limit.slot():
            print("in", flush=True)
            await asyncio.sleep(float(sys.argv[3]))
            print("out", flush=True)
    await asyncio.gather(*(one() for _ in range(number)))

asyncio.run(main(int(sys.argv[2])))
"""


def started(folder, calls: int, seconds: float) -> subprocess.Popen:
    command = [sys.executable, "-c", HOLDER, str(folder), str(calls), str(seconds)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_processes_share_one_bound(tmp_path):
    log = tmp_path / "log"
    code = HOLDER.replace("print(", "print_(").replace(
        "async def main", "def print_(what, flush):\n    open(sys.argv[4], 'a').write(what + '\\n')\n\nasync def main"
    )
    command = [sys.executable, "-c", code, str(tmp_path / "limits"), "6", "0.1", str(log)]
    for process in [subprocess.Popen(command) for _ in range(3)]:
        assert process.wait() == 0
    inside, most = 0, 0
    for line in log.read_text().split():
        inside += 1 if line == "in" else -1
        most = max(most, inside)
    assert (inside, most) == (0, 4)


def test_a_killed_process_gives_its_places_back(tmp_path):
    process = started(tmp_path, 4, 60)
    assert [process.stdout.readline() for _ in range(4)] == ["in\n"] * 4
    other = started(tmp_path, 1, 0)
    time.sleep(0.5)
    assert other.poll() is None, "all places are taken"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert other.wait(timeout=20) == 0
    process.stdout.close()
    other.stdout.close()


def test_429_halves_the_bound_once_a_wave_and_answers_let_it_grow(tmp_path):
    limit, now = Limit({"in_flight": 16}, tmp_path), time.time()
    assert limit.bound() == 16
    limit.slow_down(now, None)
    limit.slow_down(now, None)  # of the same wave
    assert limit.bound() == 8
    limit.slow_down(time.time(), None)
    assert limit.bound() == 4
    for _ in range(5):
        limit.answered(0, None)
    assert 5 <= limit.bound() < 6
    for _ in range(300):
        limit.answered(0, None)
    assert limit.bound() == 16
    for _ in range(10):
        limit.slow_down(time.time(), None)
    assert limit.bound() == 1


def test_a_cut_bound_is_forgotten_in_time(tmp_path, monkeypatch):
    limit = Limit({"in_flight": 16}, tmp_path)
    limit.slow_down(time.time(), None)
    monkeypatch.setattr(rate_limit, "FORGET_S", 0.0)
    assert limit.bound() == 16


def timed(limit: Limit, calls: int, tokens: int = 0) -> list[float]:
    """Seconds after the start at which each of some calls began."""
    times = []

    async def one():
        async with limit.slot(tokens):
            times.append(time.monotonic() - began)

    async def every():
        await asyncio.gather(*(one() for _ in range(calls)))

    began = time.monotonic()
    asyncio.run(every())
    return sorted(times)


def test_requests_are_spread_over_the_minute(tmp_path):
    times = timed(Limit({"in_flight": 8, "requests_per_minute": 1200}, tmp_path), 9)
    assert times[0] < 1
    # A busy machine may let one go late, never early.
    assert all(at >= number * 0.05 - 0.01 for number, at in enumerate(times))


def test_tokens_are_booked_and_put_right_by_the_answer(tmp_path):
    endpoint = {"in_flight": 8, "tokens_per_minute": 60_000}
    times = timed(Limit(endpoint, tmp_path / "a"), 4, tokens=100)
    assert 0.29 <= times[-1] < 5
    generous = Limit(endpoint, tmp_path / "b")
    timed(generous, 1, tokens=10_000)
    generous.answered(10_000, 0)  # it used none of them
    assert timed(generous, 1, tokens=1)[0] < 5


def test_retry_after_closes_the_endpoint_for_every_job(tmp_path):
    limit = Limit({"in_flight": 8}, tmp_path)
    limit.slow_down(time.time(), 0.4)
    assert timed(limit, 3)[0] >= 0.35


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
def test_retry_after_is_read_in_each_of_its_forms(headers, low, high):
    said = retry_after(headers)
    assert said is None if low is None else low <= said <= high


def test_retry_after_may_be_a_date():
    said = retry_after({"retry-after": formatdate(time.time() + 3600, usegmt=True)})
    assert 3500 <= said <= 3600


def test_back_off_doubles_with_jitter_up_to_a_bound():
    for attempt in range(12):
        full = min(rate_limit.LONGEST_WAIT_S, rate_limit.FIRST_WAIT_S * 2**attempt)
        drawn = [back_off(attempt) for _ in range(50)]
        assert all(full / 2 <= each <= full for each in drawn) and len(set(drawn)) > 10
