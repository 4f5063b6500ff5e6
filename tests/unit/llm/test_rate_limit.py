"""Rate limits: concurrency shared by all processes of a machine, requests and tokens per minute."""

import asyncio
import os
import signal
import subprocess
import sys
import time

from detailscribe.llm import rate_limit
from detailscribe.llm.rate_limit import RateLimit

HOLDER = """
import asyncio, sys, time
from pathlib import Path
from detailscribe.llm.rate_limit import RateLimit

async def main(number):
    limit = RateLimit({"in_flight": 4}, Path(sys.argv[1]))
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


def test_processes_share_one_concurrency_limit(tmp_path):
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


def test_slots_of_a_killed_process_are_released(tmp_path):
    process = started(tmp_path, 4, 60)
    assert [process.stdout.readline() for _ in range(4)] == ["in\n"] * 4
    other = started(tmp_path, 1, 0)
    time.sleep(0.5)
    assert other.poll() is None, "all slots are taken"
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert other.wait(timeout=20) == 0
    process.stdout.close()
    other.stdout.close()


def test_429_halves_the_concurrency_once_per_wave_and_answers_increase_it(tmp_path):
    limit, now = RateLimit({"in_flight": 16}, tmp_path), time.time()
    assert limit.concurrency() == 16
    limit.on_rate_limited(now, None)
    limit.on_rate_limited(now, None)  # of the same wave
    assert limit.concurrency() == 8
    limit.on_rate_limited(time.time(), None)
    assert limit.concurrency() == 4
    for _ in range(5):
        limit.on_answer(0, None)
    assert 5 <= limit.concurrency() < 6
    for _ in range(300):
        limit.on_answer(0, None)
    assert limit.concurrency() == 16
    for _ in range(10):
        limit.on_rate_limited(time.time(), None)
    assert limit.concurrency() == 1


def test_a_reduced_concurrency_is_forgotten(tmp_path, monkeypatch):
    limit = RateLimit({"in_flight": 16}, tmp_path)
    limit.on_rate_limited(time.time(), None)
    monkeypatch.setattr(rate_limit, "FORGET_S", 0.0)
    assert limit.concurrency() == 16


def timed(limit: RateLimit, calls: int, tokens: int = 0) -> list[float]:
    """Seconds after which each call began, sorted."""
    times = []

    async def one():
        async with limit.slot(tokens):
            times.append(time.monotonic() - began)

    async def every():
        await asyncio.gather(*(one() for _ in range(calls)))

    began = time.monotonic()
    asyncio.run(every())
    return sorted(times)


def test_requests_are_spread_evenly(tmp_path):
    times = timed(RateLimit({"in_flight": 8, "requests_per_minute": 1200}, tmp_path), 9)
    assert times[0] < 1
    # A busy machine may start a call late, never early.
    assert all(at >= number * 0.05 - 0.01 for number, at in enumerate(times))


def test_tokens_are_reserved_and_corrected_by_the_answer(tmp_path):
    endpoint = {"in_flight": 8, "tokens_per_minute": 60_000}
    times = timed(RateLimit(endpoint, tmp_path / "a"), 4, tokens=100)
    assert 0.29 <= times[-1] < 5
    generous = RateLimit(endpoint, tmp_path / "b")
    timed(generous, 1, tokens=10_000)
    generous.on_answer(10_000, 0)  # none of them were used
    assert timed(generous, 1, tokens=1)[0] < 5


def test_retry_after_applies_to_every_job(tmp_path):
    limit = RateLimit({"in_flight": 8}, tmp_path)
    limit.on_rate_limited(time.time(), 0.4)
    assert timed(limit, 3)[0] >= 0.35
