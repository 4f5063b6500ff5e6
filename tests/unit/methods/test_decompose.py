"""Decomposition: replies without a decomposition, cut replies and missing exchanges."""

import pytest

from detailscribe.errors import SetupError
from tests.chat_server import ChatServer
from tests.unit.methods.llm_steps import run_step


def test_brackets_without_a_decomposition_are_unparsed(tmp_path, images):
    with ChatServer(answer=lambda body: "<a lynx ties a knot>") as server:
        rows = run_step("decompose", server, tmp_path, images)
    assert {(row["status"], row["components"]) for row in rows} == {("unparsed", None)}
    assert rows[0]["reason"] == "no <(concept: x) = (a) + (b)> in the reply: <a lynx ties a knot>"


def test_a_cut_reply_is_failed_and_names_its_limit(tmp_path, images):
    body = {"choices": [{"message": {"content": "<(concept: x) = (a"}, "finish_reason": "length"}]}
    body["usage"] = {"prompt_tokens": 9, "completion_tokens": 12, "total_tokens": 21}
    with ChatServer(fault=lambda *_: body) as server:
        rows = run_step("decompose", server, tmp_path, images)
    assert (rows[0]["status"], rows[0]["reason"]) == ("failed", "cut off at 12 tokens; raise max_tokens")
    assert rows[0]["exchange"]


def test_replay_without_the_exchange_names_the_prompt(tmp_path, images):
    with ChatServer() as server, pytest.raises(SetupError, match=r"\(decompose tie-knot-1\)"):
        run_step("decompose", server, tmp_path, images, mode="replay")
