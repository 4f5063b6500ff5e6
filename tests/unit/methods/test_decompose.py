"""Decomposition: replies without a decomposition, cut replies and missing exchanges."""

import pytest

from detailscribe.errors import SetupError
from tests.chat_server import ChatServer
from tests.unit.methods.llm_steps import run_step


def test_brackets_without_a_decomposition_are_unparsed(tmp_path, images):
    with ChatServer(answer=lambda body: "<a lynx ties a knot>") as server:
        rows = run_step("decompose", server, tmp_path, images)
    assert {(row["status"], row["components"]) for row in rows} == {("unparsed", None)}


def test_a_cut_reply_is_reported(tmp_path, images):
    body = {"choices": [{"message": {"content": "<(concept: x) = (a"}, "finish_reason": "length"}]}
    with ChatServer(fault=lambda *_: body) as server:
        rows = run_step("decompose", server, tmp_path, images)
    assert rows[0]["reason"] == "no <(concept: x) = (a) + (b)> in the reply, which was cut at its token limit"


def test_replay_without_the_exchange_names_the_prompt(tmp_path, images):
    with ChatServer() as server, pytest.raises(SetupError, match=r"\(decompose tie-knot-1\)"):
        run_step("decompose", server, tmp_path, images, mode="replay")
