"""Rewriting: the form of the reply."""

import pytest

from detailscribe.errors import InputError
from tests.chat_server import ChatServer
from tests.unit.methods.llm_steps import run_step


def test_an_unknown_reply_form_is_named(tmp_path, images):
    with ChatServer() as server, pytest.raises(InputError, match="brackets or whole, got 'json'"):
        run_step("rewrite", server, tmp_path, images, reply="json")
