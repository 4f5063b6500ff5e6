"""Batches: output lines, states, file ids and model lists mutated."""

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from random import Random

from detailscribe.llm import exchange_store, retry
from detailscribe.llm.client import Chat
from detailscribe.llm.openai_api import batch_calls
from tests.chat_server import ChatServer
from tests.fault_cases.kind import EXPECTED, KEY, Case, Kind, require
from tests.fault_cases.mutation import damaged, mutated, odd_value, to_json
from tests.fault_cases.replies import request

REQUESTS = 6
MAX_BATCHES = 4  # submitted for one `ask`


class MutatedBatches(ChatServer):
    """A server whose first batch has a mutated output; `kept` are the requests whose lines stayed well-formed."""

    def __init__(self, random: Random):
        super().__init__(answer=lambda body: f"<answer to {body['messages'][-1]['content']}>")
        self.random = random
        self.kept: set[str] = set()
        self.late = 0  # polls of a completed batch before it names its output
        self.odd_state = random.random() < 0.15

    def _run_batch(self, batch: dict) -> None:
        super()._run_batch(batch)
        if len(self.batches) > 1:
            self.kept.update(self._names(batch))
            return
        file = batch["output_file_id"]
        lines = self.files[file].splitlines()
        names = self._names(batch)
        count = len(lines)
        batch["request_counts"] = {"total": count, "completed": count, "failed": 0}
        chosen = self.random.sample(range(count), self.random.choice([1, 1, 2]))
        for index in chosen:
            lines[index] = self._mutate(lines[index])
        self.kept.update(name for index, name in enumerate(names) if index not in chosen)
        if self.random.random() < 0.3:
            lines.insert(self.random.randrange(count), self.random.choice([b"", b"null", b"[]", b"{}", b"{", b"\xff"]))
        self.files[file] = b"\n".join(lines)
        if self.random.random() < 0.2:
            batch["late"], batch["output_file_id"], self.late = file, None, 2

    def _mutate(self, line: bytes) -> bytes:
        row = json.loads(line)
        choice = self.random.random()
        if choice < 0.2:
            return damaged(line, self.random).replace(b"\n", b" ")
        if choice < 0.4:
            row["response"]["status_code"] = odd_value(self.random)
        elif choice < 0.6:
            row["response"]["body"] = odd_value(self.random)
        elif choice < 0.7:
            row |= {"error": {"code": KEY, "message": f"it failed for {KEY}"}, "response": None}
        else:
            row = mutated(row, self.random, self.random.choice([1, 1, 3]))
        return to_json(row)

    def _names(self, batch: dict) -> list[str]:
        rows = map(json.loads, self.files[batch["input_file_id"]].splitlines())
        return [row["body"]["messages"][-1]["content"] for row in rows]

    def poll(self, id: str) -> dict | None:
        batch = super().poll(id)
        if batch and batch.get("late"):
            self.late -= 1
            if self.late < 0:
                batch["output_file_id"] = batch.pop("late")
        if batch and self.odd_state and len(self.batches) == 1:
            return mutated(batch, self.random)
        return batch

    def get(self, path: str) -> tuple[int, object]:
        status, found = super().get(path)
        data = self.files.get(path.split("/")[3]) if path.split("/")[2] == "files" else None
        return (status, data) if data is not None else (status, found)


@contextlib.contextmanager
def prepare(folder: Path, seed: int) -> Iterator[Case]:
    """Short waits, and the case."""
    os.environ["PLANTED_KEY"] = KEY
    waits = retry.FIRST_WAIT_S, batch_calls.FIRST_POLL_S
    retry.FIRST_WAIT_S, batch_calls.FIRST_POLL_S = 0.002, 0.002
    try:
        yield case
    finally:
        retry.FIRST_WAIT_S, batch_calls.FIRST_POLL_S = waits
        del os.environ["PLANTED_KEY"]


def case(number: int, random: Random, store: Path) -> None:
    """Ask in batches; the answers whose lines are well-formed must be recorded."""
    names = [f"question {n}" for n in range(REQUESTS)]
    with MutatedBatches(random) as server:
        endpoint = server.endpoint(key_env="PLANTED_KEY", batch=True, timeout_s=5)
        try:
            Chat({"planted": endpoint}, store, "live").ask([request("chat", name) for name in names])
        except EXPECTED as error:
            (store / "error.txt").write_text(str(error), encoding="utf-8", errors="replace")
        require(len(server.batches) <= MAX_BATCHES, f"{len(server.batches)} batches were submitted")
        readable = not server.odd_state
        for name in server.kept if readable else ():
            reply = exchange_store.recorded_reply(store, request("chat", name).digest)
            require(reply and reply.text == f"<answer to {name}>", f"the paid answer to {name!r} is lost")
        server.odd_state = False
        asked = len(server.calls)
        with contextlib.suppress(*EXPECTED):
            Chat({"planted": endpoint}, store, "live").ask([request("chat", name) for name in names])
        again = [call["prompt"] for call in server.calls[asked:]]
        paid = {name for name in server.kept if readable and name in again}
        require(not paid, f"paid answers are asked again: {sorted(paid)[:2]}")


KIND = Kind("batches", 120, 20, prepare)
