"""Decomposition of a prompt into interactions."""

from collections.abc import Callable

from detailscribe.llm.client import Chat
from detailscribe.methods.reply_parsing import parse_decomposition
from detailscribe.methods.roles import read_reply, request_for, result_row, template_values
from detailscribe.study.roles import role_parameters
from detailscribe.study.study import Study

STAGE = "decompose"
ALGORITHM = 3


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {"decompose": role_parameters(study, "decompose", study.config["templates"]["decompose"], "brackets")}


def decompose(records: list[dict], role: dict, chat: Chat, on_done: Callable[[], None] | None = None) -> list[dict]:
    """Split each prompt into the contacts that its interaction consists of.

    Returns:
        Rows `id, status, reason, concept, components, exchange`.

    Source: DetailScribe, first step of the method.
    """
    requests = [request_for("decompose", role, record, template_values(record)) for record in records]
    rows = []
    for record, request, reply in zip(records, requests, chat.ask(requests, on_done), strict=True):
        expected = "<(concept: x) = (a) + (b)>"
        status, reason, decomposition = read_reply(reply, request, parse_decomposition, expected)
        concept, components = decomposition or (None, None)
        rows.append(result_row(record, status, reason, concept=concept, components=components, exchange=reply.digest))
    return rows
