"""Rewriting of a prompt from its text alone."""

from collections.abc import Callable

from detailscribe.llm.client import Chat
from detailscribe.methods.roles import read_prompt, request_for, row, with_topic
from detailscribe.study.roles import role_parameters
from detailscribe.study.study import Study

STAGE = "rewrite"
ALGORITHM = 1


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {
        f"rewrite-{name}": role_parameters(study, entry["role"], entry["template"], entry["reply"])
        for name, entry in study.config["rewriters"].items()
    }


def rewrite(records: list[dict], role: dict, chat: Chat, on_done: Callable[[], None] | None = None) -> list[dict]:
    """Ask for a more detailed prompt from the text alone.

    Returns:
        Rows `id, status, reason, refined_prompt, exchange`.

    Source: DetailScribe, baseline GPT Rewrite.
    """
    requests = [request_for("rewrite", role, record, with_topic(record)) for record in records]
    rows = []
    for record, reply in zip(records, chat.ask(requests, on_done), strict=True):
        status, reason, prompt = read_prompt(reply, role)
        rows.append(row(record, status, reason, refined_prompt=prompt, exchange=reply.digest))
    return rows
