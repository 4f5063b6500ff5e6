"""Rewriting of a prompt from its text alone."""

from collections.abc import Callable

from detailscribe.llm.client import Chat
from detailscribe.methods.roles import input_problem, prompt_in_reply, request_for, result_row, template_values
from detailscribe.study.refinements import errors_at
from detailscribe.study.roles import BASE_VARIABLES, role_parameters
from detailscribe.study.study import Study

STAGE = "rewrite"
ALGORITHM = 3


def parameters(study: Study) -> dict[str, dict]:
    """Parameters of the stage: everything that decides its results, by the name of their file."""
    files = {}
    for name, entry in study.config["rewriters"].items():
        variables = (*BASE_VARIABLES, *(["original_prompt"] if "of" in entry else []))
        with errors_at(f"rewriters: {name}"):
            values = role_parameters(study, entry["role"], entry["template"], entry["reply"], variables)
        files[f"rewrite-{name}"] = values | ({"of": study.graph.source(entry)} if "of" in entry else {})
    return files


def rewrite(
    records: list[dict],
    role: dict,
    chat: Chat,
    on_done: Callable[[], None] | None = None,
    images: dict[str, dict] | None = None,
) -> list[dict]:
    """Request a more detailed prompt from the text alone.

    Args:
        images: Rows of images by id, whose own prompts are rewritten; None for the prompts themselves.

    Returns:
        Rows `id, status, reason, refined_prompt, exchange`.

    Source: DetailScribe, baseline GPT Rewrite.
    """
    requests, rows = {}, {}
    for record in records:
        id, values = record["id"], template_values(record)
        if images is not None:
            image = images.get(id)
            if image is None or image["status"] != "ok":
                reason = input_problem("image", image)
                rows[id] = result_row(record, "skipped", reason, refined_prompt=None, exchange=None)
                if on_done:
                    on_done()
                continue
            values |= {"prompt": image.get("prompt") or record["prompt"], "original_prompt": record["prompt"]}
        requests[id] = request_for("rewrite", role, record, values)
    replies = dict(zip(requests, chat.ask(list(requests.values()), on_done), strict=True))
    for record in records:
        if reply := replies.get(record["id"]):
            status, reason, prompt = prompt_in_reply(reply, role, requests[record["id"]])
            rows[record["id"]] = result_row(record, status, reason, refined_prompt=prompt, exchange=reply.digest)
    return [rows[record["id"]] for record in records]
