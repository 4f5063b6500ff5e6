"""A job that is killed at a random moment leaves no process and no port of the server that it started."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from detailscribe.llm import exchange_store
from detailscribe.llm.served import batch_program
from tests.paths import REPOSITORY
from tests.unit.llm.served_helpers import FakeVllm

START_S, ASKING_S = 1.5, 0.5  # of a job: until its server is ready, and a while after its first answer
JOB = """
import json
import sys
from pathlib import Path
from tests.unit.llm.served_helpers import ENDPOINT, served_question
from detailscribe.llm.client import Chat
from detailscribe.llm.served.servers import Servers

folder = Path(sys.argv[1])
print("starts", flush=True)
with Servers(print, print, folder / "logs" / "job.log", grace_s=float(sys.argv[2])) as servers:
    chat = Chat({"local": ENDPOINT | json.loads(sys.argv[3])}, folder / "store", "live", servers=servers)
    for first in range(0, 100_000, 4):
        chat.ask([served_question(first + n) for n in range(4)])
"""


@pytest.fixture
def vllm(tmp_path, monkeypatch):
    """The fake program on the path."""
    return FakeVllm(tmp_path, monkeypatch)


def start_job(vllm: FakeVllm, grace_s: float = 1.0, **changes) -> subprocess.Popen:
    """A process that asks without end; it has loaded its modules."""
    job = subprocess.Popen(
        [sys.executable, "-c", JOB, str(vllm.folder), str(grace_s), json.dumps(changes)],
        cwd=REPOSITORY,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert job.stdout and job.stdout.readline() == "starts\n"
    return job


def wait_for_an_answer(vllm: FakeVllm) -> None:
    deadline = time.monotonic() + 30
    while not exchange_store.exchange_files(vllm.folder / "store"):
        assert time.monotonic() < deadline
        time.sleep(0.02)


def end_and_check(vllm: FakeVllm, job: subprocess.Popen, number: int) -> None:
    job.send_signal(number)
    job.communicate(timeout=20)
    assert vllm.left(within_s=5.0) == ""
    assert exchange_store.damaged_exchanges(vllm.folder / "store") == []


@pytest.mark.parametrize("seed", [*range(4), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(4, 30))])
def test_after_a_kill_nothing_is_left(vllm, seed):
    chance = random.Random(seed)
    vllm.misbehave(chance.choice(["", "slow", "stubborn"]))
    job = start_job(vllm)
    if asks := seed % 2:
        wait_for_an_answer(vllm)
    time.sleep(chance.uniform(0, ASKING_S if asks else START_S))
    end_and_check(vllm, job, signal.SIGKILL)


@pytest.mark.parametrize("seed", range(6))
def test_after_a_kill_of_a_job_with_batches_nothing_is_left_and_the_next_run_goes_on(vllm, monkeypatch, seed):
    chance = random.Random(seed)
    vllm.misbehave(["", "slow", "streams"][seed % 3])
    job = start_job(vllm, batch=True)
    if seed % 2:
        wait_for_an_answer(vllm)
    time.sleep(chance.uniform(0, ASKING_S if seed % 2 else START_S))
    end_and_check(vllm, job, signal.SIGKILL)
    store = vllm.folder / "store"
    kept = {path: path.read_bytes() for path in exchange_store.exchange_files(store)}
    vllm.misbehave("")
    monkeypatch.setattr(batch_program, "STALE_S", -1.0)
    with vllm.servers() as servers:
        last = len(kept) + 4
        assert {reply.status for reply in vllm.ask(servers, *range(last), batch=True)} == {"ok"}
    assert f"for {last - len(kept)} requests" in vllm.said[0], "the recorded answers count"
    assert all(path.read_bytes() == data for path, data in kept.items()) and not list(store.glob(".run-batch-*"))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=lambda number: number.name)
def test_a_job_that_asks_is_ended_and_the_next_one_goes_on_from_its_answers(vllm, number):
    job = start_job(vllm)
    wait_for_an_answer(vllm)
    end_and_check(vllm, job, number)
    kept = {path: path.read_bytes() for path in exchange_store.exchange_files(vllm.folder / "store")}
    assert kept
    with vllm.servers() as servers:
        assert {reply.status for reply in vllm.ask(servers, *range(8))} == {"ok"}
    assert all(path.read_bytes() == data for path, data in kept.items())


@pytest.mark.slow
def test_a_job_is_killed_while_its_server_loads_and_a_child_holds_its_files(vllm):
    """A child that was forked, as by multiprocessing, keeps the job's end of the pipe open."""
    vllm.misbehave("silent")
    code = JOB.replace(
        "with Servers(", "import os, time\nfrom threading import Timer\nTimer(1, fork).start()\nwith Servers("
    )
    code = "def fork():\n    if not os.fork():\n        time.sleep(8)\n        os._exit(0)\n" + code
    job = subprocess.Popen(
        [sys.executable, "-c", code, str(vllm.folder), "1", "{}"], cwd=REPOSITORY, stdout=subprocess.PIPE
    )
    time.sleep(3)
    assert vllm.notes()
    os.kill(job.pid, signal.SIGKILL)
    job.wait()
    server = vllm.notes()[0]["pid"]
    deadline = time.monotonic() + 4
    while server in vllm.processes() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert server not in vllm.processes()
    assert vllm.left(within_s=10.0) == ""  # the forked child ends, too
