"""Decomposition of a prompt into interactions."""

from collections.abc import Callable

from detailscribe.llm.client import Chat
from detailscribe.methods import reply_parsing
from detailscribe.methods.roles import read_reply, request_for, row, with_topic
from detailscribe.study.roles import role_parameters
from detailscribe.study.study import Study

STAGE = "decompose"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"decompose": role_parameters(study, "decompose", study.config["templates"]["decompose"], "brackets")}


def decompose(records: list[dict], role: dict, chat: Chat, on_done: Callable[[], None] | None = None) -> list[dict]:
    """Split each prompt into the contacts that make its interaction.

    Returns:
        Rows `id, status, reason, concept, components, exchange`.

    Source: DetailScribe, first step of the method.
    """
    requests = [request_for("decompose", role, record, with_topic(record)) for record in records]
    rows = []
    for record, reply in zip(records, chat.ask(requests, on_done), strict=True):
        status, reason, found = read_reply(reply, reply_parsing.components, "<(concept: x) = (a) + (b)>")
        concept, parts = found or (None, None)
        rows.append(row(record, status, reason, concept=concept, components=parts, exchange=reply.digest))
    return rows
