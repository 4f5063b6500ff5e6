"""Requests, a process that makes requests, and spending: shared by the tests of `detailscribe.llm`."""

import subprocess
import sys
from pathlib import Path

from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request
from detailscribe.llm.spending.spend_log import read_spending
from tests.chat_server import ChatServer
from tests.paths import REPOSITORY

CALL_USD = (100 * 2 + 20 * 8) / 1e6  # of the test server at its endpoint's prices


def echo(body: dict) -> str:
    """Reply text that repeats the last message."""
    return "<answer to " + body["messages"][-1]["content"] + ">"


def live(server: ChatServer, store: Path, **changes) -> Chat:
    """A live client of the server."""
    return Chat({"server": server.endpoint(**changes)}, store, "live")


def chat_request(text: str = "Prompt: a fox", **changes) -> Request:
    """A request with a system message."""
    messages = [{"role": "system", "content": "system"}, {"role": "user", "content": text}]
    values = {"role": "rewrite", "endpoint": "server", "model": "some-model", "messages": messages}
    return Request(**values | {"fields": {"id": text.removeprefix("Prompt: ")}} | changes)


def chat_requests(count: int) -> list[Request]:
    """Different requests with a system message."""
    return [chat_request(f"Prompt: {n}") for n in range(count)]


def total_usd(store: Path) -> float:
    """Recorded cost of a store."""
    return sum(row["cost_usd"] for row in read_spending(store))


def question(number: int, **changes) -> Request:
    """A request with its own text per number."""
    messages = [{"role": "user", "content": f"Prompt: {number}"}]
    values = {"role": "rewrite", "endpoint": "server", "model": "some-model", "messages": messages}
    return Request(**values | {"fields": {"id": str(number)}} | changes)


ASKER = """
import sys
from pathlib import Path
from detailscribe.llm import exchange_store
from detailscribe.llm.client import Chat
from detailscribe.llm.request import Request

url, store, mode, *numbers = sys.argv[1:]
if mode == "die":  # between the reply and its record
    import os, signal
    exchange_store.record_answer = lambda *_: os.kill(os.getpid(), signal.SIGKILL)
endpoint = {"kind": "openai", "base_url": url, "key_env": "", "in_flight": 4, "timeout_s": 20, "max_retries": 0}
endpoint |= {"input_usd_per_million": 2.0, "output_usd_per_million": 8.0}
budget = float(mode) if mode[0].isdigit() else None
requests = [
    Request("rewrite", "server", "some-model", [{"role": "user", "content": f"Prompt: {n}"}]) for n in numbers
]
try:
    for reply in Chat({"server": endpoint}, Path(store), "live", budget).ask(requests):
        print(reply.text)
except Exception as error:
    sys.exit(f"{type(error).__name__}: {error}")
"""


def asker(server: ChatServer, store: Path, mode: str, *numbers: int) -> subprocess.Popen:
    """A process that makes the requests `numbers`.

    Args:
        mode: "die" kills it between the first reply and its record; a number is its budget in dollars.
    """
    command = [sys.executable, "-c", ASKER, server.base_url, str(store), mode, *map(str, numbers)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=REPOSITORY)
