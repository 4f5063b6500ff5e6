"""Seeded attack on a budget: processes that ask a planted server and are killed at random moments, then run again.

The first call costs 0.03 dollars, later ones 1.02. The server bills every request that reaches it, also one whose
process is killed, and reports its usage as the attack wants. By hand: `python tests/budget_attack.py SEED`.
"""

import json
import multiprocessing
import random
import subprocess
import sys
import tempfile
import time
import urllib.request
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))  # for `python tests/budget_attack.py`

from detailscribe.errors import SetupError
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.llm.spending.account import read_account
from detailscribe.llm.spending.bounds import input_bound

FIRST_TOKENS, LATER_TOKENS = 3_000, 102_000
INPUT_PRICE, OUTPUT_PRICE = 0.0, 10.0  # dollars per million tokens
QUESTIONS = 60  # of each process; neighbours share half of theirs
LIMIT_S = 60.0  # of an attack
# What the server reports. true: what it bills; zero_first: no tokens, and no bill, for the first answer; absent,
# negative: nothing that counts; mixed: one of these at random; over: three times `max_tokens`, and bills that;
# huge: at random ten times `max_tokens`, and bills that.
USAGES = ("true", "zero_first", "absent", "negative", "mixed", "over", "huge")

SERVER = """
import asyncio, json, random, sys

seed, first, later, delay_s, usage, price = json.loads(sys.argv[1])
numbers = random.Random(seed)
state = {"billed": 0.0, "calls": 0, "dearest": 0.0, "excess": 0.0}
HEAD = "HTTP/1.1 200 OK\\r\\nContent-Type: application/json\\r\\nContent-Length: %d\\r\\n\\r\\n"


def reply():
    tokens = later if state["calls"] else first
    how = numbers.choice(["true", "absent", "negative"]) if usage == "mixed" else usage
    if how == "zero_first" and not state["calls"]:
        tokens = 0
    if how == "over" or (how == "huge" and numbers.random() < 0.1):
        tokens = later * (3 if how == "over" else 10)
    state["calls"] += 1
    cost = tokens * price / 1e6
    state["billed"] += cost
    state["dearest"] = max(state["dearest"], cost)
    state["excess"] += max(0, tokens - later) * price / 1e6
    reported = {"prompt_tokens": 7, "completion_tokens": -tokens if how == "negative" else tokens}
    message = {"role": "assistant", "content": "<fine>"}
    body = {"model": "some-model", "choices": [{"index": 0, "message": message, "finish_reason": "stop"}]}
    return body if how == "absent" else body | {"usage": reported}


async def serve(reader, writer):
    try:
        while head := await reader.readuntil(b"\\r\\n\\r\\n"):
            if head.startswith(b"GET"):
                data = state
            else:
                lengths = [line for line in head.lower().split(b"\\r\\n") if line.startswith(b"content-length")]
                await reader.readexactly(int(lengths[0].split(b":")[1]))
                data = reply()
                await asyncio.sleep(delay_s * (0.5 + numbers.random()))
            data = json.dumps(data)
            writer.write((HEAD % len(data) + data).encode())
    except (asyncio.IncompleteReadError, ConnectionError):
        writer.close()


async def main():
    server = await asyncio.start_server(serve, "127.0.0.1", 0, backlog=512)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(main())
"""


@dataclass(frozen=True)
class Outcome:
    """What an attack came to, in dollars.

    Attributes:
        billed: What the server billed.
        ceiling: What it may bill: the budget; plus one call, if nothing limits the calls or if each reports more than
            its limit; plus what single calls report above it.
        recorded: Cost of the answers in the spend log.
        counted: What the budget counts: recorded, and the bounds of the calls that were cut off or reported no usage.
        exchanges: Cost of the recorded exchanges.
        calls: Requests that reached the server.
        answered: Recorded exchanges.
        kills: Processes killed.
    """

    billed: float
    ceiling: float
    recorded: float
    counted: float
    exchanges: float
    calls: int
    answered: int
    kills: int


def run_attack(
    seed: int,
    folder: Path,
    processes: int = 3,
    kills: int = 4,
    usage: str = "true",
    limited: bool = True,
    in_flight: int = 16,
    budget_usd: float = 5.0,
    delay_s: float = 0.1,
) -> Outcome:
    """Attack a budget in an empty folder.

    Args:
        processes: That ask at the same time.
        kills: Rounds that end with kill -9 of all processes at a random moment; a last round runs to its end.
        usage: One of `USAGES`.
        limited: Whether the requests set `max_tokens`.
        delay_s: Mean time of an answer.
    """
    import openai  # noqa: F401 - before the fork, not once per process

    numbers = random.Random(f"{seed} {processes} {kills} {usage} {limited}")
    settings = json.dumps([seed, FIRST_TOKENS, LATER_TOKENS, delay_s, usage, OUTPUT_PRICE])
    command = [sys.executable, "-c", SERVER, settings]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            assert server.stdout is not None
            url = f"http://127.0.0.1:{server.stdout.readline().strip()}"
            killed = 0
            for _ in range(kills):
                killed += _round(
                    folder, url, processes, limited, in_flight, budget_usd, 0.02 + 4 * delay_s * numbers.random()
                )
            _round(folder, url, processes, limited, in_flight, budget_usd, None)
            with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(url) as response:
                state = json.load(response)
        finally:
            server.kill()
    account = read_account(folder)
    exchanges = [exchange_store.load_exchange(path) for path in folder.glob("*/*.json") if path.name[0] != "."]
    input_usd = input_bound(questions(0, limited)[0]) * INPUT_PRICE / 1e6
    more = {"over": state["dearest"], "huge": state["excess"]}.get(usage, 0.0 if limited else state["dearest"])
    return Outcome(
        billed=state["billed"],
        ceiling=budget_usd + more + input_usd,
        recorded=account.cost_usd,
        counted=account.cost_usd + account.booked_usd + sum(each.amount_usd for each in account.open.values()),
        exchanges=sum(each["cost_usd"] or 0.0 for each in exchanges),
        calls=state["calls"],
        answered=len(exchanges),
        kills=killed,
    )


def questions(process: int, limited: bool) -> list[Request]:
    """The requests of a process."""
    options = {"max_tokens": LATER_TOKENS} if limited else {}
    first = process * QUESTIONS // 2
    return [
        Request("rewrite", "server", "some-model", [{"role": "user", "content": f"Prompt: {n}"}], options=options)
        for n in range(first, first + QUESTIONS)
    ]


def ask(folder: Path, url: str, process: int, limited: bool, in_flight: int, budget_usd: float) -> None:
    """Ask as one job would; a stop by the budget is expected."""
    endpoint = {"kind": "openai", "base_url": f"{url}/v1", "key_env": "", "in_flight": in_flight, "timeout_s": 20}
    endpoint |= {"max_retries": 0, "input_usd_per_million": INPUT_PRICE, "output_usd_per_million": OUTPUT_PRICE}
    try:
        Chat({"server": endpoint}, folder, "live", budget_usd).ask(questions(process, limited))
    except SetupError as error:
        if "stopped by the budget" not in str(error):
            raise


def _round(
    folder: Path, url: str, processes: int, limited: bool, in_flight: int, budget_usd: float, kill_after_s: float | None
) -> int:
    """Run all processes, and kill them after a time; returns the number of those that were killed."""
    fork = multiprocessing.get_context("fork")
    started = [
        fork.Process(target=ask, args=(folder, url, number, limited, in_flight, budget_usd))
        for number in range(processes)
    ]
    for process in started:
        process.start()
    try:
        if kill_after_s is not None:
            time.sleep(kill_after_s)
        else:
            deadline = time.monotonic() + LIMIT_S
            for process in started:
                process.join(max(0.0, deadline - time.monotonic()))
            assert [process.exitcode for process in started] == [0] * processes, "a process failed, or did not end"
        running = [process for process in started if process.is_alive()]
    finally:
        for process in started:
            process.kill()
            process.join()
    return len(running)


if __name__ == "__main__":
    for usage in USAGES:
        for limited in (True, False):
            for processes in (1, 3, 8):
                kills = 0 if usage == "over" else 4
                with tempfile.TemporaryDirectory() as place:
                    began = time.monotonic()
                    outcome = run_attack(int(sys.argv[1]), Path(place), processes, kills, usage, limited)
                    verdict = "held" if outcome.billed <= outcome.ceiling + 1e-9 else "EXCEEDED"
                    took = time.monotonic() - began
                    print(usage, "limited" if limited else "unlimited", processes, verdict, f"{took:.1f} s", outcome)
