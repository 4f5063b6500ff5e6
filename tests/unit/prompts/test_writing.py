"""Prompts from topics: accepted, requested again, or rejected after all attempts."""

import re
from pathlib import Path

import pytest

from detailscribe.errors import InputError
from detailscribe.llm.client import Chat
from detailscribe.prompts.writing import prompts_from_topics, read_topics, rejected_lines, rejected_tsv
from tests.chat_replies import read_values, role
from tests.chat_server import ChatServer

ROLE = role("write_functional")


def topic_of(body):
    return read_values(body["messages"][-1]["content"])["topic"]


def written_prompts(server, store, topics, attempts=2, **changes):
    chat = Chat({"server": server.endpoint(in_flight=1)}, store, "live")
    return prompts_from_topics(topics, "functional", ROLE | changes, chat, attempts)


def test_each_topic_gets_its_prompt_in_order(tmp_path):
    done = []
    chat = Chat({"offline": {"kind": "offline", "in_flight": 4}}, tmp_path, "live")
    topics = ["tie-knot", "crack_coconut", "peel banana"]
    for kind in ("functional", "compositional", "multi_subject"):
        answer = role(f"write_{kind}", endpoint="offline")
        written, rejected = prompts_from_topics(topics, kind, answer, chat, 3, lambda: done.append(1))
        assert [record["topic"] for record in written] == topics
        assert len({record["prompt"] for record in written}) == 3
        assert rejected == []
    assert len(done) == 9


def test_a_prompt_without_the_topic_is_requested_again(tmp_path):
    replies = iter(["<A lynx eats soup.>", "<A lynx is tying a knot.>"])
    with ChatServer(answer=lambda body: next(replies)) as server:
        written, rejected = written_prompts(server, tmp_path, ["tie-knot"])
    assert written == [{"topic": "tie-knot", "prompt": "A lynx is tying a knot."}]
    assert rejected == []


def test_a_topic_is_rejected_after_all_attempts(tmp_path):
    with ChatServer(answer=lambda body: "<A lynx ties a bow.>") as server:
        written, rejected = written_prompts(server, tmp_path, ["tie-knot"], attempts=3)
        assert len(server.calls) == 3
    assert written == []
    assert rejected == [
        {"topic": "tie-knot", "prompt": "A lynx ties a bow.", "reason": "the prompt does not mention knot"}
    ]
    row = "tie-knot\tA lynx ties a bow.\tthe prompt does not mention knot\n"
    assert rejected_tsv(rejected) == f"topic\tprompt\treason\n{row}"


def test_repeated_prompt_is_rejected(tmp_path):
    same = {"tie-knot": "<A lynx ties a knot.>", "knot-tie": "<a lynx, ties a KNOT>"}
    with ChatServer(answer=lambda body: same[topic_of(body)]) as server:
        written, rejected = written_prompts(server, tmp_path, ["tie-knot", "knot-tie"])
    assert [record["topic"] for record in written] == ["tie-knot"]
    assert rejected[0]["reason"] == "the same prompt as for the topic 'tie-knot'"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("I'm sorry, but I can't do that.", "refused: "),
        ("A lynx ties a knot.", "unparsed: no <...> in the reply"),
        (
            re.search("<A hedgehog.*>", ROLE["template"]["user"])[0],
            "unparsed: the reply repeats the instruction or its",
        ),
    ],
)
def test_an_unusable_reply_is_the_reason(tmp_path, reply, reason):
    with ChatServer(answer=lambda body: reply) as server:
        written, [rejected] = written_prompts(server, tmp_path, ["tie-knot"])
    assert written == []
    assert rejected["prompt"] is None
    assert rejected["reason"].startswith(reason)
    assert rejected["reason"].endswith(reply)
    assert rejected_tsv([rejected]).splitlines()[1] == f"tie-knot\t\t{rejected['reason']}"


def test_rejected_topics_are_named():
    rejected = [{"topic": f"topic-{n}", "prompt": None, "reason": f"unparsed: reply {n}"} for n in range(12)]
    lines = rejected_lines(rejected, 40, Path("a.rejected.tsv"))
    assert lines[:2] == ["12 of 40 topics have no prompt:", "  topic-0: unparsed: reply 0"]
    assert len(lines) == 12
    assert "a.rejected.tsv" in lines[-1]
    assert rejected_lines([], 40, Path("a")) == []


def test_a_second_run_sends_no_request(tmp_path):
    with ChatServer() as server:
        first = written_prompts(server, tmp_path, ["tie-knot", "peel-banana"])
        count = len(server.calls)
        assert written_prompts(server, tmp_path, ["tie-knot", "peel-banana"]) == first
        assert len(server.calls) == count


def test_unknown_kind_is_refused(tmp_path):
    with pytest.raises(InputError, match="functional, compositional, multi_subject, got 'spatial'"):
        prompts_from_topics(["a"], "spatial", ROLE, None, 1)


def test_topics_are_read_without_comments(tmp_path):
    path = tmp_path / "topics.txt"
    path.write_bytes("\ufeff# tools\ntie-knot\n\n  зашить носок \r\nc# code\n".encode())
    assert read_topics(path) == ["tie-knot", "зашить носок", "c# code"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"tie-knot\n# x\nTie knot\n", "line 3: topic 'Tie knot' is already on line 1"),
        (b"ok\n\xff\xfe\n", "line 2: not UTF-8"),
        (b"# nothing\n", "no topic"),
    ],
)
def test_an_invalid_topic_file_is_reported(tmp_path, data, message):
    path = tmp_path / "topics.txt"
    path.write_bytes(data)
    with pytest.raises(InputError, match=message) as error:
        read_topics(path)
    assert str(path) in str(error.value)
