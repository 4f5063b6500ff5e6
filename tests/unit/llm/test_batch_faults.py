"""Batches whose server says anything: every readable answer is kept, nothing that may be paid is submitted twice."""

import json

import pytest

from detailscribe.errors import SetupError
from detailscribe.llm import exchange_store, retry
from detailscribe.llm.client import Chat
from detailscribe.llm.openai_api import batch_api, batch_calls
from detailscribe.llm.spending.spend_log import read_spending
from tests.chat_replies import chat_body
from tests.chat_server import ChatServer
from tests.unit.llm.helpers import CALL_USD, echo, question

VICTIM = 2  # line of the output
LINES = {
    "no object": lambda row: b"[]",
    "null": lambda row: b"null",
    "no JSON": lambda row: b"{cut",
    "not UTF-8": lambda row: b"\xff\xfe",
    "nested deeply": lambda row: b"[" * 200_000,
    "deep body": lambda row: _line(row, response={"status_code": 200, "body": _deep(500)}),
    "endless number": lambda row: json.dumps(row).replace("100", "1" * 5000).encode(),
    "a text status": lambda row: _line(row, response={"status_code": "fine", "body": row["response"]["body"]}),
    "a list as status": lambda row: _line(row, response={"status_code": [200], "body": row["response"]["body"]}),
    "no status": lambda row: _line(row, response={"body": row["response"]["body"]}),
    "a list as body": lambda row: _line(row, response={"status_code": 200, "body": [1]}),
    "a text as body": lambda row: _line(row, response={"status_code": 200, "body": "fine"}),
    "a number as response": lambda row: _line(row, response=7),
    "a list as error": lambda row: _line(row, response=None, error=["x"]),
    "an error in a text": lambda row: _line(row, response={"status_code": 500, "body": "trouble"}),
    "an id that is a list": lambda row: _line(row, custom_id=[1]),
    "an id that is foreign": lambda row: _line(row, custom_id="0" * 64),
}


def _line(row, **changes) -> bytes:
    return json.dumps(row | changes).encode()


def _deep(levels):
    value = {"choices": []}
    for _ in range(levels):
        value = {"a": value}
    return value


class FirstOutput(ChatServer):
    """A server whose first batch's output is changed: `change` gets the lines and returns others."""

    def __init__(self, change, **options):
        super().__init__(answer=echo, **options)
        self.change = change

    def _run_batch(self, batch):
        super()._run_batch(batch)
        if len(self.batches) == 1 and "output_file_id" in batch:
            lines = self.files[batch["output_file_id"]].splitlines()
            self.files[batch["output_file_id"]] = b"\n".join(self.change(lines))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    monkeypatch.setattr(batch_calls, "FIRST_POLL_S", 0.001)
    monkeypatch.setattr(batch_calls, "LONGEST_POLL_S", 0.01)
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)


def chat(server, store, **changes) -> Chat:
    return Chat({"server": server.endpoint(batch=True, **changes)}, store, "live")


def questions(count):
    return [question(n) for n in range(count)]


def sizes(server) -> list[int]:
    """Requests of each batch."""
    return [len(server.files[batch["input_file_id"]].splitlines()) for batch in server.batches.values()]


@pytest.mark.parametrize("change", LINES.values(), ids=LINES)
def test_a_line_of_another_shape_is_asked_again_and_the_others_are_kept(tmp_path, change):
    def changed(lines):
        return [change(json.loads(line)) if number == VICTIM else line for number, line in enumerate(lines)]

    with FirstOutput(changed) as server:
        replies = chat(server, tmp_path).ask(questions(6))
        assert sizes(server) == [6, 1]
    assert [reply.text for reply in replies] == [f"<answer to Prompt: {n}>" for n in range(6)]


def test_a_line_about_the_set_up_stops_after_every_line_was_kept(tmp_path):
    def changed(lines):
        error = {"status_code": 401, "body": {"error": {"message": "no", "code": "invalid_api_key"}}}
        return [_line(json.loads(lines[0]), response=error), *lines[1:]]

    with FirstOutput(changed) as server:
        with pytest.raises(SetupError, match="did not accept the key .*; 1 of 6 calls are unanswered"):
            chat(server, tmp_path).ask(questions(6))
        assert len(list(tmp_path.glob("*/*.json"))) == 5 and not list(tmp_path.glob("batch-*"))
        assert {reply.status for reply in chat(server, tmp_path).ask(questions(6))} == {"ok"}
        assert sizes(server) == [6, 1]


def test_an_answer_of_another_model_stops_after_every_line_was_kept(tmp_path):
    with ChatServer(answer=echo, served="cheap") as server, pytest.raises(SetupError, match="answered as 'cheap'"):
        chat(server, tmp_path).ask(questions(6))
    assert len(list(tmp_path.glob("*/*.json"))) == 6


def test_of_two_lines_for_one_request_the_answer_counts(tmp_path):
    def changed(lines):
        row = json.loads(lines[0])
        failed = _line(row, response={"status_code": 400, "body": {"error": {"message": "bad"}}})
        blank = _line(row, response={"status_code": 200, "body": chat_body("")})
        other = _line(row, response={"status_code": 200, "body": chat_body("<a second answer>")})
        return [failed, blank, *lines, other]

    with FirstOutput(changed) as server:
        replies = chat(server, tmp_path).ask(questions(3))
        assert sizes(server) == [3]
    assert [reply.text for reply in replies] == [f"<answer to Prompt: {n}>" for n in range(3)]


class LateOutput(ChatServer):
    """A server that names the output of a completed batch only after some polls; None: never."""

    def __init__(self, polls, counts=True):
        super().__init__(answer=echo)
        self.polls, self.counts = polls, counts

    def poll(self, id):
        batch = dict(super().poll(id) or {})
        if batch.get("status") != "completed":
            return batch
        if self.counts:
            batch["request_counts"] = {"total": 3, "completed": 3, "failed": 0}
        if self.polls is None or self.polls > 0:
            self.polls = self.polls and self.polls - 1
            batch["output_file_id"] = None
        return batch


@pytest.mark.parametrize("counts", [True, False])
def test_an_output_that_is_named_late_is_waited_for(tmp_path, counts):
    with LateOutput(5, counts) as server:
        assert [reply.status for reply in chat(server, tmp_path).ask(questions(3))] == ["ok"] * 3
        assert sizes(server) == [3]


def test_an_output_that_is_never_named_is_not_submitted_again(tmp_path):
    with LateOutput(None) as server:
        for _ in range(2):
            with pytest.raises(SetupError, match="ended the batch batch_0 and names no file of its answers") as error:
                chat(server, tmp_path).ask(questions(3))
            assert "\n" not in str(error.value)
        server.polls = 0
        assert [reply.status for reply in chat(server, tmp_path).ask(questions(3))] == ["ok"] * 3
        assert sizes(server) == [3]


@pytest.mark.parametrize("status", [None, 7, ["completed"], "paused"])
def test_a_state_that_nobody_knows_ends_in_a_sentence(tmp_path, status):
    with ChatServer(answer=echo) as server:
        server.poll = lambda id: {"id": id, "status": status}
        with pytest.raises(SetupError, match="shows the batch batch_0 in an unknown state"):
            chat(server, tmp_path).ask(questions(2))
        del server.poll
        assert len(chat(server, tmp_path).ask(questions(2))) == 2 and sizes(server) == [2]


@pytest.mark.parametrize("errors", [None, [], {"data": None}, {"data": [7, None]}, {"data": "x"}, "x", {"data": [{}]}])
def test_a_rejected_batch_without_readable_errors_stops_in_a_sentence(tmp_path, errors):
    with ChatServer(answer=echo, batch_status="failed") as server:
        poll = server.poll
        server.poll = lambda id: poll(id) | {"errors": errors}
        with pytest.raises(SetupError, match=r"rejected a batch \("):
            chat(server, tmp_path).ask(questions(2))


def test_an_id_that_is_a_number_is_read_and_one_that_is_missing_is_looked_up(tmp_path):
    with ChatServer(answer=echo) as server:
        start = server.start_batch

        def started(body):
            batch = start(body)
            server.batches["17"] = server.batches.pop(batch["id"]) | {"id": "17"}
            return {"id": 17}

        server.start_batch = started
        assert len(chat(server, tmp_path / "a").ask(questions(2))) == 2
        server.start_batch = lambda body: start(body) and {"id": {}}
        assert len(chat(server, tmp_path / "b").ask(questions(2))) == 2
        assert sizes(server) == [2, 2]


@pytest.mark.parametrize("content", [b"", b"{cut", b"[]", b'{"at": 1, "batch": {}, "digests": [1]}', b"[" * 200_000])
def test_a_damaged_record_is_found_again_by_its_name(tmp_path, monkeypatch, content):
    async def killed(_):
        raise KeyboardInterrupt

    with ChatServer(answer=echo, batch_polls=3) as server:
        with monkeypatch.context() as patch:
            patch.setattr(batch_calls.asyncio, "sleep", killed)
            with pytest.raises(KeyboardInterrupt):
                chat(server, tmp_path).ask(questions(4))
        [pending] = tmp_path.glob("batch-*.json")
        pending.write_bytes(content)
        assert len(chat(server, tmp_path).ask(questions(5))) == 5
        assert sizes(server) == [4, 1] and not pending.exists()


def test_a_damaged_record_of_another_account_is_left_alone(tmp_path):
    record = tmp_path / "batch-0123456789abcdef.json"
    record.write_text("{cut")
    with ChatServer(answer=echo) as server:
        assert len(chat(server, tmp_path).ask(questions(3))) == 3
    assert record.read_text() == "{cut"


def test_an_image_that_is_none_is_a_failed_row_of_its_request(tmp_path):
    broken = tmp_path / "broken.png"
    broken.write_text("no image")
    with ChatServer(answer=echo) as server:
        requests = [question(0), question(1, images=(broken,)), question(2)]
        replies = chat(server, tmp_path / "store").ask(requests)
        assert sizes(server) == [2]
    assert [reply.status for reply in replies] == ["ok", "failed", "ok"]
    assert "broken.png" in replies[1].reason


def test_failures_that_are_alike_stop_after_the_first_batch(tmp_path):
    with ChatServer(fault=lambda *_: "blank") as server:
        with pytest.raises(SetupError, match="alike .the reply is empty"):
            chat(server, tmp_path).ask(questions(8))
        assert len(server.batches) == 1
    assert len(read_spending(tmp_path)) == 8, "each of the empty replies is paid for"


def test_each_batch_of_a_reply_that_stays_empty_is_counted(tmp_path):
    with ChatServer(answer=echo, fault=lambda role, prompt: "blank" if prompt == "1" else None) as server:
        replies = chat(server, tmp_path).ask(questions(2))
        assert len(server.batches) == batch_api.MAX_BATCHES
    rows = [row for row in read_spending(tmp_path) if row["digest"] == replies[1].digest]
    assert len(rows) == batch_api.MAX_BATCHES
    exchange = json.loads(exchange_store.exchange_path(tmp_path, replies[1].digest).read_text())
    assert len(exchange["tries"]) == batch_api.MAX_BATCHES - 1
    assert sum(row["cost_usd"] for row in rows) == pytest.approx(batch_api.MAX_BATCHES * CALL_USD / 2, rel=0.5)


def test_a_server_without_the_batch_api_is_named(tmp_path):
    with ChatServer(answer=echo) as server:
        server.get = lambda path: (404, {"detail": "Not Found"})
        with pytest.raises(SetupError, match="has no Batch API.*remove `batch`"):
            chat(server, tmp_path).ask(questions(2))
    assert server.batches == {}
