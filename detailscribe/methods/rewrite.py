"""Rewriting of a prompt from its text alone."""

from collections.abc import Callable

from detailscribe.llm.client import Chat
from detailscribe.methods.roles import prompt_in_reply, request_for, result_row, template_values
from detailscribe.study.roles import role_parameters
from detailscribe.study.study import Study

STAGE = "rewrite"
ALGORITHM = 2


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    return {
        f"rewrite-{name}": role_parameters(study, entry["role"], entry["template"], entry["reply"])
        for name, entry in study.config["rewriters"].items()
    }


def rewrite(records: list[dict], role: dict, chat: Chat, on_done: Callable[[], None] | None = None) -> list[dict]:
    """Request a more detailed prompt from the text alone.

    Returns:
        Rows `id, status, reason, refined_prompt, exchange`.

    Source: DetailScribe, baseline GPT Rewrite.
    """
    requests = [request_for("rewrite", role, record, template_values(record)) for record in records]
    rows = []
    for record, request, reply in zip(records, requests, chat.ask(requests, on_done), strict=True):
        status, reason, prompt = prompt_in_reply(reply, role, request)
        rows.append(result_row(record, status, reason, refined_prompt=prompt, exchange=reply.digest))
    return rows
